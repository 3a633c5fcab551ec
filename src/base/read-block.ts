/**
 * Blocks of memory that sockets in bulk read into, so that what was read can go on without being copied.
 *
 * While the bytes of a read are lent to whoever receives them, a writer that cannot pass them on within the call may hold
 * the block instead of copying; the reader then goes on in another one. hold and letGo: O(1). A block whose holder vanishes
 * with its socket is left to the collector.
 */

/** Left free before the bytes of a read, for whoever puts a header of its own there. */
export const HEADROOM_BYTES = 16;

/** Less than this is copied: a small part must not keep a whole block. */
export const HOLD_FROM_BYTES = 32 * 1024;
/** Free blocks of one pool that are kept for later. */
const KEPT_MAX = 32;

export class ReadBlock {
  /** Headroom and room. */
  readonly memory: Buffer;
  /** What a socket reads into. */
  readonly room: Buffer;
  readonly #pool: ReadBlockPool;
  #holders = 0;
  #read = false;
  #headroomTaken = false;

  constructor(pool: ReadBlockPool, bytes: number) {
    this.#pool = pool;
    this.memory = Buffer.allocUnsafeSlow(HEADROOM_BYTES + bytes);
    this.room = this.memory.subarray(HEADROOM_BYTES);
  }

  /** Somebody refers to what was read last: it must not be read into. */
  get held(): boolean {
    return this.#holders > 0;
  }

  beginReading(): void {
    this.#read = true;
  }

  endReading(): void {
    this.#read = false;
    if (this.#holders === 0) this.#pool.give(this);
  }

  /** The bytes of a read are about to be lent. */
  lent(): void {
    this.#headroomTaken = false;
  }

  hold(): void {
    this.#holders++;
  }

  /**
   * True: the caller, who holds the block, may write into the headroom just before `chunk`. Once a read, as the same bytes
   * may go to several places.
   */
  takeHeadroom(chunk: Buffer): boolean {
    if (this.#headroomTaken || chunk.byteOffset !== this.room.byteOffset) return false;
    this.#headroomTaken = true;
    return true;
  }

  letGo(): void {
    this.#holders--;
    if (this.#holders === 0 && !this.#read) this.#pool.give(this);
  }
}

/** Blocks of one size. */
export class ReadBlockPool {
  readonly #bytes: number;
  readonly #free: ReadBlock[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** A block to read into, until its `endReading`. */
  take(): ReadBlock {
    const block = this.#free.pop() ?? new ReadBlock(this, this.#bytes);
    block.beginReading();
    return block;
  }

  /** Called by blocks that nobody reads into or holds. */
  give(block: ReadBlock): void {
    if (this.#free.length < KEPT_MAX) this.#free.push(block);
  }
}

let lent: ReadBlock | undefined;

/** From now to the next call, chunks that are passed on may be parts of `block`. */
export function lend(block: ReadBlock | undefined): void {
  lent = block;
  block?.lent();
}

/** The block that `chunk` is a part of, held for the caller, who calls its `letGo`; undefined: copy what you keep. */
export function hold(chunk: Buffer): ReadBlock | undefined {
  if (lent === undefined || chunk.length < HOLD_FROM_BYTES || chunk.buffer !== lent.memory.buffer) return undefined;
  lent.hold();
  return lent;
}
