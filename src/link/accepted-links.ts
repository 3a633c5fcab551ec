/** What an acceptor makes of the sockets that come, and how many links it lets one peer have. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { formatPlace, type Place } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { listenReason } from "../socket/system-reason.ts";
import { certificateIdentity } from "./certificate-identity.ts";
import { payerOf } from "./link-holders.ts";
import type { Link } from "./link.ts";
import { SocketTransport } from "./transport-socket.ts";
import type { Transport } from "./transport.ts";

/**
 * Throws LINK_LIMIT where the payer has as many links as are left for all others: alone it may have half of all, and several
 * greedy ones leave some to whoever comes next. O(links), once half are taken.
 */
export function refuseGreedy(links: ReadonlySet<Pick<Link, "peer">>, payer: string, linksMax: number): void {
  const free = linksMax - links.size;
  if (2 * links.size < linksMax) return;
  let count = 0;
  for (const { peer } of links) if (payerOf(peer) === payer) count++;
  if (count < free) return;
  throw new PolarityError(
    "LINK_LIMIT",
    `${payer} has ${count} links here already, and only ${free} are left for others`,
  );
}

export function rawTransport(socket: Socket, secure: boolean, remoteAddress: string, head: Buffer): Transport {
  const kind = secure ? "tls" : socket.remoteAddress === undefined ? "unix" : "tcp";
  const identity = isTls(socket) ? certificateIdentity(socket) : undefined;
  return new SocketTransport(socket, { kind, remoteAddress, certificateIdentity: identity, head });
}

export function isTls(socket: Socket): socket is TLSSocket {
  return "encrypted" in socket;
}

export function addressOf(socket: Socket): string {
  if (socket.remoteAddress === undefined) return "a unix socket";
  return formatPlace({ kind: "tcp", host: socket.remoteAddress, port: socket.remotePort ?? 0 });
}

export function listenError(place: Place, error: NodeJS.ErrnoException): PolarityError {
  return new PolarityError(
    "ADDRESS_IN_USE",
    `cannot listen on ${formatPlace(place)}: ${listenReason(error, place)}`,
    error,
  );
}
