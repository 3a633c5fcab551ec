/**
 * The contract by which every room passes bytes on: a flow-controlled, half-closable byte stream.
 *
 * A mux stream, a socket and one end of an in-memory pair are all `ByteStream`s; whoever uses one sets its `sink`.
 * Nothing here allocates per chunk: no events, promises or Duplexes.
 */
import type { PolarityError } from "./errors.ts";

/**
 * What became of bytes that something below the streams was given:
 * - `taken`: the medium has them already; the buffers may be used again at once.
 * - `queued`: taken, but the buffers stay in use until they are sent.
 * - `full`: as `queued`, and the caller should wait to be told that there is room.
 */
export type WriteOutcome = "taken" | "queued" | "full";

/** What the user of a stream is told. Calls come one at a time, never from inside the constructor. */
export interface ByteSink {
  /**
   * Bytes arrived. The chunk is only lent for the call: whoever keeps bytes copies them (or, in bulk, holds their
   * `ReadBlock`). The receiver owes exactly one
   * `stream.consumed(n)` per byte, when it has passed the bytes on (or dropped them): that is what lets the peer send more.
   */
  data(chunk: Buffer): void;
  /** The peer half-closed: no more `data`. We may still write. */
  end(): void;
  /** The stream broke, both ways at once. The last call that a sink gets. */
  reset(error: PolarityError): void;
  /** After `write` returned false: writing may go on. */
  drain(): void;
  /** Only after a request to `confirm`, at most once and before any data: somebody serves the stream. */
  opened?(): void;
}

export interface ByteStream {
  sink: ByteSink;
  /**
   * Sends bytes, which are copied where they cannot leave within the call: the chunk stays the caller's. False: it was taken, but the caller should wait for `drain`.
   * After `end` or a reset, writes are dropped silently.
   */
  write(chunk: Buffer): boolean;
  /**
   * Sends text, one byte a character (latin1), like `write` but without a Buffer in between. Up to three pieces go as one,
   * which is cheaper than joining them first.
   */
  writeLatin1(text: string, second?: string, third?: string): boolean;
  /** Half-closes: no more writes. The stream is released once both sides ended. Idempotent. */
  end(): void;
  /** Breaks both ways at once; the peer sees `error.code` where the medium carries it. Idempotent; the sink is not called. */
  reset(error: PolarityError): void;
  /** Returns credit for bytes that `data` delivered. */
  consumed(bytes: number): void;
  /** On a stream that a peer opened: tells it, if it asked for that, that somebody serves the stream. */
  confirm?(): void;
}

/** For streams whose user is yet to come: hears nothing, keeps nothing, returns no credit. */
export const NO_SINK: ByteSink = Object.freeze({ data: () => {}, end: () => {}, reset: () => {}, drain: () => {} });

/** For streams whose user has gone: takes everything, gives the credit back. */
export class DiscardSink implements ByteSink {
  readonly #stream: ByteStream;
  constructor(stream: ByteStream) {
    this.#stream = stream;
  }
  data(chunk: Buffer): void {
    this.#stream.consumed(chunk.length);
  }
  end(): void {}
  reset(): void {}
  drain(): void {}
}
