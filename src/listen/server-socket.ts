/** A listening socket at a place: bound, limited, and closed without leaving a socket file behind. */
import { createServer, type Server, type Socket } from "node:net";
import { formatPlace, type Place } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { accept, acceptWithSharedRead } from "../socket/shared-read.ts";
import { listenReason } from "../socket/system-reason.ts";
import { listenWithMode } from "../socket/socket-mode.ts";
import { removeStaleSocket } from "../socket/stale-socket.ts";

export interface ServerSocket {
  /** Where it listens, with the port that the system chose: `127.0.0.1:8001`, `[::1]:8001`, a path or `@name`. */
  readonly address: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** Stops accepting; connections go on. */
  close(): Promise<void>;
}

/** Listens at `place`, at a path with permissions if any are given. Throws ADDRESS_IN_USE with the reason when it cannot. */
export async function listenAt(
  place: Place,
  accepted: (socket: Socket) => void,
  socketMode?: number,
): Promise<ServerSocket> {
  const server = createServer({ allowHalfOpen: true });
  if (place.kind === "unix") await removeStaleSocket(place.path);
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error): void => {
      reject(
        new PolarityError(
          "ADDRESS_IN_USE",
          `cannot listen on ${formatPlace(place)}: ${listenReason(cause, place)}`,
          cause,
        ),
      );
    };
    server.once("error", failed);
    const listening = (): void => {
      server.off("error", failed);
      // Accepting can fail later, for want of descriptors; the next connection may succeed.
      server.on("error", () => {});
      if (!acceptWithSharedRead(server, accepted)) server.on("connection", (socket) => accept(socket, accepted));
      resolve();
    };
    if (place.kind === "unix") listenWithMode(place, socketMode, () => server.listen(place.path, listening));
    else
      server.listen({ port: place.port, backlog: 4096, ...(place.host === "" ? {} : { host: place.host }) }, listening);
  });
  return {
    address: addressOf(server, place),
    port: portOf(server),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The client at the far end of an accepted socket. */
export interface ClientAddress {
  /** IP address, IPv4 also where it came mapped into IPv6; empty on a unix socket. */
  readonly host: string;
  readonly port: number;
  /** `host:port` with IPv6 in brackets; empty on a unix socket. */
  readonly text: string;
  /** For messages: `the client 203.0.113.9:5501`. */
  readonly who: string;
}

export function clientAddressOf(socket: Socket): ClientAddress {
  const host = socket.remoteAddress ?? "";
  const plain = host.startsWith("::ffff:") && host.includes(".") ? host.slice("::ffff:".length) : host;
  return clientAt(plain, socket.remotePort ?? 0);
}

/** `host`: an IP address; empty where there is none. */
export function clientAt(host: string, port: number): ClientAddress {
  if (host === "") return { host, port: 0, text: "", who: "the client" };
  const text = formatPlace({ kind: "tcp", host, port });
  return { host, port, text, who: `the client ${text}` };
}

function portOf(server: Server): number {
  const address = server.address();
  return address === null || typeof address === "string" ? 0 : address.port;
}

function addressOf(server: Server, place: Place): string {
  const address = server.address();
  if (address === null || typeof address === "string") return formatPlace(place);
  return formatPlace({ kind: "tcp", host: address.address, port: address.port });
}
