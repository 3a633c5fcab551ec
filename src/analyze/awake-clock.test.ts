import assert from "node:assert/strict";
import { test } from "node:test";
import { AwakeClock } from "./awake-clock.ts";
import { RateWindow } from "./rate-window.ts";

/** A machine whose monotonic clock stands still while it is suspended. */
function machine() {
  let awakeMs = 1_000;
  let upMs = 50_000;
  const clock = new AwakeClock({ now: () => awakeMs }, () => upMs);
  return {
    clock,
    work: (ms: number, imprecisionMs = 0) => {
      awakeMs += ms;
      upMs += ms + imprecisionMs;
    },
    sleep: (ms: number) => (upMs += ms),
  };
}

test("what a suspended machine slept through counts as time that passed", () => {
  const { clock, work, sleep } = machine();
  const window = new RateWindow();
  window.add(clock.now(), 5);
  work(100);
  assert.equal(window.count(1_000, clock.now()), 5);
  sleep(60_000);
  clock.tick();
  assert.equal(clock.now(), 1_000 + 100 + 60_000);
  assert.equal(window.count(10_000, clock.now()), 0);
  window.add(clock.now(), 2);
  assert.equal(window.count(1_000, clock.now()), 2);
  sleep(3_600_000);
  clock.tick();
  clock.tick();
  assert.equal(clock.now(), 1_000 + 100 + 60_000 + 3_600_000);
});

test("clocks that differ by how precise they are change nothing, and time never goes back", () => {
  const { clock, work } = machine();
  let last = clock.now();
  for (const imprecision of [10, -10, 200, -200, 400, -600, -5_000, 0]) {
    work(500, imprecision);
    clock.tick();
    assert.equal(clock.now() - last, 500);
    last = clock.now();
  }
});
