/**
 * Frames waiting for the next flush of one session, copied into blocks so that many leave in one buffer.
 *
 * The blocks come from a pool that the whole process shares: a session that has nothing on its way holds none. Who writes
 * keeps its own buffers; nothing of them is referred to after the call.
 */
import { BLOCK_BYTES } from "../base/block-pool.ts";
import { OutgoingBlocks } from "../base/outgoing-blocks.ts";
import { HEADROOM_BYTES, hold, type ReadBlock } from "../base/read-block.ts";
import { FLAG_FIN, HEADER_BYTES, TYPE_DATA, writeHeader } from "./frame.ts";

export class MuxOutput {
  readonly #blocks = new OutgoingBlocks();
  /** Where the bytes of the present block start that have not been handed out yet. */
  #start = 0;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** What some of the parts were read into. */
  readonly #held: ReadBlock[] = [];
  /** Where the newest frame stands and whose it is, while it is a DATA frame that is still here; else negative. */
  #lastDataAt = -1;
  #lastDataStream = 0;

  /** Bytes that the next `take` returns. */
  get bytes(): number {
    return this.#bytes;
  }

  control(type: number, flags: number, streamId: number, length: number): void {
    const offset = this.#reserve(HEADER_BYTES);
    writeHeader(this.#blocks.block, offset, type, flags, streamId, length);
    this.#lastDataAt = -1;
  }

  /** A frame with bytes [start, end) of `payload`, which must fit a block. */
  data(flags: number, streamId: number, payload: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length === payload.length && this.#passOn(flags, streamId, payload)) return;
    const offset = this.#reserve(HEADER_BYTES + length);
    const { block } = this.#blocks;
    writeHeader(block, offset, TYPE_DATA, flags, streamId, length);
    block.set(start === 0 && end === payload.length ? payload : payload.subarray(start, end), offset + HEADER_BYTES);
    this.#lastDataAt = offset;
    this.#lastDataStream = streamId;
  }

  /** A payload of latin1 text that fits a block: written there without a Buffer in between, nor a joined string. */
  dataLatin1(flags: number, streamId: number, first: string, second: string, third: string): void {
    const length = first.length + second.length + third.length;
    const offset = this.#reserve(HEADER_BYTES + length);
    const { block } = this.#blocks;
    writeHeader(block, offset, TYPE_DATA, flags, streamId, length);
    let at = offset + HEADER_BYTES;
    block.write(first, at, "latin1");
    at += first.length;
    if (second !== "") block.write(second, at, "latin1");
    at += second.length;
    if (third !== "") block.write(third, at, "latin1");
    this.#lastDataAt = offset;
    this.#lastDataStream = streamId;
  }

  /** Puts FIN on the stream's last frame, if that is the newest one here. */
  finishLast(streamId: number): boolean {
    if (this.#lastDataAt < 0 || this.#lastDataStream !== streamId) return false;
    const { block } = this.#blocks;
    block[this.#lastDataAt + 3] = block[this.#lastDataAt + 3]! | FLAG_FIN;
    this.#lastDataAt = -1;
    return true;
  }

  /** Everything that waits, in order. The buffers stay as they are until `settled`. */
  take(): Buffer[] {
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    this.#lastDataAt = -1;
    return parts;
  }

  /** The transport refers to nothing of what was ever taken. */
  settled(): void {
    if (this.#bytes > 0) return;
    this.#blocks.settle();
    this.#start = 0;
    for (let read = this.#held.pop(); read !== undefined; read = this.#held.pop()) read.letGo();
  }

  /** A payload that fills a read of its own leaves from where it was read, with its header in front of it. */
  #passOn(flags: number, streamId: number, payload: Buffer): boolean {
    const read = hold(payload);
    if (read === undefined) return false;
    if (!read.takeHeadroom(payload)) {
      read.letGo();
      return false;
    }
    this.#seal();
    const start = HEADROOM_BYTES - HEADER_BYTES;
    writeHeader(read.memory, start, TYPE_DATA, flags, streamId, payload.length);
    this.#parts.push(read.memory.subarray(start, HEADROOM_BYTES + payload.length));
    this.#held.push(read);
    this.#bytes += HEADER_BYTES + payload.length;
    this.#lastDataAt = -1;
    return true;
  }

  #reserve(bytes: number): number {
    const blocks = this.#blocks;
    // The rest of a block that is too small is left empty.
    if (blocks.cursor + bytes > BLOCK_BYTES) this.#seal();
    if (blocks.reserve(bytes)) this.#start = 0;
    const offset = blocks.cursor;
    blocks.advance(bytes);
    this.#bytes += bytes;
    return offset;
  }

  #seal(): void {
    const { cursor } = this.#blocks;
    if (cursor === this.#start) return;
    this.#parts.push(this.#blocks.block.subarray(this.#start, cursor));
    this.#start = cursor;
  }
}
