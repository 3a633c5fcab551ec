/** What is charged to whom, from the whole to the part: a peer or an address, then an address, then a connection. */
import { clientKey } from "./ip-address.ts";

/**
 * `client`: its address as `host:port`; empty on a unix socket, or for a program of this node. `payer`: the peer that
 * passes it on, whose word the address is; undefined for clients of our own.
 */
export function clientPath(client: string, payer: string | undefined): readonly string[] {
  const host = clientKey(hostOf(client));
  const address = host === "" ? "clients without an address" : `the client ${host}`;
  return payer === undefined ? [address, client] : [payer, address, client];
}

/** The host of `host:port` or `[v6]:port`; what has no port is its own. */
export function hostOf(place: string): string {
  if (place.startsWith("[")) return place.slice(1, Math.max(1, place.indexOf("]")));
  const colon = place.lastIndexOf(":");
  return colon < 0 ? place : place.slice(0, colon);
}
