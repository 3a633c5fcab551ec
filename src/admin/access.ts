/**
 * Decides who may use the admin API. Pure: facts of a request in, a refusal or nothing out.
 *
 * - Health endpoints answer everybody: load balancers and kubelets send no tokens.
 * - With a token, everything else needs it, wherever it comes from: behind a proxy on the same machine, strangers come from
 *   loopback too.
 * - Without one, the server listens on this machine only, and what remains to be kept out are web pages in a local browser.
 *   A page whose name was pointed at 127.0.0.1 (DNS rebinding) sends a foreign Host; a page that posts across sites sends a
 *   foreign Origin, and cannot send JSON without asking first.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isLoopback } from "../base/address.ts";
import type { ErrorCode } from "../base/errors.ts";

export interface AccessPolicy {
  /** Undefined: the listener is reachable from this machine only. */
  readonly token: string | undefined;
  /** The host that the configuration gives the listener; requests may name it. Undefined for a unix socket. */
  readonly host: string | undefined;
}

export interface RequestFacts {
  readonly method: string;
  /** The peer's address; undefined for a unix socket. */
  readonly remoteAddress: string | undefined;
  readonly authorization: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly contentType: string | undefined;
}

export interface Refusal {
  readonly status: 401 | 403 | 415;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Undefined: the request may go on. */
export function checkAccess(policy: AccessPolicy, request: RequestFacts): Refusal | undefined {
  if (policy.token !== undefined) return checkToken(policy.token, request.authorization);
  // No browser can reach a unix socket, and which users can, its file says; an abstract one is as open to them as loopback.
  if (policy.host === undefined) return undefined;
  if (request.remoteAddress === undefined || !isLoopback(request.remoteAddress)) {
    return forbidden(`requests from ${request.remoteAddress ?? "a peer that has gone"} need a token`);
  }
  const host = hostName(request.host ?? "");
  if (!isLoopback(host) && host !== policy.host) {
    return forbidden(`the host ${JSON.stringify(host)} is not this server's; use 127.0.0.1 or localhost`);
  }
  return request.method === "GET" || request.method === "HEAD" ? undefined : checkPage(request);
}

function checkToken(token: string, authorization: string | undefined): Refusal | undefined {
  const given = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
  if (given === undefined) return unauthorized("the admin API needs a bearer token");
  // Hashes have one length, as the comparison demands, and tell nothing of the token's.
  return timingSafeEqual(digest(given), digest(token))
    ? undefined
    : unauthorized("the bearer token is not the right one");
}

function checkPage(request: RequestFacts): Refusal | undefined {
  const { method, origin, fetchSite, host, contentType } = request;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host?.toLowerCase()}`) {
    return forbidden(`changes are not taken from pages of ${JSON.stringify(origin)}`);
  }
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") {
    return forbidden(`changes are not taken from ${fetchSite} pages`);
  }
  // Also where there is no body: a page may send only what a form could without asking first, and DELETE is not among it.
  if (method === "POST" && !/^application\/json *(;|$)/i.test(contentType ?? "")) {
    return { status: 415, code: "ADMIN_FORBIDDEN", message: "send the header content-type: application/json" };
  }
  return undefined;
}

/** A Host field without its port and brackets, in lower case. */
function hostName(field: string): string {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(field.toLowerCase());
  return match?.[1] ?? match?.[2] ?? field;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function unauthorized(message: string): Refusal {
  return { status: 401, code: "AUTH_FAILED", message };
}

function forbidden(message: string): Refusal {
  return { status: 403, code: "ADMIN_FORBIDDEN", message };
}
