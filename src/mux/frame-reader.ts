/**
 * Takes frames out of bytes that arrive split anywhere: headers whole, payloads in the slices in which they came.
 *
 * Feed a chunk, then alternate `nextHeader` and, while `payloadLeft` is positive, `nextPayload` until they give nothing.
 * Nothing is copied but headers that a chunk's border cuts. The caller says how much payload a header is followed by.
 */
import { HEADER_BYTES } from "./frame.ts";

const NOTHING: Buffer = Buffer.alloc(0);

export class FrameReader {
  /** The fields of the last header. */
  version = 0;
  type = 0;
  flags = 0;
  streamId = 0;
  length = 0;
  /** Payload bytes that come before the next header. */
  payloadLeft = 0;
  #chunk = NOTHING;
  #offset = 0;
  readonly #cutHeader = Buffer.alloc(HEADER_BYTES);
  #cutBytes = 0;

  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /** Lets go of the chunk: a session that waits must not pin a read buffer. */
  release(): void {
    this.#chunk = NOTHING;
    this.#offset = 0;
  }

  /** Reads one header into the fields; false: the chunk ends before it does. */
  nextHeader(): boolean {
    const chunk = this.#chunk;
    const available = chunk.length - this.#offset;
    if (this.#cutBytes === 0 && available >= HEADER_BYTES) {
      this.#parse(chunk, this.#offset);
      this.#offset += HEADER_BYTES;
      return true;
    }
    const take = Math.min(HEADER_BYTES - this.#cutBytes, available);
    chunk.copy(this.#cutHeader, this.#cutBytes, this.#offset, this.#offset + take);
    this.#cutBytes += take;
    this.#offset += take;
    if (this.#cutBytes < HEADER_BYTES) return false;
    this.#cutBytes = 0;
    this.#parse(this.#cutHeader, 0);
    return true;
  }

  /** The next slice of the payload; undefined: the chunk is used up. */
  nextPayload(): Buffer | undefined {
    const chunk = this.#chunk;
    const from = this.#offset;
    const take = Math.min(this.payloadLeft, chunk.length - from);
    if (take === 0) return undefined;
    this.#offset += take;
    this.payloadLeft -= take;
    return take === chunk.length ? chunk : chunk.subarray(from, from + take);
  }

  #parse(from: Buffer, at: number): void {
    this.version = from[at]!;
    this.type = from[at + 1]!;
    this.flags = (from[at + 2]! << 8) | from[at + 3]!;
    this.streamId = readU32(from, at + 4);
    this.length = readU32(from, at + 8);
  }
}

/** Without the checks of `readUInt32BE`: a header is known to be whole. */
function readU32(from: Buffer, at: number): number {
  return ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;
}
