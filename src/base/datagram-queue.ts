/**
 * What of a flow of datagrams may wait for a slow path; the rest is dropped, as networks do. Pure, O(1) a datagram.
 */
import type { ByteStream } from "./byte-stream.ts";

export interface DatagramQueueLimit {
  readonly bytes: number;
  readonly datagrams: number;
}

/** Frames that were delivered and whose credit has not come back: they wait somewhere on the way. */
export class UnconsumedFrames {
  /** Their lengths, oldest first, from `#first` on. */
  #lengths: number[] = [];
  #first = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#lengths.length - this.#first;
  }

  hasRoom(frameBytes: number, { bytes, datagrams }: DatagramQueueLimit): boolean {
    return this.#bytes === 0 || (this.#bytes + frameBytes <= bytes && this.count < datagrams);
  }

  delivered(frameBytes: number): void {
    this.#bytes += frameBytes;
    this.#lengths.push(frameBytes);
  }

  consumed(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes <= 0) {
      this.#bytes = 0;
      this.#lengths.length = 0;
      this.#first = 0;
      return;
    }
    // Credit may come for a part of a frame, which then still waits.
    for (let left = bytes; left > 0;) {
      const length = this.#lengths[this.#first]!;
      if (length > left) {
        this.#lengths[this.#first] = length - left;
        break;
      }
      left -= length;
      this.#first++;
    }
    if (this.#first < COMPACT_FROM) return;
    this.#lengths = this.#lengths.slice(this.#first);
    this.#first = 0;
  }
}

const COMPACT_FROM = 1024;

/** Writes frames to a stream; once it asks to wait, only as many more as the limit allows. */
export class DatagramOutlet {
  readonly #stream: ByteStream;
  readonly #limit: DatagramQueueLimit;
  #full = false;
  #bytes = 0;
  #datagrams = 0;

  constructor(stream: ByteStream, limit: DatagramQueueLimit) {
    this.#stream = stream;
    this.#limit = limit;
  }

  /** Writes a run of so many whole frames. False: they were dropped, all of them. */
  write(run: Buffer, datagrams: number): boolean {
    if (this.#full) {
      const { bytes: bytesMax, datagrams: datagramsMax } = this.#limit;
      if (this.#bytes + run.length > bytesMax || this.#datagrams + datagrams > datagramsMax) return false;
      this.#bytes += run.length;
      this.#datagrams += datagrams;
    }
    if (!this.#stream.write(run)) this.#full = true;
    return true;
  }

  /** The stream may be written to again. */
  drained(): void {
    this.#full = false;
    this.#bytes = 0;
    this.#datagrams = 0;
  }
}
