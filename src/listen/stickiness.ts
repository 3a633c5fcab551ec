/** How a sticky route's clients say where they belong, and are told. */
import type { RequestHead } from "../http/request-head.ts";
import { fractionOf } from "../balance/rendezvous.ts";
import type { ServiceSplit } from "../balance/service-split.ts";
import { type Affinity, affinityText, keyAffinity, parseAffinity, serviceId } from "../registry/affinity.ts";
import type { Offer } from "../registry/offer.ts";
import type { StickyPolicy } from "../session/exchange-policy.ts";

/** Undefined for a client that says nothing; it may be told by `stickyCookie`. */
export function affinityOf(head: RequestHead, { kind, name }: StickyPolicy): Affinity | undefined {
  if (kind === "header") {
    const value = head.header(name);
    return value === undefined ? undefined : keyAffinity(value);
  }
  const cookie = cookieValue(head.header("cookie") ?? "", name);
  return cookie === undefined ? undefined : parseAffinity(cookie);
}

/** The service of a split for a client: the one that it belongs to, so that a canary's clients stay the canary's. */
export function chosenShare(split: ServiceSplit, affinity: Affinity | undefined, random: () => number): string {
  if (affinity?.kind === "key") return split.pick(fractionOf(affinity.hash));
  if (affinity?.kind === "node") {
    const own = split.shares.find(({ service, weight }) => weight > 0 && serviceId(service) === affinity.service);
    if (own !== undefined) return own.service;
  }
  return split.pick(random());
}

/** The Set-Cookie line for a client whom `offer` serves; empty where it knows. */
export function stickyCookie(
  { kind, name, maxAgeSeconds }: StickyPolicy,
  affinity: Affinity | undefined,
  offer: Offer,
  secure: boolean,
): string {
  if (kind !== "cookie") return "";
  if (affinity?.kind === "node" && affinity.node === offer.nodeId) return "";
  const age = maxAgeSeconds === 0 ? "" : `; Max-Age=${maxAgeSeconds}`;
  const value = affinityText(offer);
  return `Set-Cookie: ${name}=${value}; Path=/${age}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}\r\n`;
}

/** The first cookie of the name (RFC 6265 §5.4); several lines come joined by commas. */
function cookieValue(text: string, name: string): string | undefined {
  for (const pair of text.split(/[;,]/)) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
