import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LatencyHistogram } from "./latency-histogram.ts";
import { ServiceStatistics } from "./service-statistics.ts";

test("a quantile is never below the true one, nor more than an eighth above it", () => {
  const durations = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, fraction) => {
      const histogram = new LatencyHistogram();
      for (const value of values) histogram.record(value);
      const sorted = [...values].sort((left, right) => left - right);
      const exact = sorted[Math.max(1, Math.ceil(fraction * values.length)) - 1]!;
      const quantile = histogram.quantile(fraction)!;
      assert.ok(quantile >= exact && quantile <= exact * 1.125 + 0.001, `${quantile} for ${exact}`);
    }),
  );
});

test("quantiles of one known set", () => {
  const histogram = new LatencyHistogram();
  assert.equal(histogram.quantile(0.5), undefined);
  for (let ms = 1; ms <= 100; ms++) histogram.record(ms);
  assert.deepEqual([histogram.count, histogram.sumMs], [100, 5050]);
  const [median, p99] = [histogram.quantile(0.5)!, histogram.quantile(0.99)!];
  assert.ok(median >= 50 && median <= 56.25, String(median));
  assert.ok(p99 >= 99 && p99 <= 111.4, String(p99));
});

test("durations below zero and beyond the last bucket are counted, not lost", () => {
  const histogram = new LatencyHistogram();
  histogram.record(-1);
  histogram.record(1e12);
  assert.equal(histogram.count, 2);
  assert.ok(histogram.quantile(0)! <= 0.001);
  assert.ok(histogram.quantile(1)! > 6e7);
});

test("cumulative counts grow with the bound and end at the count", () => {
  const histogram = new LatencyHistogram();
  for (const ms of [0.5, 4, 40, 400]) histogram.record(ms);
  assert.deepEqual(histogram.cumulativeCounts([0.1, 1, 10, 100, 1000, 1e12]), [0, 1, 2, 3, 4, 4]);
  assert.deepEqual(new LatencyHistogram().cumulativeCounts([1, 2]), [0, 0]);
});

test("statuses count by class and errors by code", () => {
  const statistics = new ServiceStatistics();
  for (const status of [101, 200, 204, 404, 502, 999]) statistics.countStatus(status);
  assert.deepEqual([...statistics.statuses].slice(1), [1, 2, 0, 1, 2]);
  statistics.countError("NO_OFFER");
  statistics.countError("NO_OFFER");
  assert.deepEqual([...statistics.errors], [["NO_OFFER", 2]]);
});
