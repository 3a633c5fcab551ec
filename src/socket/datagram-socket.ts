/**
 * A UDP socket: one that listens, or one that is connected to an app.
 *
 * Datagrams are copied to be sent, because the system may take them later. What waits for it in this process is bounded;
 * beyond that, and where the system refuses, datagrams are dropped and whoever owns the socket is told why.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns";
import { isIP, isIPv6 } from "node:net";
import { formatPlace } from "../base/address.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { inBackground, internalError } from "../base/internal-error.ts";
import type { DatagramDrop } from "../registry/datagram-counters.ts";
import { ReplyPort } from "./reply-port.ts";

export interface DatagramEvents {
  /** `host` as the system writes it, which is how it wants it back: IPv4 may be mapped into IPv6. */
  received(datagram: Buffer, host: string, port: number): void;
  /** Something was not sent, or was sent and not taken. */
  dropped(reason: DatagramDrop): void;
  /** Of a socket that connects: it may be sent with from now on. */
  connected?(): void;
  /** Of a socket that connects: it never will be. Nothing follows. */
  broken?(error: Error): void;
}

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** What may wait in this process for the system to take it. */
const SEND_QUEUE_BYTES_MAX = 1024 * 1024;
/** Bursts wait in the system's buffer; it gives what it allows. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

const REASONS: Readonly<Record<string, DatagramDrop>> = {
  ECONNREFUSED: "refused",
  EMSGSIZE: "too-large",
  ENOBUFS: "socket-queue",
  EAGAIN: "socket-queue",
};

export class DatagramSocket {
  readonly #socket: Socket;
  readonly #events: DatagramEvents;
  /** Of a socket that hears an app at whichever port it answers from. */
  #replies: ReplyPort | undefined;
  #closed = false;

  private constructor(family: 4 | 6, events: DatagramEvents) {
    this.#events = events;
    this.#socket = createSocket({ type: family === 6 ? "udp6" : "udp4", lookup: asItIs });
    this.#socket.on("message", (datagram: Buffer, from: RemoteInfo) => {
      if (this.#closed) return;
      try {
        // Allowed to who wants no answer (RFC 768), and nobody to send to.
        if (from.port === 0) events.dropped("no-port");
        else if (this.#replies?.takes(from.address, from.port) === false) events.dropped("stranger");
        else events.received(datagram, from.address, from.port);
      } catch (thrown) {
        internalError("udp", thrown);
      }
    });
  }

  /** Listens; an empty host is every interface, of both families where the machine has both. Throws ADDRESS_IN_USE. */
  static async listen({ host, port }: HostAndPort, events: DatagramEvents): Promise<DatagramSocket> {
    try {
      if (host !== "") return await bound(await resolved(host), port, events);
      return await bound("::", port, events).catch((error: unknown) => {
        if (!NO_IPV6.has(codeOf(error))) throw error;
        return bound("0.0.0.0", port, events);
      });
    } catch (cause) {
      const where = formatPlace({ kind: "tcp", host, port });
      throw new PolarityError("ADDRESS_IN_USE", `cannot listen on udp://${where}: ${messageOf(cause)}`, cause);
    }

    async function bound(address: string, at: number, to: DatagramEvents): Promise<DatagramSocket> {
      const socket = new DatagramSocket(isIPv6(address) ? 6 : 4, to);
      await socket.#bind(address, at);
      return socket;
    }
  }

  /**
   * Connects to an IP address, so that it hears one app only, and of its refusals. With `anyPort` it is not connected, and hears
   * the app's other ports, as `ReplyPort` says, but of no refusals. `connected` or `broken` follows, not within the call.
   */
  static connect(
    found: HostAndPort | Promise<HostAndPort>,
    events: DatagramEvents & Required<Pick<DatagramEvents, "connected" | "broken">>,
    anyPort = false,
  ): { close(): void; send(datagram: Buffer): boolean } {
    const connecting = new Connecting(events);
    const connect = ({ host: address, port }: HostAndPort): void => {
      if (connecting.closed) return;
      try {
        const socket = new DatagramSocket(isIPv6(address) ? 6 : 4, events);
        connecting.socket = socket;
        if (anyPort) socket.#wait(new ReplyPort(address, port));
        else socket.#connect(address, port);
      } catch (error) {
        events.broken(error as Error);
      }
    };
    const asked = Promise.resolve(found).then(connect, (error: unknown) => {
      if (!connecting.closed) events.broken(error as Error);
    });
    inBackground(asked);
    return connecting;
  }

  /** `127.0.0.1:53` or `[::1]:53`, with the port that the system chose. */
  get address(): string {
    const { address, port } = this.#socket.address();
    return formatPlace({ kind: "tcp", host: address, port });
  }

  /** Copies the datagram and sends it: of a socket that listens, to whom. False: it was dropped, as its owner was told. */
  send(datagram: Buffer, host?: string, port?: number): boolean {
    if (this.#closed) return false;
    if (this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES_MAX) {
      this.#events.dropped("socket-queue");
      return false;
    }
    const copy = Buffer.from(datagram);
    try {
      const replies = this.#replies;
      if (replies !== undefined) this.#socket.send(copy, replies.port, replies.host, this.#sent);
      else if (port === undefined) this.#socket.send(copy, this.#sent);
      else this.#socket.send(copy, port, host, this.#sent);
    } catch (error) {
      // What can be wrong with an address is for the system to say, and it may say it in either way.
      this.#failed(error);
      return false;
    }
    return true;
  }

  /** Idempotent. Nothing is told any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  readonly #sent = (error: Error | null): void => {
    if (error !== null) this.#failed(error);
  };

  #failed(error: unknown): void {
    if (!this.#closed) this.#events.dropped(REASONS[codeOf(error)] ?? "send-failed");
  }

  #bind(address: string, port: number): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        this.close();
        reject(error);
      };
      socket.once("error", failed);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off("error", failed);
        socket.on("error", (error) => this.#failed(error));
        widen(socket);
        resolve();
      });
    });
  }

  #wait(replies: ReplyPort): void {
    this.#replies = replies;
    this.#open((opened) => this.#socket.bind({ address: replies.waitAt, port: 0, exclusive: true }, opened));
  }

  #connect(address: string, port: number): void {
    // The callback is told of a failure too, whatever its type says.
    this.#open((opened) => this.#socket.connect(port, address, opened));
  }

  #open(begin: (opened: (error?: Error) => void) => void): void {
    const socket = this.#socket;
    const failed = (error: Error): void => {
      if (this.#closed) return;
      this.close();
      this.#events.broken?.(error);
    };
    socket.once("error", failed);
    begin((error) => {
      if (this.#closed) return;
      if (error !== undefined && error !== null) {
        failed(error);
        return;
      }
      socket.off("error", failed);
      socket.on("error", (error) => this.#failed(error));
      this.#events.connected?.();
    });
  }
}

/** A socket that may not be there yet. */
class Connecting {
  readonly #events: DatagramEvents;
  socket: DatagramSocket | undefined;
  closed = false;

  constructor(events: DatagramEvents) {
    this.#events = events;
  }

  send(datagram: Buffer): boolean {
    if (this.socket !== undefined) return this.socket.send(datagram);
    this.#events.dropped("send-failed");
    return false;
  }

  close(): void {
    this.closed = true;
    this.socket?.close();
  }
}

const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"]);

/** Addresses are resolved before they get here: datagrams must not wait for a resolver. */
function asItIs(
  host: string,
  _: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, host, isIPv6(host) ? 6 : 4);
}

function resolved(host: string): Promise<string> {
  if (isIP(host) !== 0) return Promise.resolve(host);
  return new Promise((resolve, reject) => {
    // Of datagrams nobody knows whether somebody is there, so there is no trying one family after the other.
    lookup(host, { order: "ipv4first" }, (error, address) => {
      if (error === null) resolve(address);
      else reject(error);
    });
  });
}

function widen(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The system keeps its own size then.
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
