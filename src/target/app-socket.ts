/** Connecting to an app: a socket that may be written to at once, and that says why it could not connect. */
import type { Socket } from "node:net";
import { guarded } from "../base/internal-error.ts";
import type { Place } from "../base/address.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { connectPlace } from "../socket/place-connection.ts";
import { SHARED_READ } from "../socket/shared-read.ts";
import { QUIET_PROBE_MS } from "../socket/socket-stream.ts";
import type { AppTls } from "./app-tls.ts";

/** Thrown into the socket as its error when the app does not accept in time. */
export class ConnectTimeout extends Error {
  override readonly name = "ConnectTimeout";
}

export interface AppPlace {
  readonly place: Place;
  /** For apps that speak TLS. */
  readonly tls: AppTls | undefined;
  /** Who finds out where it is. */
  readonly names: NameResolver;
}

/** What is written meanwhile is sent once connected, behind the `preface`, which is never encrypted. */
export function connectApp({ place, tls, names }: AppPlace, timeoutMs: number, preface?: Buffer): Socket {
  const socket = tls === undefined ? connectPlace(place, names, PLAIN) : tls.connect(place, names, preface);
  if (tls === undefined && preface !== undefined) socket.write(preface);
  const timer = setTimeout(() => {
    socket.destroy(new ConnectTimeout(`no connection within ${timeoutMs} ms`));
  }, timeoutMs);
  const settled = (): void => clearTimeout(timer);
  onceConnected(socket, settled);
  socket.once("close", settled);
  return socket;
}

/** Calls back when the app has accepted, and where it speaks TLS, when it is known to be the right one. */
export function onceConnected(socket: Socket, connected: () => void): void {
  socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
    guarded("socket", connected, (error) => socket.destroy(error));
  });
}

const PLAIN = {
  allowHalfOpen: true,
  // An app whose machine vanished says nothing more, also in the middle of an answer without end.
  keepAlive: true,
  keepAliveInitialDelay: QUIET_PROBE_MS,
  onread: SHARED_READ,
} as const;
