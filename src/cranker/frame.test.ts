import assert from "node:assert/strict";
import { test } from "node:test";

import {
  dataFrame,
  FLAG_HEADER_END,
  FLAG_STREAM_END,
  headerFrames,
  readFrame,
  readReset,
  resetFrame,
  windowUpdateFrame,
} from "./frame.ts";

const hex = (...frames: Buffer[]): string[] => frames.map((frame) => frame.toString("hex"));

test("frames are type, flags, a signed id and the payload", () => {
  assert.deepEqual(hex(dataFrame(1, Buffer.from("hi"), false)), ["0000000000016869"]);
  assert.deepEqual(hex(dataFrame(258, Buffer.alloc(0), true)), ["000100000102"]);
  assert.deepEqual(hex(resetFrame(2, 1011, "no")), ["030000000002000003f36e6f"]);
  assert.deepEqual(hex(windowUpdateFrame(3, 65_536)), ["08000000000300010000"]);
  assert.deepEqual(hex(...headerFrames(1, "GET", true)), ["010500000001474554"]);
  assert.deepEqual(hex(...headerFrames(1, "PUT", false)), ["010400000001505554"]);
});

test("a long head is cut into frames of 16,000 characters, and only the last says that it ends", () => {
  const text = "\u00e9".repeat(16_000) + "a".repeat(16_000) + "b";
  const frames = headerFrames(7, text, true).map((frame) => readFrame(frame)!);
  assert.deepEqual(
    frames.map(({ flags, payload }) => [flags, payload.length]),
    [
      [0, 32_000],
      [0, 16_000],
      [FLAG_HEADER_END | FLAG_STREAM_END, 1],
    ],
  );
  assert.equal(Buffer.concat(frames.map(({ payload }) => payload)).toString("utf8"), text);
});

test("exactly 16,000 characters are one frame", () => {
  assert.equal(headerFrames(1, "a".repeat(16_000), false).length, 1);
});

test("messages too short for a frame are none", () => {
  for (const bytes of ["", "00", "0000000000", "080000000001", "080000000001000000"]) {
    assert.equal(readFrame(Buffer.from(bytes, "hex")), undefined, bytes);
  }
  assert.equal(readFrame(Buffer.from("000000000001", "hex"))?.payload.length, 0);
});

test("a reset may leave out its code, or its message", () => {
  assert.deepEqual(readReset(Buffer.alloc(0)), { code: -1, message: "" });
  assert.deepEqual(readReset(Buffer.from("000003f3", "hex")), { code: 1011, message: "" });
  assert.deepEqual(readReset(Buffer.from("fffffffe6f68", "hex")), { code: -2, message: "oh" });
});
