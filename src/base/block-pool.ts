/**
 * Blocks of memory for bytes on their way out, used again and again.
 *
 * A Buffer per chunk would be garbage outside of the heap, which makes the collector mark the whole heap many times a second
 * under bulk traffic. take and give: O(1). Blocks are only ever handed out uninitialised; who takes one fills it first.
 */

/** Room for a read of 64 KiB and what frames it. */
export const BLOCK_BYTES = 68 * 1024;

/** Kept beyond what is in use: enough for many links and connections that flush in one turn. */
const KEPT_MAX = 128;

const kept: Buffer[] = [];

export function takeBlock(): Buffer {
  return kept.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
}

/** The caller must be the only one that still refers to the block. */
export function giveBlock(block: Buffer): void {
  if (kept.length < KEPT_MAX) kept.push(block);
}
