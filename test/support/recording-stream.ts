/** A `ByteStream` whose far side is the test: it says what arrives, when there is room, and checks that credit is kept. */
import assert from "node:assert/strict";
import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import type { PolarityError } from "../../src/base/errors.ts";

export class RecordingStream implements ByteStream {
  sink: ByteSink;
  /** Everything that was written to it, as latin1. */
  written = "";
  ended = false;
  resetBy: PolarityError | undefined;
  /** What `write` returns: whether there is room for more. */
  room = true;
  deliveredBytes = 0;
  consumedBytes = 0;
  #over = false;

  constructor(sink: ByteSink) {
    this.sink = sink;
  }

  write(chunk: Buffer): boolean {
    return this.writeLatin1(chunk.toString("latin1"));
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    if (this.ended || this.#over) return true;
    this.written += text + second + third;
    return this.room;
  }

  end(): void {
    this.ended = true;
  }

  reset(error: PolarityError): void {
    if (this.#over) return;
    this.#over = true;
    this.resetBy = error;
  }

  consumed(bytes: number): void {
    assert.ok(bytes >= 0);
    this.consumedBytes += bytes;
    assert.ok(this.consumedBytes <= this.deliveredBytes, "credit was returned for bytes that never came");
  }

  /** Bytes for which no credit has been returned. */
  get owedBytes(): number {
    return this.deliveredBytes - this.consumedBytes;
  }

  /** It is broken, from either side. */
  get over(): boolean {
    return this.#over;
  }

  // ── the far side ──

  deliver(text: string): this {
    if (this.#over) return this;
    this.deliveredBytes += text.length;
    this.sink.data(Buffer.from(text, "latin1"));
    return this;
  }

  deliverEnd(): this {
    if (!this.#over) this.sink.end();
    return this;
  }

  breakWith(error: PolarityError): void {
    if (this.#over) return;
    this.#over = true;
    this.sink.reset(error);
  }

  makeRoom(): void {
    if (this.room) return;
    this.room = true;
    if (!this.#over) this.sink.drain();
  }
}
