import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesAreHeld, heldCopy, MUCH_HELD_BYTES } from "./held-copy.ts";

const CHUNK = Buffer.alloc(10_000, "abc");

test("a copy has the same bytes and memory of its own, however much is held", (t) => {
  t.after(() => bytesAreHeld(0));
  for (const held of [0, MUCH_HELD_BYTES + 1]) {
    bytesAreHeld(held);
    for (const size of [0, 1, 100, 8192, 10_000]) {
      const chunk = Buffer.from(CHUNK.subarray(0, size));
      const copy = heldCopy(chunk);
      chunk.fill(0);
      assert.deepEqual(copy, CHUNK.subarray(0, size));
    }
  }
});

test("while much is held, large copies are mapped by themselves, and others as ever", (t) => {
  t.after(() => bytesAreHeld(0));
  const isMapped = (bytes: number): boolean => {
    const { buffer } = heldCopy(CHUNK.subarray(0, bytes));
    return buffer instanceof ArrayBuffer && buffer.resizable;
  };
  bytesAreHeld(MUCH_HELD_BYTES);
  assert.deepEqual([isMapped(10_000), isMapped(100)], [false, false]);
  bytesAreHeld(MUCH_HELD_BYTES + 1);
  assert.deepEqual([isMapped(10_000), isMapped(100)], [true, false]);
  bytesAreHeld(0);
  assert.equal(isMapped(10_000), false);
});
