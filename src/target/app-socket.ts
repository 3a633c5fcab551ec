/** Connecting to an app: a socket that may be written to at once, and that says why it could not connect. */
import { connect, type Socket } from "node:net";
import type { Place } from "../base/address.ts";
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
}

/** What is written meanwhile is sent once connected, behind the `preface`, which is never encrypted. */
export function connectApp({ place, tls }: AppPlace, timeoutMs: number, preface?: Buffer): Socket {
  const socket = tls === undefined ? connectPlain(place) : tls.connect(place, preface);
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
  socket.once("encrypted" in socket ? "secureConnect" : "connect", connected);
}

/** Both address families are tried where a name has both. */
function connectPlain(place: Place): Socket {
  if (place.kind === "unix") return connect({ path: place.path, allowHalfOpen: true, onread: SHARED_READ });
  return connect({
    host: place.host,
    port: place.port,
    allowHalfOpen: true,
    autoSelectFamily: true,
    // An app whose machine vanished says nothing more, also in the middle of an answer without end.
    keepAlive: true,
    keepAliveInitialDelay: QUIET_PROBE_MS,
    onread: SHARED_READ,
  });
}
