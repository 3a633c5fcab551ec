/**
 * Frames waiting for the next flush of one session.
 *
 * Headers and payloads up to 4 KiB are copied into an arena, so that many small frames leave in one buffer; larger
 * payloads are passed on as they are. Arenas come from a pool that all sessions share: a session that has nothing to send
 * holds none.
 */
import { HEADER_BYTES, TYPE_DATA, writeHeader } from "./frame.ts";

const ARENA_BYTES = 32 * 1024;
/** As many as were ever needed in one turn, within reason: a thousand links that send one frame each need one each. */
const ARENAS_POOLED_MAX = 256;
/** Up to this size copying a payload is cheaper than one more entry in a gathered write. */
const COPY_BYTES_MAX = 4 * 1024;

const pool: Buffer[] = [];

export class MuxOutput {
  #arena: Buffer | undefined;
  /** Where the bytes of the arena start that are not handed out yet, and where the next go. */
  #start = 0;
  #cursor = 0;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Bytes of an arena have been handed out and may still be in use by the transport. */
  #lent = false;

  /** Bytes that the next `take` returns. */
  get bytes(): number {
    return this.#bytes;
  }

  control(type: number, flags: number, streamId: number, length: number): void {
    const offset = this.#reserve(HEADER_BYTES);
    writeHeader(this.#arena!, offset, type, flags, streamId, length);
  }

  data(flags: number, streamId: number, payload: Buffer): void {
    const length = payload.length;
    if (length <= COPY_BYTES_MAX) {
      const offset = this.#reserve(HEADER_BYTES + length);
      const arena = this.#arena!;
      writeHeader(arena, offset, TYPE_DATA, flags, streamId, length);
      arena.set(payload, offset + HEADER_BYTES);
      return;
    }
    const offset = this.#reserve(HEADER_BYTES);
    writeHeader(this.#arena!, offset, TYPE_DATA, flags, streamId, length);
    this.#seal();
    this.#parts.push(payload);
    this.#bytes += length;
  }

  /** A payload of latin1 text that fits an arena: written there without a Buffer in between, nor a joined string. */
  dataLatin1(flags: number, streamId: number, first: string, second: string, third: string): void {
    const length = first.length + second.length + third.length;
    const offset = this.#reserve(HEADER_BYTES + length);
    const arena = this.#arena!;
    writeHeader(arena, offset, TYPE_DATA, flags, streamId, length);
    let at = offset + HEADER_BYTES;
    arena.write(first, at, "latin1");
    at += first.length;
    if (second !== "") arena.write(second, at, "latin1");
    at += second.length;
    if (third !== "") arena.write(third, at, "latin1");
  }

  /** Everything that waits, in order. Follow with `taken` if the transport kept no reference. */
  take(): Buffer[] {
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    this.#lent = true;
    return parts;
  }

  /** The transport has copied all that was ever handed out: the arena goes back to the pool. */
  taken(): void {
    this.#lent = false;
    this.relinquish();
  }

  /** Lets go of an arena that holds nothing unsent, so that an idle session keeps none. */
  relinquish(): void {
    if (this.#arena === undefined || this.#bytes > 0) return;
    if (!this.#lent && pool.length < ARENAS_POOLED_MAX) pool.push(this.#arena);
    this.#arena = undefined;
    this.#lent = false;
  }

  static get textBytesMax(): number {
    return ARENA_BYTES - HEADER_BYTES;
  }

  #reserve(bytes: number): number {
    if (this.#arena === undefined || this.#cursor + bytes > ARENA_BYTES) {
      this.#seal();
      // The full arena is left to whoever holds its slices.
      this.#arena = pool.pop() ?? Buffer.allocUnsafeSlow(ARENA_BYTES);
      this.#start = 0;
      this.#cursor = 0;
      this.#lent = false;
    }
    const offset = this.#cursor;
    this.#cursor += bytes;
    this.#bytes += bytes;
    return offset;
  }

  #seal(): void {
    if (this.#arena === undefined || this.#cursor === this.#start) return;
    this.#parts.push(this.#arena.subarray(this.#start, this.#cursor));
    this.#start = this.#cursor;
  }
}
