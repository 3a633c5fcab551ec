/**
 * Two `ByteStream` ends joined in memory: what one writes, the other's sink gets, in the same call.
 *
 * It lets a listener use a target of its own node exactly as it uses one behind a link. Credit counts the bytes that the
 * far reader has not consumed; `write` returns false above the high-water mark, and nothing is buffered here.
 */
import type { ByteSink, ByteStream } from "./byte-stream.ts";
import type { PolarityError } from "./errors.ts";

const HIGH_WATER_BYTES = 256 * 1024;

class UnsetSink implements ByteSink {
  data(): void {
    throw new Error("a byte stream delivered data before its sink was set");
  }
  end(): void {}
  reset(): void {}
  drain(): void {}
}

class PairEnd implements ByteStream {
  sink: ByteSink = new UnsetSink();
  #peer: PairEnd | undefined;
  #ended = false;
  #inFlightBytes = 0;
  #full = false;

  join(peer: PairEnd): void {
    this.#peer = peer;
  }

  write(chunk: Buffer): boolean {
    const peer = this.#peer;
    if (peer === undefined || this.#ended) return true;
    this.#inFlightBytes += chunk.length;
    // Set before delivery: the reader may consume inside `data`. A writer that was told to wait is owed a `drain`, even if it
    // writes on while less is on the way.
    if (this.#inFlightBytes >= HIGH_WATER_BYTES) this.#full = true;
    peer.sink.data(chunk);
    return !this.#full;
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    return this.write(Buffer.from(text + second + third, "latin1"));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const peer = this.#peer;
    if (peer === undefined) return;
    if (peer.#ended) this.#part();
    peer.sink.end();
  }

  reset(error: PolarityError): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    this.#part();
    peer.sink.reset(error);
  }

  consumed(bytes: number): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    peer.#inFlightBytes -= bytes;
    if (peer.#full && peer.#inFlightBytes < HIGH_WATER_BYTES / 2) {
      peer.#full = false;
      peer.sink.drain();
    }
  }

  #part(): void {
    if (this.#peer !== undefined) this.#peer.#peer = undefined;
    this.#peer = undefined;
  }
}

/** Two joined ends. Set both sinks before anything is written. */
export function createByteStreamPair(): [ByteStream, ByteStream] {
  const left = new PairEnd();
  const right = new PairEnd();
  left.join(right);
  right.join(left);
  return [left, right];
}
