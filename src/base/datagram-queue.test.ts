import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { type ByteStream, NO_SINK } from "./byte-stream.ts";
import { DatagramOutlet, UnconsumedFrames } from "./datagram-queue.ts";

/** A stream that has room when it is told so, and counts what it is sent. */
class Valve implements ByteStream {
  sink = NO_SINK;
  open = true;
  readonly written: number[] = [];
  write(chunk: Buffer): boolean {
    this.written.push(chunk.length);
    return this.open;
  }
  writeLatin1(): boolean {
    return this.open;
  }
  end(): void {}
  reset(): void {}
  consumed(): void {}
}

const frame = (bytes: number): Buffer => Buffer.alloc(bytes);

test("an outlet drops nothing while its stream has room", () => {
  const valve = new Valve();
  const outlet = new DatagramOutlet(valve, { bytes: 10, datagrams: 1 });
  for (let sent = 0; sent < 100; sent++) assert.equal(outlet.write(frame(1000), 1), true);
  assert.equal(valve.written.length, 100);
});

test("behind a stream without room an outlet lets the limit of bytes wait, and drops the rest", () => {
  const valve = new Valve();
  valve.open = false;
  const outlet = new DatagramOutlet(valve, { bytes: 1000, datagrams: 100 });
  assert.equal(outlet.write(frame(5000), 1), true, "the one by which it learns that there is no room");
  assert.equal(outlet.write(frame(600), 1), true);
  assert.equal(outlet.write(frame(600), 1), false);
  assert.equal(outlet.write(frame(400), 1), true, "a smaller one still fits");
  assert.equal(outlet.write(frame(1), 1), false);
  valve.open = true;
  outlet.drained();
  assert.equal(outlet.write(frame(5000), 1), true);
  assert.deepEqual(valve.written, [5000, 600, 400, 5000]);
});

test("an outlet counts datagrams too, so that empty ones do not wait without end", () => {
  const valve = new Valve();
  valve.open = false;
  const outlet = new DatagramOutlet(valve, { bytes: 1_000_000, datagrams: 3 });
  const passed = Array.from({ length: 10 }, () => outlet.write(frame(2), 1)).filter(Boolean);
  assert.equal(passed.length, 4);
  assert.equal(outlet.write(frame(8), 4), false, "a run passes whole or not at all");
});

test("frames wait until their credit has come back, in whatever pieces it comes", () => {
  const random = new Random(3);
  const limit = { bytes: 5000, datagrams: 20 };
  for (let run = 0; run < 200; run++) {
    const frames = new UnconsumedFrames();
    const waiting: number[] = [];
    const sum = (): number => waiting.reduce((total, each) => total + each, 0);
    for (let step = 0; step < 300; step++) {
      if (random.below(2) === 0) {
        const bytes = 2 + random.below(900);
        const fits = waiting.length === 0 || (sum() + bytes <= limit.bytes && waiting.length < limit.datagrams);
        assert.equal(frames.hasRoom(bytes, limit), fits);
        if (!fits) continue;
        frames.delivered(bytes);
        waiting.push(bytes);
      } else {
        let credit = random.below(sum() + 1);
        frames.consumed(credit);
        while (credit > 0) {
          const taken = Math.min(credit, waiting[0]!);
          credit -= taken;
          waiting[0]! -= taken;
          if (waiting[0] === 0) waiting.shift();
        }
      }
      assert.equal(frames.bytes, sum());
      assert.equal(frames.count, waiting.length);
    }
  }
});

test("one datagram always has room, however small the limit", () => {
  assert.equal(new UnconsumedFrames().hasRoom(65_509, { bytes: 1024, datagrams: 1 }), true);
});
