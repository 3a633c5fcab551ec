/**
 * The first bytes of one block of memory as buffers of their own, made once for each length.
 *
 * For memory that is used again and again, one use at a time. A view costs as much as parsing some lines of a head, and
 * short messages repeat their lengths. of: O(1). At most `SLOTS` views are kept.
 */

const SLOTS = 1024;

export class StartViews {
  readonly memory: Buffer;
  /** Filled as it grows, so that to begin with fresh memory costs nothing. */
  readonly #views: (Buffer | undefined)[] = [];

  constructor(memory: Buffer) {
    this.memory = memory;
  }

  of(bytes: number): Buffer {
    const slot = bytes % SLOTS;
    const kept = this.#views[slot];
    if (kept !== undefined && kept.length === bytes) return kept;
    const view = this.memory.subarray(0, bytes);
    this.#views[slot] = view;
    return view;
  }
}
