import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { TimedCache } from "./timed-cache.ts";

test("a value is fresh for its time, stale for a while, and then gone", () => {
  const cache = new TimedCache<string>(10, 100);
  cache.set("a", "one", 0, 50);
  assert.equal(cache.fresh("a", 49), "one");
  assert.equal(cache.fresh("a", 50), undefined);
  assert.equal(cache.stale("a", 60, 10), "one");
  assert.equal(cache.fresh("a", 69), "one");
  assert.equal(cache.fresh("a", 70), undefined);
  assert.equal(cache.stale("a", 145, 100), "one");
  assert.equal(cache.fresh("a", 150), undefined);
  assert.equal(cache.stale("a", 150, 10), undefined);
  assert.equal(cache.size, 0);
});

test("at any time it holds what a list of all that was set would, and never more than it may", () => {
  const random = new Random(3);
  for (let round = 0; round < 50; round++) {
    const cache = new TimedCache<number>(5, 0);
    const all: { key: string; value: number; until: number }[] = [];
    let now = 0;
    for (let step = 0; step < 200; step++) {
      now += random.below(5);
      const key = `key-${random.below(8)}`;
      if (random.oneIn(3)) {
        const ttl = random.below(20);
        cache.set(key, step, now, ttl);
        const present = all.findIndex((entry) => entry.key === key);
        if (present >= 0) all.splice(present, 1);
        else if (all.length === 5) all.shift();
        all.push({ key, value: step, until: now + ttl });
      }
      const expected = all.find((entry) => entry.key === key);
      assert.equal(cache.fresh(key, now), expected !== undefined && now < expected.until ? expected.value : undefined);
      assert.ok(cache.size <= 5);
    }
  }
});
