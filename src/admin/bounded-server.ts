/**
 * An HTTP server for operators and probes, bounded so that nobody can take it from the others.
 *
 * Connections have places, shared by address: a newcomer takes one from the address that has most. Beyond the places for
 * ordinary requests there are as many again, in which only those who ask for health are answered. Heads have 5 s.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../base/clock.ts";
import { clientKey } from "../base/ip-address.ts";
import { type Guest, WaitingRoom } from "../base/waiting-room.ts";
import { http } from "../socket/node-http.ts";

/** Connections among which any request is answered; each costs memory, and nobody needs many. */
const CONNECTIONS_MAX = 256;
/** Those and the ones that only health is answered on. */
const PLACES_MAX = 512;
/** A probe says what it wants at once. */
const PATIENCE_MS = 500;
const HEAD_MS = 5_000;
const REQUEST_MS = 10_000;
/** Node looks for late ones no oftener than this. */
const LOOK_EVERY_MS = 500;

class Caller implements Guest {
  readonly address: string;
  readonly arrivedAt: number;
  readonly socket: Socket;

  constructor(socket: Socket, now: number) {
    this.socket = socket;
    this.address = clientKey(socket.remoteAddress ?? "");
    this.arrivedAt = now;
  }
}

export interface BoundedServer {
  readonly server: Server;
  /** So many are here that only health is answered. */
  readonly crowded: boolean;
}

export function createBoundedServer(clock: Clock): BoundedServer {
  const room = new WaitingRoom<Caller>(PLACES_MAX, PATIENCE_MS);
  const server = http.createServer({
    headersTimeout: HEAD_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: LOOK_EVERY_MS,
  });
  server.on("connection", (socket: Socket) => {
    const caller = new Caller(socket, clock.now());
    socket.once("close", () => room.leave(caller));
    room.enter(caller, clock.now())?.socket.destroy();
  });
  return {
    server,
    get crowded() {
      return room.size > CONNECTIONS_MAX;
    },
  };
}
