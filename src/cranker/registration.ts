/**
 * What a connector's upgrade request says: `/register` or `/deregister`, which instance it is, which route of which domain,
 * and in which version of the protocol. Pure; who it may be is not decided here.
 */
import type { IncomingHttpHeaders } from "node:http";

import { CATCH_ALL_SERVICE, checkServiceName } from "../base/argument.ts";
import { messageOf } from "../base/errors.ts";
import { refusedHost } from "../http/host.ts";

export type CrankerVersion = "1.0" | "3.0";

export interface Registration {
  readonly kind: "register" | "deregister";
  readonly version: CrankerVersion;
  /** To be answered; undefined where the connector offered none that is known. */
  readonly subprotocol: string | undefined;
  readonly instance: string;
  /** What people call it, fit to be a node's name. */
  readonly component: string;
  /** A path's first segment, or `*`. */
  readonly route: string;
  /** A host in lower case, or `*`. */
  readonly domain: string;
  /** The service that this is in Polarity. */
  readonly service: string;
  /** What it shows to prove who it is. */
  readonly token: string | undefined;
}

export type RegistrationRead =
  | { readonly kind: "read"; readonly registration: Registration }
  /** Why it cannot be understood. */
  | { readonly kind: "refused"; readonly why: string };

const PATHS: Readonly<Record<string, Registration["kind"]>> = {
  "/register": "register",
  "/register/": "register",
  "/deregister": "deregister",
  "/deregister/": "deregister",
};

const ANY = "*";
const INSTANCE_LENGTH_MAX = 128;

/** Whether the target of an upgrade request is one of cranker's. */
export function isRegistrationTarget(target: string): boolean {
  return Object.hasOwn(PATHS, target.split("?", 1)[0] ?? "");
}

/** `address`: the peer's, which stands in for an instance without an id. */
export function readRegistration(target: string, headers: IncomingHttpHeaders, address: string): RegistrationRead {
  const question = target.indexOf("?");
  const kind = PATHS[question < 0 ? target : target.slice(0, question)];
  if (kind === undefined) return refused("the path is neither /register nor /deregister");
  const query = new URLSearchParams(question < 0 ? "" : target.slice(question + 1));

  const spoken = versionOf(headers);
  if (spoken === undefined && kind === "register") {
    return refused("neither Sec-WebSocket-Protocol nor CrankerProtocol names a version that is known: 3.0 or 1.0");
  }
  const instance = query.get("connectorInstanceID") || `unknown-${address}`;
  if (instance.length > INSTANCE_LENGTH_MAX || /[^!-~]/.test(instance)) {
    return refused(`connectorInstanceID is not 1 to ${INSTANCE_LENGTH_MAX} visible ASCII characters`);
  }
  const route = field(headers, "route");
  const domain = field(headers, "domain").toLowerCase();
  const wrong = refusedRoute(route) ?? refusedDomain(domain);
  if (wrong !== undefined) return refused(wrong);
  const service = serviceOf(route, domain);
  try {
    checkServiceName(service);
  } catch (error) {
    return refused(messageOf(error));
  }
  return {
    kind: "read",
    registration: {
      kind,
      version: spoken?.version ?? "1.0",
      subprotocol: spoken?.subprotocol,
      instance,
      component: nodeName(query.get("componentName") ?? ""),
      route,
      domain,
      service,
      token: bearer(headers.authorization) ?? query.get("token") ?? undefined,
    },
  };
}

/** `route` of any domain, or `domain/route`, where either route may be `*`: resolution knows these forms. */
function serviceOf(route: string, domain: string): string {
  const name = route === ANY ? CATCH_ALL_SERVICE : route;
  return domain === ANY ? name : `${domain}/${name}`;
}

/** The connector's first choice that is known, or else the field that is older than subprotocols. */
function versionOf(headers: IncomingHttpHeaders): Pick<Registration, "version" | "subprotocol"> | undefined {
  for (const offered of (headers["sec-websocket-protocol"] ?? "").split(",")) {
    const subprotocol = offered.trim();
    if (subprotocol === "cranker_3.0") return { version: "3.0", subprotocol };
    if (subprotocol === "cranker_1.0") return { version: "1.0", subprotocol };
  }
  const said = headers["crankerprotocol"];
  return said === "1.0" || said === "3.0" ? { version: said, subprotocol: undefined } : undefined;
}

function field(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : ANY;
}

function refusedRoute(route: string): string | undefined {
  return /[/\\?#]/.test(route) ? "Route is not one segment of a path" : undefined;
}

function refusedDomain(domain: string): string | undefined {
  if (domain === ANY) return undefined;
  const bytes = new Uint8Array(Buffer.from(domain, "latin1"));
  const wrong = domain.includes(":") || domain.includes("*") || refusedHost(bytes, 0, bytes.length) !== "";
  return wrong ? "Domain is not the name of a host without a port" : undefined;
}

/** `Bearer TOKEN`, or `Basic` with the token as the password: what `wss://any:TOKEN@router` becomes in many clients. */
function bearer(authorization: string | undefined): string | undefined {
  const [, scheme = "", value = ""] = /^(\w+) +([^ ]+) *$/.exec(authorization ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const pair = Buffer.from(value, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

/** Node names are single DNS labels; a component's name need not be one. */
function nodeName(component: string): string {
  const name = component.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 63);
  return name.replace(/^[_-]+|[_-]+$/g, "") || "cranker";
}

function refused(why: string): RegistrationRead {
  return { kind: "refused", why };
}
