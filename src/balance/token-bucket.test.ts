import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { ClientBuckets } from "./client-buckets.ts";
import { type Rate, TokenBucket } from "./token-bucket.ts";

const RATES: readonly Rate[] = [
  { requests: 1, perMs: 1000, burst: 1 },
  { requests: 3, perMs: 1000, burst: 2 },
  { requests: 100, perMs: 1000, burst: 200 },
  { requests: 7, perMs: 60_000, burst: 5 },
  { requests: 1_000_000, perMs: 1, burst: 1_000_000 },
  { requests: 1, perMs: 86_400_000, burst: 1_000_000 },
];

test("a burst passes at once, then one request each time that one has come back", () => {
  const bucket = new TokenBucket({ requests: 10, perMs: 1000, burst: 3 }, 5.9);
  assert.deepEqual(
    [6, 6, 6, 6, 104, 105, 105].map((now) => bucket.take(now)),
    [0, 0, 0, 100, 2, 1, 1],
  );
  assert.equal(bucket.take(106), 0);
  assert.equal(bucket.take(106), 100);
});

test("in no span of time do more pass than the burst and what the rate brings", () => {
  const random = new Random(7);
  for (const rate of RATES) {
    const bucket = new TokenBucket(rate, 0);
    const passed: number[] = [];
    let now = 0;
    for (let step = 0; step < 2000; step++) {
      now += random.oneIn(20) ? random.below(3 * rate.perMs) : random.oneIn(3) ? random.below(5) : 0;
      if (bucket.take(now) === 0) passed.push(now);
    }
    for (let from = 0; from < passed.length; from++) {
      for (const to of [from, from + 1, from + 5, from + 50, passed.length - 1]) {
        if (to < from || to >= passed.length) continue;
        const elapsed = passed[to]! - passed[from]!;
        const most = rate.burst + Math.floor((rate.requests * elapsed) / rate.perMs);
        assert.ok(to - from + 1 <= most, `${to - from + 1} in ${elapsed} ms of ${JSON.stringify(rate)}`);
      }
    }
  }
});

test("whoever keeps to the rate is never refused, and whoever waits as told is not refused again", () => {
  const random = new Random(8);
  for (const rate of RATES) {
    const bucket = new TokenBucket(rate, 0);
    for (let count = 0; count < 500; count++) {
      assert.equal(bucket.take(Math.ceil((count * rate.perMs) / rate.requests)), 0, `request ${count}`);
    }
    const hasty = new TokenBucket(rate, 0);
    let now = 0;
    for (let step = 0; step < 500; step++) {
      const wait = hasty.take(now);
      if (wait === 0) continue;
      assert.notEqual(hasty.take(now + wait - 1), 0, "no sooner than told");
      now += wait;
      assert.equal(hasty.take(now), 0, "when told");
      now += random.below(2);
    }
  }
});

test("each client has a bucket of its own, the same as if it were alone", () => {
  const random = new Random(9);
  const rate = { requests: 5, perMs: 100, burst: 4 };
  const clients = new ClientBuckets(rate, 50);
  const alone = Array.from({ length: 50 }, () => new TokenBucket(rate, 0));
  let now = 0;
  for (let step = 0; step < 20_000; step++) {
    now += random.oneIn(4) ? random.below(10) : 0;
    const client = random.below(random.oneIn(2) ? 3 : 50);
    assert.equal(clients.take(`client ${client}`, now), alone[client]!.take(now));
    assert.ok(clients.size <= 50);
  }
});

test("a flood of addresses neither grows the memory nor frees the one that took most", () => {
  const rate = { requests: 10, perMs: 1000, burst: 20 };
  const clients = new ClientBuckets(rate, 100);
  for (let count = 0; count < 20; count++) assert.equal(clients.take("guilty", 0), 0);
  assert.ok(clients.take("guilty", 0) > 0);
  for (let flood = 0; flood < 10_000; flood++) {
    clients.take(`flood ${flood}`, 1);
    assert.ok(clients.size <= 100);
  }
  assert.ok(clients.take("guilty", 1) > 0, "still held to its rate");
});

test("clients that have their tokens back are forgotten", () => {
  const clients = new ClientBuckets({ requests: 10, perMs: 1000, burst: 20 }, 1000);
  for (let client = 0; client < 500; client++) clients.take(`client ${client}`, client);
  assert.equal(clients.size > 90, true);
  clients.forget(700, 1000);
  assert.equal(clients.size, 0);
});
