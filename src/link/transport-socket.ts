/** A link over a `net.Socket`: tcp, unix, and tls (a `TLSSocket` is one too). */
import type { Socket } from "node:net";
import { withSharedRead } from "../socket/shared-read.ts";
import type { Transport, TransportHandler, WriteOutcome } from "./transport.ts";

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
    socket.setNoDelay(true);
  }

  start(handler: TransportHandler): void {
    if (this.#writesAtOnce) this.#socket = withSharedRead(this.#socket, handler);
    const socket = this.#socket;
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
    const socket = this.#socket;
    let room = true;
    if (buffers.length === 1) {
      room = socket.write(buffers[0]!);
    } else {
      socket.cork();
      for (const buffer of buffers) room = socket.write(buffer);
      socket.uncork();
    }
    if (this.#writesAtOnce && socket.writableLength === 0) return "taken";
    return room ? "queued" : "full";
  }

  get settled(): boolean {
    return this.#socket.writableLength === 0;
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
