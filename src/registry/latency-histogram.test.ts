import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LatencyHistogram } from "./latency-histogram.ts";

test("a duration that is recorded many times is as if it were recorded so often", () => {
  const durations = fc.array(fc.tuple(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.nat(5)), { maxLength: 20 });
  fc.assert(
    fc.property(durations, (durations) => {
      const many = new LatencyHistogram();
      const each = new LatencyHistogram();
      for (const [duration, times] of durations) {
        many.recordMany(duration, times);
        for (let time = 0; time < times; time++) each.record(duration);
      }
      assert.equal(many.count, each.count);
      assert.ok(Math.abs(many.sumMs - each.sumMs) < 1e-6);
      for (const fraction of [0, 0.5, 0.9, 1]) assert.equal(many.quantile(fraction), each.quantile(fraction));
    }),
  );
});
