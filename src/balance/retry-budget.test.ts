import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RetryBudget } from "./retry-budget.ts";

/** Takes while it may, at most `most`. */
function takeAll(budget: RetryBudget, now: number, requests: number, share: number, floorPerSecond: number): number {
  let taken = 0;
  while (taken < 10_000 && budget.allows(now, requests, 0, { share, floorPerSecond })) {
    budget.spend(now, requests);
    taken++;
  }
  return taken;
}

test("a fifth of the last ten seconds' requests may be repeated, and no more", () => {
  const budget = new RetryBudget();
  let requests = 0;
  for (let second = 0; second < 30; second++) {
    requests += 100;
    budget.roll(second * 1000, requests);
  }
  assert.equal(takeAll(budget, 29_500, requests, 0.2, 0), 200);
  assert.equal(takeAll(budget, 29_900, requests, 0.2, 0), 0, "they are spent");
  assert.equal(takeAll(budget, 60_000, requests, 0.2, 0), 0, "requests of long ago earn nothing");
});

test("a service with hardly a request has the floor, and has it again after the window", () => {
  const budget = new RetryBudget();
  assert.equal(takeAll(budget, 1_000_000, 1, 0, 10), 100);
  assert.equal(takeAll(budget, 1_005_000, 1, 0, 10), 0);
  assert.equal(takeAll(budget, 1_010_000, 1, 0, 10), 100);
});

test("requests that have been under way for long count as long as they are", () => {
  const budget = new RetryBudget();
  budget.roll(0, 1000);
  assert.equal(budget.allows(60_000, 1000, 1000, { share: 0.2, floorPerSecond: 0 }), true);
  assert.equal(budget.allows(60_000, 1000, 4, { share: 0.2, floorPerSecond: 0 }), false);
});

test("a share of nothing and no floor allow nothing", () => {
  const budget = new RetryBudget();
  assert.equal(takeAll(budget, 0, 1000, 0, 0), 0);
});

test("in no ten seconds are there more repetitions than the allowance of the requests in them", () => {
  const seconds = fc.array(fc.record({ requests: fc.nat(50), tries: fc.nat(50) }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(seconds, fc.nat(3), (load, floorPerSecond) => {
      const budget = new RetryBudget();
      const taken: number[] = [];
      let total = 0;
      for (const [second, { requests, tries }] of load.entries()) {
        total += requests;
        budget.roll(second * 1000, total);
        let here = 0;
        for (let attempt = 0; attempt < tries; attempt++) {
          if (!budget.allows(second * 1000, total, 0, { share: 0.2, floorPerSecond })) continue;
          budget.spend(second * 1000, total);
          here++;
        }
        taken.push(here);
        const from = Math.max(0, second - 9);
        const window = load.slice(from, second + 1).reduce((sum, one) => sum + one.requests, 0);
        const repeated = taken.slice(from).reduce((sum, one) => sum + one, 0);
        // What an earlier second was allowed may outlive, by a moment, the requests that earned it.
        const older = load.slice(Math.max(0, second - 19), from).reduce((sum, one) => sum + one.requests, 0);
        assert.ok(repeated <= floorPerSecond * 10 + 0.2 * (window + older) + 1e-6);
      }
    }),
  );
});
