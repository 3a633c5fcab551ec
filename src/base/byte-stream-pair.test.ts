import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { createByteStreamPair } from "./byte-stream-pair.ts";
import { NO_SINK } from "./byte-stream.ts";

const KIB = 1024;
const BYTES = Buffer.alloc(256 * KIB);

/** A pair whose reader keeps what it gets until the test consumes it. */
function pair() {
  const [writer, reader] = createByteStreamPair();
  let drains = 0;
  let unconsumed = 0;
  writer.sink = { ...NO_SINK, drain: () => drains++ };
  reader.sink = { ...NO_SINK, data: (chunk) => (unconsumed += chunk.length) };
  return {
    write: (kibibytes: number) => writer.write(BYTES.subarray(0, kibibytes * KIB)),
    /** As much of it as there is. */
    consume: (kibibytes: number) => {
      const bytes = Math.min(kibibytes * KIB, unconsumed);
      unconsumed -= bytes;
      reader.consumed(bytes);
    },
    get drains() {
      return drains;
    },
  };
}

test("a writer that was told to wait hears of drain, though it wrote on when less was on the way", () => {
  const stream = pair();
  assert.equal(stream.write(256), false);
  stream.consume(100);
  assert.equal(stream.write(16), false, "it waits still");
  assert.equal(stream.drains, 0);
  stream.consume(Number.POSITIVE_INFINITY);
  assert.equal(stream.drains, 1);
  assert.equal(stream.write(16), true);
});

test("drain comes once for each time that the writer was told to wait, whatever is written and consumed in between", () => {
  const random = new Random(1);
  const stream = pair();
  let waits = false;
  let drained = 0;
  for (let turn = 0; turn < 20_000; turn++) {
    if (random.oneIn(waits ? 4 : 2)) {
      const more = stream.write(1 + random.below(64));
      if (waits) assert.equal(more, false, "who waits is not told to go on by a write");
      waits = !more;
    } else stream.consume(1 + random.below(64));
    if (stream.drains === drained) continue;
    assert.equal(stream.drains, ++drained);
    assert.equal(waits, true);
    waits = false;
  }
  stream.consume(Number.POSITIVE_INFINITY);
  assert.equal(stream.drains, waits ? drained + 1 : drained);
  assert.ok(drained > 20);
});

test("a reader that consumes within the call lets its writer go on at once", () => {
  const [writer, reader] = createByteStreamPair();
  let drains = 0;
  writer.sink = { ...NO_SINK, drain: () => drains++ };
  reader.sink = { ...NO_SINK, data: (chunk) => reader.consumed(chunk.length) };
  assert.equal(writer.write(Buffer.alloc(512 * KIB)), true);
  assert.equal(drains, 1);
});
