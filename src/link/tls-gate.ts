/** The TLS side of an acceptor: takes plain sockets whose first bytes are a TLS handshake, gives secure ones back. */
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";

import { messageOf, PolarityError } from "../base/errors.ts";

export const LINK_ALPN = "polarity/1";
export const HTTP_ALPN = "http/1.1";

/** PEM texts. */
export interface TlsServerOptions {
  readonly cert: string;
  readonly key: string;
  /** Authority whose certificates diallers must hold; undefined: none is asked for. */
  readonly clientCa?: string | undefined;
}

export interface TlsGateEvents {
  secured(plain: Socket, secure: TLSSocket): void;
  /** The connection is gone. */
  failed(address: string, error: Error): void;
}

export interface TlsGate {
  /** Takes a paused socket with its first bytes put back. */
  take(socket: Socket): void;
}

export function createTlsGate({ cert, key, clientCa }: TlsServerOptions, events: TlsGateEvents): TlsGate {
  const mutual = clientCa !== undefined;
  const server = createTlsServer({
    cert,
    key,
    ...(mutual ? { ca: clientCa } : {}),
    requestCert: mutual,
    rejectUnauthorized: mutual,
    ALPNProtocols: [LINK_ALPN, HTTP_ALPN],
    minVersion: "TLSv1.2",
  });
  // The server hands back a socket of its own making; the address tells which plain one it stands on.
  const waiting = new Map<string, Socket>();
  server.on("secureConnection", (secure) => {
    const peer = peerOf(secure);
    const plain = waiting.get(peer);
    waiting.delete(peer);
    if (plain === undefined) secure.destroy();
    else events.secured(plain, secure);
  });
  server.on("tlsClientError", (error, secure) => events.failed(peerOf(secure), error));
  return {
    take(socket: Socket): void {
      const peer = peerOf(socket);
      waiting.set(peer, socket);
      socket.once("close", () => {
        if (waiting.get(peer) === socket) waiting.delete(peer);
      });
      server.emit("connection", socket);
    },
  };
}

function createTlsServer(options: Parameters<typeof createServer>[0] & object): ReturnType<typeof createServer> {
  try {
    return createServer(options);
  } catch (error) {
    throw new PolarityError("CONFIG_INVALID", `the certificate or key cannot be used: ${messageOf(error)}`, error);
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
