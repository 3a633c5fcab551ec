import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import {
  countDatagrams,
  DATAGRAM_BYTES_MAX,
  FrameAligner,
  forEachDatagram,
  frameInto,
  frameRoom,
} from "./datagram-frames.ts";

const room = frameRoom();
const framed = (datagrams: readonly Buffer[]): Buffer =>
  Buffer.concat(datagrams.map((datagram) => Buffer.from(frameInto(room, datagram))));

/** What an aligner passes on of `chunks`: datagrams, and the runs that they came in. */
function aligned(chunks: readonly Buffer[]): { datagrams: string[]; runs: number; partial: number } {
  const datagrams: string[] = [];
  let runs = 0;
  const aligner = new FrameAligner({
    frames: (run) => {
      runs++;
      const before = datagrams.length;
      forEachDatagram(run, (datagram) => datagrams.push(datagram.toString("hex")));
      assert.equal(datagrams.length - before, countDatagrams(run));
    },
  });
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    aligner.push(lent);
    // The bytes were lent: whoever kept them without copying will not find them.
    lent.fill(0xee);
  }
  return { datagrams, runs, partial: aligner.partialBytes };
}

const hex = (datagrams: readonly Buffer[]): string[] => datagrams.map((datagram) => datagram.toString("hex"));

test("a stream of datagrams split at any byte, or at any two, gives the same datagrams", () => {
  const datagrams = ["", "a", "bc", "", "", "defg"].map((text) => Buffer.from(text));
  const bytes = framed(datagrams);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const chunks = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      const { datagrams: found, partial } = aligned(chunks);
      assert.deepEqual(found, hex(datagrams), `split at ${first} and ${second}`);
      assert.equal(partial, 0);
    }
  }
});

test("a stream that comes byte by byte gives the same datagrams", () => {
  const datagrams = [Buffer.alloc(300, 1), Buffer.alloc(0), Buffer.alloc(256, 2)];
  const bytes = framed(datagrams);
  assert.deepEqual(aligned(Array.from(bytes, (byte) => Buffer.from([byte]))).datagrams, hex(datagrams));
});

test("frames that are whole are passed on as one run, without a copy", () => {
  const bytes = framed([Buffer.from("one"), Buffer.from("two"), Buffer.alloc(0)]);
  let passed: Buffer | undefined;
  new FrameAligner({ frames: (run) => (passed = run) }).push(bytes);
  assert.equal(passed, bytes);
});

test("a frame that never becomes whole is held, and no more than it", () => {
  const { datagrams, partial } = aligned([framed([Buffer.alloc(1000)]).subarray(0, 700)]);
  assert.deepEqual(datagrams, []);
  assert.equal(partial, 700);
});

test("the largest datagram passes, whatever the splits, as do random ones", () => {
  const random = new Random(7);
  for (let run = 0; run < 200; run++) {
    const datagrams = Array.from({ length: 1 + random.below(6) }, () =>
      Buffer.alloc(random.below(8) === 0 ? DATAGRAM_BYTES_MAX - random.below(2) : random.below(1500), run),
    );
    const bytes = framed(datagrams);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = 1 + random.below(random.below(2) === 0 ? 4 : 70_000);
      chunks.push(bytes.subarray(at, at + length));
      at += length;
    }
    assert.deepEqual(aligned(chunks).datagrams, hex(datagrams));
  }
});
