import assert from "node:assert/strict";
import { test } from "node:test";

import { describeFrames } from "../../test/support/mux-recorder.ts";
import { FLAG_RST, FLAG_SYN, TYPE_PING, TYPE_WINDOW_UPDATE } from "./frame.ts";
import { BLOCK_BYTES } from "../base/block-pool.ts";
import { lend, ReadBlockPool } from "../base/read-block.ts";
import { MuxOutput } from "./mux-output.ts";

const TEXT_BYTES_MAX = BLOCK_BYTES - 12;

function put(output: MuxOutput, flags: number, streamId: number, payload: Buffer): void {
  output.data(flags, streamId, payload, 0, payload.length);
}

test("frames leave in the order in which they were put, small ones in one buffer", () => {
  const output = new MuxOutput();
  output.control(TYPE_PING, FLAG_SYN, 0, 9);
  put(output, FLAG_SYN, 1, Buffer.from("hello"));
  output.dataLatin1(0, 1, "é", "", "");
  output.control(TYPE_WINDOW_UPDATE, FLAG_RST, 3, 0);
  assert.equal(output.bytes, 4 * 12 + 6);
  const parts = output.take();
  assert.equal(parts.length, 1);
  assert.deepEqual(describeFrames(parts[0]!), ["PING SYN 0 9", 'DATA SYN 1 "hello"', 'DATA - 1 "é"', "WINDOW RST 3 0"]);
  assert.equal(output.bytes, 0);
  assert.deepEqual(output.take(), []);
});

test("payloads are copied, so that the writer's buffer is its own again", () => {
  const output = new MuxOutput();
  const payload = Buffer.alloc(32 * 1024, "p");
  put(output, 0, 1, payload);
  output.data(0, 3, payload, 10, 20);
  payload.fill("x");
  const parts = output.take();
  assert.equal(parts.length, 1);
  assert.equal(parts[0]!.length, 12 + 32 * 1024 + 12 + 10);
  assert.ok(!parts[0]!.includes("x"));
});

test("what does not fit the block any more goes into another, in order", () => {
  const output = new MuxOutput();
  for (const id of [1, 3, 5, 7]) put(output, 0, id, Buffer.alloc(32 * 1024, id));
  const parts = output.take();
  assert.deepEqual(
    parts.map((part) => part.length),
    [2 * (12 + 32 * 1024), 2 * (12 + 32 * 1024)],
  );
  assert.equal(parts[1]!.readUInt32BE(4), 5);
});

test("a block is used again once the transport has taken it", () => {
  const output = new MuxOutput();
  put(output, 0, 1, Buffer.from("first"));
  const [first] = output.take();
  output.settled();
  put(output, 0, 1, Buffer.from("again"));
  const [second] = output.take();
  assert.equal(second!.buffer, first!.buffer);
  assert.equal(second!.byteOffset, first!.byteOffset);
});

test("bytes that a queueing transport still holds are never overwritten", () => {
  const output = new MuxOutput();
  const other = new MuxOutput();
  const held: { readonly part: Buffer; readonly copy: Buffer }[] = [];
  for (let round = 0; round < 300; round++) {
    put(output, 0, 1, Buffer.alloc((round * 97) % 4096, round));
    if (round % 3 === 0)
      output.dataLatin1(0, 1, String.fromCodePoint(round % 256).repeat((round * 211) % 30_000), "", "");
    for (const part of output.take()) held.push({ part, copy: Buffer.from(part) });
    // A neighbour that takes from the same pool all the while.
    put(other, 0, 2, Buffer.alloc(1000, 255));
    other.take();
    other.settled();
  }
  for (const { part, copy } of held) assert.ok(part.equals(copy));
});

test("a transport that took everything lets go of what was queued before, and only then", () => {
  const output = new MuxOutput();
  put(output, 0, 1, Buffer.from("queued"));
  const [queued] = output.take();
  put(output, 0, 1, Buffer.from("taken"));
  const [taken] = output.take();
  assert.equal(queued!.buffer, taken!.buffer);
  assert.ok(taken!.byteOffset >= queued!.byteOffset + queued!.length);
  output.settled();
  put(output, 0, 1, Buffer.from("new"));
  assert.equal(output.take()[0]!.byteOffset, queued!.byteOffset);
});

test("taken keeps what was written while the transport wrote", () => {
  const output = new MuxOutput();
  put(output, 0, 1, Buffer.from("a"));
  output.take();
  put(output, 0, 1, Buffer.from("b"));
  output.settled();
  assert.deepEqual(describeFrames(Buffer.concat(output.take())), ['DATA - 1 "b"']);
});

test("text may fill a block to its last byte", () => {
  const output = new MuxOutput();
  output.control(TYPE_PING, 0, 0, 1);
  output.dataLatin1(0, 1, "x".repeat(TEXT_BYTES_MAX), "", "");
  assert.deepEqual(describeFrames(Buffer.concat(output.take())), ["PING - 0 1", `DATA - 1 ${TEXT_BYTES_MAX}`]);
});

test("a large payload that was just read leaves from where it was read, headers before and after it in order", () => {
  const pool = new ReadBlockPool(64 * 1024);
  const block = pool.take();
  const output = new MuxOutput();
  block.room.fill("p");
  lend(block);
  output.control(TYPE_PING, FLAG_SYN, 0, 9);
  put(output, FLAG_SYN, 1, block.room);
  // The same bytes to a second stream: the one headroom is taken, so these are copied.
  put(output, FLAG_SYN, 3, block.room);
  lend(undefined);
  const parts = output.take();
  assert.equal(parts[1]!.buffer, block.memory.buffer);
  assert.deepEqual(
    describeFrames(Buffer.concat(parts)).map((frame) => frame.slice(0, 14)),
    ["PING SYN 0 9", "DATA SYN 1 655", "DATA SYN 3 655"],
  );
  block.endReading();
  assert.notEqual(pool.take(), block, "the transport may still refer to it");
  output.settled();
  assert.equal(pool.take(), block);
});
