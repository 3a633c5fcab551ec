import assert from "node:assert/strict";
import { test } from "node:test";
import { REPLAY_BYTES_MAX, REPLAYED_DATAGRAMS, ReplayBuffer } from "./replay-buffer.ts";

test("what was sent is kept up to the bound, and given up whole beyond it", () => {
  const buffer = new ReplayBuffer();
  buffer.pushSent(Buffer.alloc(REPLAY_BYTES_MAX - 1));
  buffer.pushSent(Buffer.alloc(1));
  assert.ok(buffer.complete);
  assert.equal(Buffer.concat([...buffer.chunks]).length, REPLAY_BYTES_MAX);
  buffer.pushSent(Buffer.alloc(1));
  assert.ok(!buffer.complete);
  assert.deepEqual(buffer.chunks, []);
});

test("what nobody was sent yet is kept whatever its size", () => {
  const buffer = new ReplayBuffer();
  buffer.pushUnsent(Buffer.alloc(REPLAY_BYTES_MAX * 2));
  assert.ok(buffer.complete);
  assert.equal(buffer.chunks[0]?.length, REPLAY_BYTES_MAX * 2);
});

test("after giving up nothing is kept", () => {
  const buffer = new ReplayBuffer();
  buffer.pushSent(Buffer.from("x"));
  buffer.giveUp();
  buffer.pushSent(Buffer.from("y"));
  assert.ok(!buffer.complete);
  assert.deepEqual(buffer.chunks, []);
});

test("of datagrams a few are kept, however small they are", () => {
  const buffer = new ReplayBuffer(REPLAYED_DATAGRAMS);
  const { bytes, chunks } = REPLAYED_DATAGRAMS;
  for (let sent = 0; sent < chunks; sent++) buffer.pushSent(Buffer.alloc(2));
  assert.ok(buffer.complete);
  buffer.pushSent(Buffer.alloc(2));
  assert.ok(!buffer.complete);
  const large = new ReplayBuffer(REPLAYED_DATAGRAMS);
  large.pushSent(Buffer.alloc(bytes + 1));
  assert.deepEqual(large.chunks, []);
});
