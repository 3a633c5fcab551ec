import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { HEADROOM_BYTES, hold, lend, ReadBlockPool } from "./read-block.ts";

const BYTES = 64 * 1024;

afterEach(() => lend(undefined));

test("nothing can be held but parts of the block that is lent, and no small ones", () => {
  const pool = new ReadBlockPool(BYTES);
  const [block, other] = [pool.take(), pool.take()];
  assert.equal(hold(block.room), undefined);
  lend(block);
  assert.equal(hold(other.room), undefined);
  assert.equal(hold(Buffer.alloc(BYTES)), undefined);
  assert.equal(hold(block.room.subarray(0, 1024)), undefined);
  assert.equal(hold(block.room.subarray(1024)), block);
  lend(undefined);
  assert.equal(hold(block.room), undefined);
});

test("a block is handed out again only when it is neither read into nor held, whichever ends first", () => {
  const pool = new ReadBlockPool(BYTES);
  const first = pool.take();
  lend(first);
  hold(first.room);
  hold(first.room);
  assert.equal(first.held, true);
  first.endReading();
  const second = pool.take();
  assert.notEqual(second, first);
  first.letGo();
  assert.notEqual(pool.take(), first);
  first.letGo();
  assert.equal(pool.take(), first);

  lend(second);
  hold(second.room);
  second.letGo();
  assert.equal(second.held, false);
  assert.notEqual(pool.take(), second);
  second.endReading();
  assert.equal(pool.take(), second);
});

test("the headroom goes to one holder a read, who holds the read's beginning", () => {
  const block = new ReadBlockPool(BYTES).take();
  assert.equal(block.room.byteOffset - block.memory.byteOffset, HEADROOM_BYTES);
  lend(block);
  assert.equal(block.takeHeadroom(block.room.subarray(1)), false);
  assert.equal(block.takeHeadroom(block.room.subarray(0, 40_000)), true);
  assert.equal(block.takeHeadroom(block.room), false);
  lend(block);
  assert.equal(block.takeHeadroom(block.room), true);
});
