/**
 * Bytes of one stream that wait for their turn, as copies of its own.
 *
 * Large chunks are held in blocks of the pool and give them back as soon as they are sent. push and take: O(1).
 */
import { BLOCK_BYTES, giveBlock, takeBlock } from "../base/block-pool.ts";

/** From here on a block is worth its unused rest. */
const BLOCK_FROM_BYTES = 16 * 1024;
/** After so many sent chunks the array is cut. */
const CUT_AFTER = 32;

export class SendQueue {
  #chunks: Buffer[] = NONE;
  #head = 0;
  bytes = 0;

  get chunks(): number {
    return this.#chunks.length - this.#head;
  }

  /** Copies `chunk`, in pieces if it is larger than a block. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
      this.#append(copyOf(chunk.subarray(at, at + BLOCK_BYTES)));
    }
  }

  pushLatin1(text: string): void {
    this.#append(Buffer.from(text, "latin1"));
  }

  /** The first bytes; whoever uses some of them calls `drop`. */
  get first(): Buffer | undefined {
    return this.#chunks[this.#head];
  }

  /** The first `bytes` of `first` have been used. */
  drop(bytes: number): void {
    const chunk = this.#chunks[this.#head]!;
    this.bytes -= bytes;
    if (bytes < chunk.length) {
      this.#chunks[this.#head] = chunk.subarray(bytes);
      return;
    }
    release(chunk);
    this.#chunks[this.#head] = EMPTY;
    this.#head++;
    if (this.#head === this.#chunks.length) this.#reset();
    else if (this.#head >= CUT_AFTER) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    for (let index = this.#head; index < this.#chunks.length; index++) release(this.#chunks[index]!);
    this.#reset();
    this.bytes = 0;
  }

  #append(chunk: Buffer): void {
    if (this.#chunks === NONE) this.#chunks = [];
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
  }

  #reset(): void {
    this.#chunks = NONE;
    this.#head = 0;
  }
}

const NONE: Buffer[] = [];
const EMPTY = Buffer.alloc(0);

function copyOf(chunk: Buffer): Buffer {
  if (chunk.length < BLOCK_FROM_BYTES) return Buffer.from(chunk);
  const block = takeBlock();
  block.set(chunk);
  return block.subarray(0, chunk.length);
}

/** Only blocks have their size. */
function release(chunk: Buffer): void {
  if (chunk.buffer.byteLength === BLOCK_BYTES) giveBlock(Buffer.from(chunk.buffer));
}
