/**
 * Makes one transport to an address: a socket, through a proxy where one is set, then TLS, then the websocket upgrade.
 *
 * Each step works on the socket of the one before. Aborting destroys whatever is there at the moment.
 */
import { isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

import { WebSocket } from "ws";

import { certificateName, formatPlace, type LinkAddress, type Place } from "../base/address.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { clientContext } from "../socket/authorities.ts";
import { certificateIdentity } from "./certificate-identity.ts";
import { requestTunnel } from "./proxy-connect.ts";
import type { Destination } from "../socket/connection-race.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { systemReason } from "../socket/system-reason.ts";
import { connectPlace } from "../socket/place-connection.ts";
import { HTTP_ALPN } from "../socket/tls-settings.ts";
import { LINK_ALPN } from "./link-tls.ts";
import { SocketTransport } from "./transport-socket.ts";
import { WEBSOCKET_SUBPROTOCOL, WebSocketTransport } from "./transport-websocket.ts";
import type { Transport } from "./transport.ts";

/** PEM texts. */
export interface TlsClientOptions {
  /** Authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** Our certificate and its key, for acceptors that ask for one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the acceptor's certificate must hold, when it is not the host that is dialled. */
  readonly servername?: string | undefined;
  /** Do not check the acceptor's certificate at all. */
  readonly insecureSkipVerify?: boolean | undefined;
}

export interface DialOptions {
  readonly address: LinkAddress;
  /** Where to go; undefined: to wherever the address's name leads. */
  readonly connectTo: Destination | undefined;
  readonly names: NameResolver;
  readonly tls: TlsClientOptions;
  readonly proxy: URL | undefined;
  readonly websocketMessageBytesMax: number;
  readonly signal: AbortSignal;
}

/** Rejects with `LINK_UNREACHABLE`, whose message says what was tried and why it failed. */
export async function dialTransport(options: DialOptions): Promise<Transport> {
  const { address, names, proxy, signal } = options;
  let socket: Socket | undefined;
  const abort = (): void => {
    socket?.destroy();
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    if (proxy === undefined) {
      socket = openSocket(placeOf(options), names);
      await event(socket, "connect");
    } else {
      socket = await connectThrough(proxy, address.place, names, signal, (current) => {
        socket = current;
      });
    }
    if (address.transport === "tls" || address.transport === "wss") {
      socket = secure(
        socket,
        certificateName(address.place),
        address.transport === "tls" ? LINK_ALPN : HTTP_ALPN,
        options.tls,
      );
      await event(socket, "secureConnect");
    }
    return await createTransport(socket, options);
  } catch (error) {
    socket?.destroy();
    throw unreachable(address, signal.aborted ? signal.reason : error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The proxy finds hosts itself, but not the records of a name. */
async function connectThrough(
  proxy: URL,
  destination: Place,
  names: NameResolver,
  signal: AbortSignal,
  current: (socket: Socket) => void,
): Promise<Socket> {
  if (destination.kind === "unix" || destination.records === undefined) {
    return tunnelTo(destination, proxy, names, current);
  }
  const failures: unknown[] = [];
  for (const one of await names.hosts(destination)) {
    // Aborting destroys the socket of the moment, and there must not be another.
    signal.throwIfAborted();
    if (one instanceof Error) {
      failures.push(one);
      continue;
    }
    let socket: Socket | undefined;
    try {
      return await tunnelTo({ kind: "tcp", ...one }, proxy, names, (opened) => {
        socket = opened;
        current(opened);
      });
    } catch (error) {
      // The proxy may keep open what it has refused.
      socket?.destroy();
      failures.push(error);
    }
  }
  throw new AggregateError(failures);
}

async function tunnelTo(
  destination: Place,
  proxy: URL,
  names: NameResolver,
  current: (socket: Socket) => void,
): Promise<Socket> {
  const secureProxy = proxy.protocol === "https:";
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const port = proxy.port === "" ? (secureProxy ? 443 : 80) : Number(proxy.port);
  let socket = openSocket({ kind: "tcp", host, port }, names);
  current(socket);
  try {
    await event(socket, "connect");
    if (secureProxy) {
      socket = secure(socket, host, HTTP_ALPN, {});
      current(socket);
      await event(socket, "secureConnect");
    }
  } catch (error) {
    throw new PolarityError("LINK_UNREACHABLE", `the proxy ${proxy.host}: ${messageOf(error)}`, error);
  }
  await requestTunnel(socket, proxy, destination);
  return socket;
}

function placeOf({ address: { place }, connectTo }: DialOptions): Place {
  return place.kind === "tcp" && connectTo !== undefined ? { kind: "tcp", ...connectTo } : place;
}

function openSocket(place: Place, names: NameResolver): Socket {
  return guarded(connectPlace(place, names, { noDelay: true }));
}

function secure(socket: Socket, host: string, alpn: string, tls: TlsClientOptions): TLSSocket {
  const servername = tls.servername ?? host;
  return guarded(
    connectTls({
      socket,
      // An address is no server name, but the certificate is checked against it all the same.
      host: servername,
      ...(isIP(servername) === 0 ? { servername } : {}),
      ALPNProtocols: [alpn],
      secureContext: clientContext(tls),
      rejectUnauthorized: tls.insecureSkipVerify !== true,
    }),
  );
}

function createTransport(socket: Socket, options: DialOptions): Promise<Transport> | Transport {
  const { address } = options;
  const remoteAddress = formatPlace(address.place);
  const identity = "encrypted" in socket ? certificateIdentity(socket as TLSSocket) : undefined;
  if (address.transport === "ws" || address.transport === "wss") {
    return upgrade(socket, options, remoteAddress, identity);
  }
  return new SocketTransport(socket, { kind: address.transport, remoteAddress, certificateIdentity: identity });
}

function upgrade(
  socket: Socket,
  { address, websocketMessageBytesMax }: DialOptions,
  remoteAddress: string,
  identity: string | undefined,
): Promise<Transport> {
  const kind = address.transport === "wss" ? "wss" : "ws";
  const { place } = address;
  const host = place.kind === "tcp" && place.records === undefined ? remoteAddress : certificateName(place);
  // The socket is there already, so the request is a plain one; what it says about the host stays the same.
  const webSocket = new WebSocket(`ws://${host}${address.path}`, [WEBSOCKET_SUBPROTOCOL], {
    createConnection: () => socket,
    perMessageDeflate: false,
    maxPayload: websocketMessageBytesMax,
    followRedirects: false,
  });
  // A tunnel comes paused. Nothing can be lost: the other side has not been asked anything yet.
  socket.resume();
  return new Promise((resolve, reject) => {
    webSocket.once("error", reject);
    webSocket.once("unexpected-response", (_request, response) => {
      const answer = `${response.statusCode} ${response.statusMessage}`.trim();
      reject(new Error(`an HTTP server answers there, and it answered the websocket's upgrade with ${answer}`));
      webSocket.terminate();
    });
    webSocket.once("open", () => {
      webSocket.off("error", reject);
      resolve(new WebSocketTransport(webSocket, socket, { kind, remoteAddress, certificateIdentity: identity }));
    });
  });
}

/** Errors that come before or after anybody waits for them must not end the process. */
function guarded<S extends Socket>(socket: S): S {
  return socket.on("error", () => {});
}

function event(socket: Socket, name: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    const happened = (): void => {
      socket.off("error", reject);
      socket.off("close", closed);
      resolve();
    };
    const closed = (): void => reject(new Error("the connection was closed"));
    socket.once(name, happened);
    socket.once("error", reject);
    socket.once("close", closed);
  });
}

function unreachable(address: LinkAddress, error: unknown): PolarityError {
  if (error instanceof PolarityError) return error;
  return new PolarityError("LINK_UNREACHABLE", `cannot reach ${address.url}: ${reasonOf(error)}`, error);
}

/** A name with several addresses fails with one error for each. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(systemReason).join(", ");
  return systemReason(error);
}
