/**
 * Bytes copied into blocks for a writer that may hold on to them: packed tightly, given back together once nothing that
 * was handed out is in use any more.
 */
import { BLOCK_BYTES, giveBlock, takeBlock } from "./block-pool.ts";

/** Blocks in use by one writer that are worth keeping track of; a writer further behind leaves the rest to the collector. */
const TRACKED_MAX = 64;

export class OutgoingBlocks {
  #block: Buffer | undefined;
  #cursor = 0;
  /** Full blocks, parts of which may still be in use. */
  #full: Buffer[] = NONE;

  /** The block that `offset = reserve(bytes)` points into; valid until the next `reserve`. */
  get block(): Buffer {
    return this.#block!;
  }

  /** Makes room for at most `BLOCK_BYTES` in one piece. True: in a new block. */
  reserve(bytes: number): boolean {
    if (this.#block !== undefined && this.#cursor + bytes <= BLOCK_BYTES) return false;
    if (this.#block !== undefined) {
      if (this.#full === NONE) this.#full = [];
      if (this.#full.length < TRACKED_MAX) this.#full.push(this.#block);
    }
    this.#block = takeBlock();
    this.#cursor = 0;
    return true;
  }

  /** Where the next bytes go. */
  get cursor(): number {
    return this.#cursor;
  }

  advance(bytes: number): void {
    this.#cursor += bytes;
  }

  /** A copy of `chunk`, which may be as long as a block. */
  copy(chunk: Buffer): Buffer {
    const { length } = chunk;
    this.reserve(length);
    const start = this.#cursor;
    const block = this.#block!;
    block.set(chunk, start);
    this.#cursor = start + length;
    return block.subarray(start, start + length);
  }

  /** Nothing that was handed out is in use any more. */
  settle(): void {
    if (this.#block !== undefined) giveBlock(this.#block);
    this.#block = undefined;
    this.#cursor = 0;
    if (this.#full === NONE) return;
    for (const block of this.#full) giveBlock(block);
    this.#full = NONE;
  }
}

const NONE: Buffer[] = [];
