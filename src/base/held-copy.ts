/**
 * Copies of lent bytes that wait for somebody who reads slowly or not at all.
 *
 * The system's allocator keeps small pieces that were freed between others, so that a process which once held much stays as
 * large as it was then. While much is held, copies are therefore made in memory of their own that is mapped for each: it
 * costs some 50 µs a copy, and all of it goes back to the system when the copy is collected. While little is held, copies cost what
 * copies cost.
 */

/** Above this many bytes held in the process, copies are made so that their memory can be given back. */
export const MUCH_HELD_BYTES = 32 * 1024 * 1024;
/** Smaller ones would waste most of the pages that they are mapped to. */
const MAPPED_BYTES_MIN = 8 * 1024;

let muchIsHeld = false;

/** How much is held: told when it becomes much, and from time to time. */
export function bytesAreHeld(bytes: number): void {
  muchIsHeld = bytes > MUCH_HELD_BYTES;
}

/** A copy that the caller may keep. */
export function heldCopy(chunk: Buffer): Buffer {
  if (!muchIsHeld || chunk.length < MAPPED_BYTES_MIN) return Buffer.from(chunk);
  // V8 maps resizable buffers by themselves, instead of asking the allocator for them.
  const copy = Buffer.from(new ArrayBuffer(chunk.length, { maxByteLength: chunk.length }), 0, chunk.length);
  chunk.copy(copy);
  return copy;
}
