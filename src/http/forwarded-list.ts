/**
 * What trusted proxies say of a request's way, in both forms: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
 *
 * A proxy in front may speak only one of them, and an app believe only the other, so each is made from the other where it
 * is missing. For rare use: only requests of trusted proxies come here.
 */

import { parseIp } from "../base/ip-address.ts";
import type { RequestHead } from "./request-head.ts";

/** One hop of a Forwarded list. Empty: not said. */
export interface ForwardedElement {
  /** As in X-Forwarded-For: an address without brackets or port, `unknown`, or a name that begins with `_`. */
  readonly address: string;
  readonly proto: string;
  readonly host: string;
}

/** The elements of a Forwarded field, nearest to the client first; undefined when it is not well-formed. */
export function parseForwarded(value: string): readonly ForwardedElement[] | undefined {
  const elements: ForwardedElement[] = [];
  let pairs = new Map<string, string>();
  const pair =
    /[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)"))?[ \t]*([;,]|$)/y;
  for (;;) {
    const match = pair.exec(value);
    if (match === null) return undefined;
    const [, name, token, quoted, separator] = match;
    if (name !== undefined) {
      const key = name.toLowerCase();
      // RFC 7239 §4: each parameter once in an element; which of two would count is anybody's guess.
      if (pairs.has(key)) return undefined;
      pairs.set(key, token ?? (quoted ?? "").replace(/\\(.)/g, "$1"));
    }
    if (separator !== ";" && pairs.size > 0) {
      const address = addressOf(pairs.get("for") ?? "unknown");
      elements.push({ address, proto: schemeOf(pairs.get("proto")), host: hostOf(pairs.get("host")) });
      pairs = new Map();
    }
    if (separator === "") return elements;
  }
}

/** The X-Forwarded-For of a trusted proxy's request, made from Forwarded if it said only that; empty if it said neither. */
export function forwardedForOf(head: RequestHead): string {
  if (!head.hasForwardingFields) return "";
  const forwardedFor = head.header("x-forwarded-for") ?? "";
  return forwardedFor === "" ? addressList(parseForwarded(head.header("forwarded") ?? "") ?? []) : forwardedFor;
}

/** The X-Forwarded-For that says the same. */
export function addressList(elements: readonly ForwardedElement[]): string {
  return elements.map(({ address }) => address).join(", ");
}

/** The Forwarded elements that say the same as an X-Forwarded-For; protocol and host (may be empty) are the first hop's. */
export function forwardedFrom(forwardedFor: string, proto: string, host: string): string {
  const addresses = addressesOf(forwardedFor);
  if (addresses.length === 0) return "";
  const first = (host === "" ? "" : `;host="${host}"`) + (proto === "" ? "" : `;proto=${proto}`);
  return addresses.map((address, at) => `for=${forwardedNode(address, 0)}${at === 0 ? first : ""}`).join(", ");
}

/** A node of RFC 7239 §6: IPv6 in brackets and quotes, a port only in quotes, an unknown address by that word. */
export function forwardedNode(address: string, port: number): string {
  if (address === "") return "unknown";
  const host = address.includes(":") ? `[${address}]` : address;
  if (port > 0) return `"${host}:${port}"`;
  return host === address ? address : `"${host}"`;
}

/** A scheme, of a list the first one; empty when it is none. */
export function schemeOf(value = ""): string {
  return /^[ \t]*([A-Za-z][A-Za-z0-9+.-]{0,31})[ \t]*(?:,|$)/.exec(value)?.[1]?.toLowerCase() ?? "";
}

/** A host with or without port, of a list the first one; empty when it is none. */
export function hostOf(value = ""): string {
  return /^[ \t]*((?:[A-Za-z0-9._~%!$&'()*+;=-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?)[ \t]*(?:,|$)/.exec(value)?.[1] ?? "";
}

/** The port that a client addressed: the host's own, or that of the listener, if it is known (not empty), or its scheme's. */
export function portOf(host: string, scheme: string, ofListener: string): string {
  const port = /:(\d+)$/.exec(host)?.[1] ?? ofListener;
  return port !== "" ? port : scheme === "https" || scheme === "wss" ? "443" : "80";
}

function addressesOf(forwardedFor: string): string[] {
  return forwardedFor
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
    .map(addressOf);
}

/** An address without brackets and port, or a name that stands for one; anything else is `unknown`. */
function addressOf(node: string): string {
  if (/^_[0-9A-Za-z._-]{1,128}$/.test(node)) return node;
  const match = /^(?:\[([^\]]*)\](?::[0-9A-Za-z._-]{1,32})?|([\d.]+)(?::[0-9A-Za-z._-]{1,32})?|([^[\]]+))$/.exec(node);
  const address = match?.[1] ?? match?.[2] ?? match?.[3] ?? "";
  return parseIp(address) === undefined ? "unknown" : address;
}
