import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RateWindow, SPAN_MS_MAX, STEP_MS } from "./rate-window.ts";

/** Every event kept: what the window must agree with. */
function exactly(times: readonly number[], spanMs: number, now: number): number {
  return times.filter((time) => time > now - spanMs && time <= now).length;
}

const gaps = fc.array(fc.oneof(fc.nat(5), fc.nat(200), fc.nat(3_000), fc.nat(40_000)), { maxLength: 300 });
const spans = fc.constantFrom(1_000, 10_000);

test("a window is never above the exact count, and below it by one step's events at most", () => {
  fc.assert(
    fc.property(gaps, spans, fc.integer({ min: -100_000, max: 100_000 }), (gaps, spanMs, start) => {
      const window = new RateWindow();
      const times: number[] = [];
      let now = start;
      for (const gap of gaps) {
        now += gap / 3;
        window.add(now);
        times.push(now);
        const count = window.count(spanMs, now);
        assert.ok(count <= exactly(times, spanMs, now));
        assert.ok(count >= exactly(times, spanMs - STEP_MS, now));
        const later = now + gap;
        assert.ok(window.count(spanMs, later) <= exactly(times, spanMs, later));
        assert.ok(window.count(spanMs, later) >= exactly(times, spanMs - STEP_MS, later));
      }
    }),
    { numRuns: 60 },
  );
});

test("a window that was saved and restored is off by one step more at most", () => {
  fc.assert(
    fc.property(gaps, spans, fc.nat(12_000), fc.nat(100_000), (gaps, spanMs, age, begin) => {
      const before = new RateWindow();
      const times: number[] = [];
      let now = 50_000;
      for (const gap of gaps) {
        now += gap / 3;
        before.add(now);
        times.push(now);
      }
      const after = new RateWindow();
      after.restore(JSON.parse(JSON.stringify(before.save(now))), age, begin);
      const then = now + age;
      const count = after.count(spanMs, begin);
      assert.ok(count <= exactly(times, spanMs + STEP_MS, then));
      assert.ok(count >= exactly(times, spanMs - 2 * STEP_MS, then));
    }),
    { numRuns: 60 },
  );
});

test("a steady stream has its rate, over both spans", () => {
  const window = new RateWindow();
  for (let event = 0; event < 20_000; event++) window.add(event);
  assert.ok(Math.abs(window.rate(1_000, 20_000) - 1_000) <= STEP_MS);
  assert.ok(Math.abs(window.rate(10_000, 20_000) - 1_000) <= 1);
});

test("after a pause, however long, nothing is left", () => {
  const window = new RateWindow();
  window.add(5_000, 7);
  assert.equal(window.count(1_000, 5_000), 7);
  assert.equal(window.count(1_000, 6_000), 0);
  assert.equal(window.count(10_000, 6_000), 7);
  assert.equal(window.count(10_000, 5_000 + SPAN_MS_MAX), 0);
  window.add(1e12);
  assert.equal(window.count(10_000, 1e12), 1);
});

test("time that goes back counts as standing still", () => {
  const window = new RateWindow();
  window.add(9_000);
  window.add(3_000);
  assert.equal(window.count(1_000, 2_000), 2);
  assert.equal(window.count(1_000, 9_500), 2);
});

test("what is no saved window is refused", () => {
  for (const saved of [
    null,
    [],
    { stepMs: 7, counts: [] },
    { stepMs: STEP_MS, counts: [[0, -1]] },
    { stepMs: STEP_MS },
  ]) {
    assert.throws(() => new RateWindow().restore(saved, 0, 0));
  }
  const crowded = { stepMs: STEP_MS, counts: Array.from({ length: 1_001 }, () => [0, 1]) };
  assert.throws(() => new RateWindow().restore(crowded, 0, 0));
});
