/**
 * A stream whose bytes a tap sees: what the stream delivers came from the client, what is written to it came from the server.
 *
 * It stands between a stream and its user, so neither knows of it, and a connection that nobody analyzes has no part of it.
 * The tap sees bytes before they go on, since whoever gets them may answer within the call. Credit, ends and resets pass
 * through untouched.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { StreamTap } from "./stream-tap.ts";

export class TappedStream implements ByteStream {
  readonly tap: StreamTap;
  readonly #stream: ByteStream;
  sink: ByteSink = NO_SINK;
  #readingEnded = false;
  #writingEnded = false;

  constructor(stream: ByteStream, tap: StreamTap) {
    this.#stream = stream;
    this.tap = tap;
    stream.sink = new TappedSink(this);
  }

  write(chunk: Buffer): boolean {
    this.tap.fromServer(chunk);
    return this.#stream.write(chunk);
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    this.tap.fromServer(Buffer.from(text + second + third, "latin1"));
    return this.#stream.writeLatin1(text, second, third);
  }

  end(): void {
    this.#writingEnded = true;
    if (this.#readingEnded) this.tap.close();
    this.#stream.end();
  }

  reset(error: PolarityError): void {
    this.tap.close();
    this.#stream.reset(error);
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }

  confirm(): void {
    this.#stream.confirm?.();
  }

  /** The stream said that nothing more will come. */
  readEnd(): void {
    this.#readingEnded = true;
    if (this.#writingEnded) this.tap.close();
    this.sink.end();
  }
}

class TappedSink implements ByteSink {
  readonly #tapped: TappedStream;

  constructor(tapped: TappedStream) {
    this.#tapped = tapped;
  }

  data(chunk: Buffer): void {
    const tapped = this.#tapped;
    tapped.tap.fromClient(chunk);
    tapped.sink.data(chunk);
  }

  end(): void {
    this.#tapped.readEnd();
  }

  reset(error: PolarityError): void {
    this.#tapped.tap.close();
    this.#tapped.sink.reset(error);
  }

  drain(): void {
    this.#tapped.sink.drain();
  }
}
