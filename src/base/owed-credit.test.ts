import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordingStream } from "../../test/support/recording-stream.ts";
import { DiscardSink } from "./byte-stream.ts";
import { NOTHING_OWED, type OwedCredit } from "./owed-credit.ts";

function delivered(bytes: number): RecordingStream {
  const stream: RecordingStream = new RecordingStream(new DiscardSink({} as RecordingStream));
  stream.deliveredBytes = bytes;
  return stream;
}

test("what is owed is paid once, and all of it", () => {
  const stream = delivered(30);
  let owed: OwedCredit = NOTHING_OWED;
  owed = owed.plus(stream, 10);
  owed = owed.plus(stream, 20);
  assert.deepEqual([owed.bytes, stream.consumedBytes], [30, 0]);
  owed.settle();
  owed.settle();
  assert.deepEqual([owed.bytes, stream.consumedBytes], [0, 30]);
});

test("what is owed while it is being paid is owed from then on", () => {
  const stream = delivered(10);
  const consumed = stream.consumed.bind(stream);
  let owed: OwedCredit = NOTHING_OWED.plus(stream, 4);
  stream.consumed = (bytes) => {
    consumed(bytes);
    if (bytes === 4) owed = owed.plus(stream, 6);
  };
  owed.settle();
  assert.deepEqual([owed.bytes, stream.consumedBytes], [6, 4]);
  owed.settle();
  assert.equal(stream.owedBytes, 0);
});

test("who owes to another stream pays the one before, each what is its own", () => {
  const [first, second] = [delivered(5), delivered(7)];
  const owed = NOTHING_OWED.plus(first, 5).plus(second, 7);
  assert.deepEqual([first.consumedBytes, second.consumedBytes, owed.bytes], [5, 0, 7]);
  owed.settle();
  assert.deepEqual([first.owedBytes, second.owedBytes], [0, 0]);
});

test("whoever begins owing nothing shares nothing with others who do", () => {
  const [first, second] = [delivered(1), delivered(1)];
  const one = NOTHING_OWED.plus(first, 1);
  const other = NOTHING_OWED.plus(second, 1);
  NOTHING_OWED.settle();
  assert.deepEqual([NOTHING_OWED.bytes, one.bytes, other.bytes], [0, 1, 1]);
});
