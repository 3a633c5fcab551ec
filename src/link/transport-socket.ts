/** A link over a `net.Socket`: tcp, unix, and tls (a `TLSSocket` is one too). */
import type { Socket } from "node:net";
import type { WriteOutcome } from "../base/byte-stream.ts";
import { withSharedRead } from "../socket/shared-read.ts";
import { SocketWriter } from "../socket/socket-writer.ts";
import type { Transport, TransportHandler } from "./transport.ts";

export interface SocketTransportOptions {
  readonly kind: "tcp" | "unix" | "tls";
  readonly remoteAddress: string;
  readonly certificateIdentity?: string | undefined;
  /** Bytes that were read to find out what the connection is; they come first. */
  readonly head?: Buffer;
}

export class SocketTransport implements Transport {
  readonly kind: string;
  readonly remoteAddress: string;
  readonly certificateIdentity: string | undefined;
  #socket: Socket;
  #writer: SocketWriter;
  readonly #head: Buffer | undefined;
  /** Plain sockets hand their bytes to the kernel within `write`; a TLS socket encrypts later. */
  readonly #writesAtOnce: boolean;

  constructor(socket: Socket, options: SocketTransportOptions) {
    this.#socket = socket;
    this.#head = options.head;
    this.kind = options.kind;
    this.remoteAddress = options.remoteAddress;
    this.certificateIdentity = options.certificateIdentity;
    this.#writesAtOnce = options.kind !== "tls";
    this.#writer = new SocketWriter(socket, NOT_STARTED);
    socket.setNoDelay(true);
  }

  start(handler: TransportHandler): void {
    if (this.#writesAtOnce) this.#socket = withSharedRead(this.#socket, handler);
    const socket = this.#socket;
    this.#writer = new SocketWriter(socket, handler);
    let cause: Error | undefined;
    socket.on("data", (chunk: Buffer) => handler.received(chunk));
    socket.on("drain", () => handler.drained());
    socket.on("error", (error) => {
      cause = error;
    });
    // A link has no half-open state: its end is its end.
    socket.on("end", () => socket.end());
    socket.on("close", () => handler.closed(cause));
    if (this.#head !== undefined && this.#head.length > 0) handler.received(this.#head);
    if (socket.destroyed) queueMicrotask(() => handler.closed(socket.errored ?? undefined));
    else socket.resume();
  }

  write(buffers: readonly Buffer[]): WriteOutcome {
    return this.#writer.writeAll(buffers);
  }

  get settled(): boolean {
    return !this.#writer.waiting;
  }

  end(): void {
    this.#writer.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

const NOT_STARTED = { drained: () => {} };
