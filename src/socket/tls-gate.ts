/**
 * The server side of TLS: takes plain sockets that nobody has read from, or whose first bytes were put back, and gives
 * secure ones back.
 *
 * It listens on nothing and has no timeouts: whoever hands it sockets keeps their deadline, and destroys those that are
 * late. A gate's settings are fixed; for new ones there is a new gate, and handshakes under way end with the old one.
 */
import type { Socket } from "node:net";
import { createServer, type SecureContext, type TLSSocket, type TlsOptions } from "node:tls";
import { messageOf, PolarityError } from "../base/errors.ts";
import { guarded, internalError } from "../base/internal-error.ts";

export interface TlsGateOptions extends Pick<
  TlsOptions,
  | "cert"
  | "key"
  | "ca"
  | "requestCert"
  | "rejectUnauthorized"
  | "minVersion"
  | "ciphers"
  | "ticketKeys"
  | "allowHalfOpen"
> {
  readonly ALPNProtocols: string[];
  /** The context for a name that a client asks for; undefined: that of `cert` and `key`; `refused`: none. */
  readonly contextFor?: ((name: string) => SecureContext | "refused" | undefined) | undefined;
}

export interface TlsGateEvents {
  secured(plain: Socket, secure: TLSSocket): void;
  /** The connection is gone. `address`: where it came from. */
  failed(plain: Socket | undefined, address: string, error: Error): void;
}

export interface TlsGate {
  take(socket: Socket): void;
}

/** RFC 6066 §3: fatal alert `unrecognized_name`, in a record of its own. */
export const UNRECOGNIZED_NAME = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70]);

/** Sessions are resumed under whichever of a gate's certificates; the keys of their tickets say with whom. */
export const SESSION_CONTEXT = "polarity";

/** Throws CONFIG_INVALID when certificate and key cannot be used. */
export function createTlsGate({ contextFor, ...options }: TlsGateOptions, events: TlsGateEvents): TlsGate {
  // The server hands back a socket of its own making; the address tells which plain one it stands on.
  const waiting = new Map<string, Socket>();
  const server = createTlsServer({
    ...options,
    sessionIdContext: SESSION_CONTEXT,
    // Whoever hands over sockets has a shorter deadline; this one is never reached.
    handshakeTimeout: HANDSHAKE_MS_MAX,
    ...(contextFor === undefined
      ? {}
      : {
          SNICallback(this: TLSSocket | undefined, name, done) {
            let context: SecureContext | "refused" | undefined;
            try {
              context = contextFor(name);
            } catch (thrown) {
              done(internalError("accept", thrown));
              return;
            }
            if (context !== "refused") {
              done(null, context);
              return;
            }
            if (this !== undefined) waiting.get(peerOf(this))?.write(UNRECOGNIZED_NAME);
            done(new Error(`no certificate is for ${JSON.stringify(name)}`));
          },
        }),
  });
  server.on("secureConnection", (secure) => {
    const peer = peerOf(secure);
    const plain = waiting.get(peer);
    waiting.delete(peer);
    if (plain === undefined) {
      secure.destroy();
      return;
    }
    secure.allowHalfOpen = plain.allowHalfOpen;
    guarded(
      "accept",
      () => events.secured(plain, secure),
      () => secure.destroy(),
    );
  });
  server.on("tlsClientError", (error, secure) => {
    const peer = peerOf(secure);
    guarded("accept", () => events.failed(waiting.get(peer), peer, error));
  });
  return {
    take(socket: Socket): void {
      const peer = peerOf(socket);
      waiting.set(peer, socket);
      socket.once("close", () => {
        if (waiting.get(peer) === socket) waiting.delete(peer);
      });
      // The secure socket takes this over. Who ends its side within the handshake can never finish it, and is gone at once.
      const { allowHalfOpen } = socket;
      socket.allowHalfOpen = false;
      server.emit("connection", socket);
      socket.allowHalfOpen = allowHalfOpen;
    },
  };
}

/** More than any deadline that a configuration can set. */
const HANDSHAKE_MS_MAX = 600_000;

function createTlsServer(options: TlsOptions): ReturnType<typeof createServer> {
  try {
    return createServer(options);
  } catch (error) {
    throw new PolarityError("CONFIG_INVALID", `the certificate or key cannot be used: ${messageOf(error)}`, error);
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
