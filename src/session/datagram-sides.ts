/**
 * What a one-to-N session needs where its streams carry datagrams: that it hears whole frames only, and that a server that
 * is too slow misses datagrams where a stream's would be cut. Pure.
 */
import { countDatagrams, FrameAligner, type FrameSink } from "../base/datagram-frames.ts";
import { DatagramOutlet, type DatagramQueueLimit } from "../base/datagram-queue.ts";
import { type ByteSink, type ByteStream, NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";

/** A stream whose sink hears runs of whole frames. */
export class AlignedStream implements ByteStream {
  readonly #stream: ByteStream;
  sink: ByteSink = NO_SINK;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.sink = new AlignedSink(() => this.sink);
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  writeLatin1(text: string, second?: string, third?: string): boolean {
    return this.#stream.writeLatin1(text, second, third);
  }

  end(): void {
    this.#stream.end();
  }

  reset(error: PolarityError): void {
    this.#stream.reset(error);
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }
}

/** Hears a stream as it comes, and tells another sink of its whole frames. */
export class AlignedSink implements ByteSink, FrameSink {
  readonly #aligner = new FrameAligner(this);
  readonly #sink: () => ByteSink;
  /** Hears of `drain` before that sink does. */
  drained: (() => void) | undefined;

  constructor(sink: () => ByteSink) {
    this.#sink = sink;
  }

  data(chunk: Buffer): void {
    this.#aligner.push(chunk);
  }

  frames(run: Buffer): void {
    this.#sink().data(run);
  }

  end(): void {
    this.#sink().end();
  }

  reset(error: PolarityError): void {
    this.#sink().reset(error);
  }

  drain(): void {
    this.drained?.();
    this.#sink().drain();
  }
}

/** The stream to a server that misses what it is too slow for, so that it never asks to wait. */
export class MissingStream implements ByteStream {
  readonly #stream: ByteStream;
  readonly #outlet: DatagramOutlet;
  /** Datagrams that it missed. */
  missed = 0;

  constructor(stream: ByteStream, limit: DatagramQueueLimit) {
    this.#stream = stream;
    this.#outlet = new DatagramOutlet(stream, limit);
  }

  get sink(): ByteSink {
    return this.#stream.sink;
  }

  set sink(sink: ByteSink) {
    this.#stream.sink = sink;
  }

  /** Of whole frames. */
  write(run: Buffer): boolean {
    const datagrams = countDatagrams(run);
    if (!this.#outlet.write(run, datagrams)) this.missed += datagrams;
    return true;
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    return this.write(Buffer.from(text + second + third, "latin1"));
  }

  /** The server takes more again. */
  drained(): void {
    this.#outlet.drained();
  }

  end(): void {
    this.#stream.end();
  }

  reset(error: PolarityError): void {
    this.#stream.reset(error);
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }
}
