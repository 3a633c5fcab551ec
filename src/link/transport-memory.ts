/**
 * Two transports joined in memory, for links inside one process and for tests.
 *
 * Bytes are delivered in a later turn of the event loop, as a socket would; a writer whose reader is behind is told so.
 */
import type { WriteOutcome } from "../base/byte-stream.ts";
import type { Transport, TransportHandler } from "./transport.ts";

const HIGH_WATER_BYTES = 256 * 1024;

/** How a test cuts what is delivered; the pieces must add up to the chunk. */
export type Split = (chunk: Buffer) => readonly Buffer[];

export function createMemoryTransportPair(split: Split = whole): [Transport, Transport] {
  const left = new MemoryTransport(split);
  const right = new MemoryTransport(split);
  left.join(right);
  right.join(left);
  return [left, right];
}

const whole: Split = (chunk) => [chunk];

class MemoryTransport implements Transport {
  readonly kind = "memory";
  readonly remoteAddress = "memory";
  readonly certificateIdentity = undefined;
  readonly settled = true;
  readonly #split: Split;
  #peer: MemoryTransport | undefined;
  #handler: TransportHandler | undefined;
  /** On the way from us to the peer. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #scheduled = false;
  #full = false;
  #ended = false;
  #closed = false;

  constructor(split: Split) {
    this.#split = split;
  }

  join(peer: MemoryTransport): void {
    this.#peer = peer;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#closed) queueMicrotask(() => handler.closed(undefined));
    else if (this.#peer !== undefined) this.#peer.#schedule();
  }

  write(buffers: readonly Buffer[]): WriteOutcome {
    if (this.#closed || this.#ended) return "taken";
    for (const buffer of buffers) {
      this.#queue.push(Buffer.from(buffer));
      this.#queuedBytes += buffer.length;
    }
    this.#schedule();
    this.#full = this.#queuedBytes >= HIGH_WATER_BYTES;
    return this.#full ? "full" : "taken";
  }

  end(): void {
    this.#ended = true;
    this.#schedule();
  }

  destroy(): void {
    this.#close();
    // The other side learns of it in a later turn, as over a network.
    const peer = this.#peer;
    if (peer !== undefined) setImmediate(() => peer.#close());
  }

  #schedule(): void {
    // What was written before the peer listens waits for its `start`.
    if (this.#scheduled || this.#peer === undefined || this.#peer.#handler === undefined) return;
    this.#scheduled = true;
    setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    const peer = this.#peer;
    for (const chunk of queue) {
      for (const piece of this.#split(chunk)) {
        if (peer !== undefined && !peer.#closed) peer.#handler?.received(piece);
      }
    }
    if (this.#ended && this.#queue.length === 0) {
      if (peer !== undefined) peer.#close();
      this.#close();
    } else if (this.#full) {
      this.#full = false;
      if (!this.#closed) this.#handler?.drained();
    }
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#handler?.closed(undefined);
  }
}
