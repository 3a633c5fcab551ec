/** Connecting to an app: a socket that may be written to at once, and that says why it could not connect. */
import { connect, type Socket } from "node:net";
import type { Place } from "../base/address.ts";
import { SHARED_READ } from "../socket/shared-read.ts";
import { QUIET_PROBE_MS } from "../socket/socket-stream.ts";

/** Thrown into the socket as its error when the app does not accept in time. */
export class ConnectTimeout extends Error {
  override readonly name = "ConnectTimeout";
}

/** Both address families are tried where a name has both. What is written meanwhile is sent once connected. */
export function connectApp(place: Place, timeoutMs: number): Socket {
  const socket =
    place.kind === "unix"
      ? connect({ path: place.path, allowHalfOpen: true, onread: SHARED_READ })
      : connect({
          host: place.host,
          port: place.port,
          allowHalfOpen: true,
          autoSelectFamily: true,
          // An app whose machine vanished says nothing more, also in the middle of an answer without end.
          keepAlive: true,
          keepAliveInitialDelay: QUIET_PROBE_MS,
          onread: SHARED_READ,
        });
  const timer = setTimeout(() => {
    socket.destroy(new ConnectTimeout(`no connection within ${timeoutMs} ms`));
  }, timeoutMs);
  const settled = (): void => clearTimeout(timer);
  socket.once("connect", settled);
  socket.once("close", settled);
  return socket;
}
