import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Outstanding } from "./outstanding.ts";

/** Among them some that fall on one place of a table, whatever its size. */
const keys = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.integer({ min: -9, max: 9 }).map((key) => key * 2 ** 20),
  fc.maxSafeInteger(),
);

test("while no more than eight wait, each answer finds its own request", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), keys), { maxLength: 300 }), (steps) => {
      const outstanding = new Outstanding();
      const waiting = new Map<number, number>();
      let now = 0;
      for (const [asks, key] of steps) {
        now += 1;
        if (asks && (waiting.has(key) || waiting.size < 8)) {
          outstanding.asked(key, now);
          waiting.set(key, now);
        } else {
          const since = waiting.get(key);
          waiting.delete(key);
          assert.equal(outstanding.answered(key, now), since === undefined ? undefined : now - since);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test("a thousand that count up wait at once, from wherever they start, and any of them may be answered first", () => {
  for (const start of [0, -500, 2 ** 40 + 3]) {
    const outstanding = new Outstanding();
    for (let seq = 0; seq < 1_000; seq++) outstanding.asked(start + seq, seq);
    for (let seq = 999; seq >= 0; seq--) assert.equal(outstanding.answered(start + seq, 1_000), 1_000 - seq);
    assert.equal(outstanding.answered(start, 1_000), undefined);
  }
});

test("where too many wait, the one that waits longest is forgotten", () => {
  const outstanding = new Outstanding();
  for (let index = 0; index < 20; index++) outstanding.asked(index * 2 ** 20, index);
  const found = Array.from({ length: 20 }, (_, index) => outstanding.answered(index * 2 ** 20, 20));
  // The first stands apart, and eight have a place.
  assert.deepEqual(found, [20, ...Array.from({ length: 11 }, () => undefined), 8, 7, 6, 5, 4, 3, 2, 1]);
});

test("what is no number waits for nothing, and a request asked again begins anew", () => {
  const outstanding = new Outstanding();
  outstanding.asked(Number.NaN, 0);
  assert.equal(outstanding.answered(Number.NaN, 5), undefined);
  for (const key of [1, 2]) outstanding.asked(key, 0);
  for (const key of [1, 2]) outstanding.asked(key, 10);
  assert.deepEqual([outstanding.answered(1, 15), outstanding.answered(2, 15)], [5, 5]);
});
