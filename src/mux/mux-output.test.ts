import assert from "node:assert/strict";
import { test } from "node:test";

import { describeFrames } from "../../test/support/mux-recorder.ts";
import { FLAG_RST, FLAG_SYN, TYPE_PING, TYPE_WINDOW_UPDATE } from "./frame.ts";
import { MuxOutput } from "./mux-output.ts";

test("frames leave in the order in which they were put, small ones in one buffer", () => {
  const output = new MuxOutput();
  output.control(TYPE_PING, FLAG_SYN, 0, 9);
  output.data(FLAG_SYN, 1, Buffer.from("hello"));
  output.dataLatin1(0, 1, "é", "", "");
  output.control(TYPE_WINDOW_UPDATE, FLAG_RST, 3, 0);
  assert.equal(output.bytes, 4 * 12 + 6);
  const parts = output.take();
  assert.equal(parts.length, 1);
  assert.deepEqual(describeFrames(parts[0]!), ["PING SYN 0 9", 'DATA SYN 1 "hello"', 'DATA - 1 "é"', "WINDOW RST 3 0"]);
  assert.equal(output.bytes, 0);
  assert.deepEqual(output.take(), []);
});

test("a payload up to 4 KiB is copied, a larger one passed on as it is", () => {
  const output = new MuxOutput();
  const small = Buffer.alloc(4096, "s");
  const large = Buffer.alloc(4097, "l");
  output.data(0, 1, small);
  output.data(0, 1, large);
  output.data(0, 1, small);
  const parts = output.take();
  assert.deepEqual(
    parts.map((part) => part.length),
    [12 + 4096 + 12, 4097, 12 + 4096],
  );
  assert.equal(parts[1], large);
  small.fill("x");
  assert.ok(parts[0]!.includes("sss") && parts[2]!.includes("sss"), "the writer's buffer is its own again");
});

test("an arena is used again once the transport has taken it", () => {
  const output = new MuxOutput();
  output.data(0, 1, Buffer.from("first"));
  const [first] = output.take();
  output.taken();
  output.data(0, 1, Buffer.from("again"));
  const [second] = output.take();
  assert.equal(second!.buffer, first!.buffer);
  assert.equal(second!.byteOffset, first!.byteOffset);
});

test("bytes that a queueing transport still holds are never overwritten", () => {
  const output = new MuxOutput();
  const other = new MuxOutput();
  const held: { readonly part: Buffer; readonly copy: Buffer }[] = [];
  for (let round = 0; round < 300; round++) {
    output.data(0, 1, Buffer.alloc((round * 97) % 4096, round));
    if (round % 3 === 0) output.dataLatin1(0, 1, String.fromCodePoint(round % 256).repeat((round * 211) % 30_000), "", "");
    for (const part of output.take()) held.push({ part, copy: Buffer.from(part) });
    if (round % 7 === 0) output.relinquish();
    // A neighbour that takes from the same pool all the while.
    other.data(0, 2, Buffer.alloc(1000, 255));
    other.take();
    other.taken();
  }
  for (const { part, copy } of held) assert.ok(part.equals(copy));
});

test("a transport that took everything lets go of what was queued before, and only then", () => {
  const output = new MuxOutput();
  output.data(0, 1, Buffer.from("queued"));
  const [queued] = output.take();
  output.data(0, 1, Buffer.from("taken"));
  const [taken] = output.take();
  assert.equal(queued!.buffer, taken!.buffer);
  assert.ok(taken!.byteOffset >= queued!.byteOffset + queued!.length);
  output.taken();
  output.data(0, 1, Buffer.from("new"));
  assert.equal(output.take()[0]!.byteOffset, queued!.byteOffset);
});

test("taken keeps what was written while the transport wrote", () => {
  const output = new MuxOutput();
  output.data(0, 1, Buffer.from("a"));
  output.take();
  output.data(0, 1, Buffer.from("b"));
  output.taken();
  assert.deepEqual(describeFrames(Buffer.concat(output.take())), ['DATA - 1 "b"']);
});

test("text may fill an arena to its last byte", () => {
  const output = new MuxOutput();
  output.control(TYPE_PING, 0, 0, 1);
  output.dataLatin1(0, 1, "x".repeat(MuxOutput.textBytesMax), "", "");
  assert.deepEqual(describeFrames(Buffer.concat(output.take())), ["PING - 0 1", `DATA - 1 ${MuxOutput.textBytesMax}`]);
});
