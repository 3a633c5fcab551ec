import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "./health.ts";
import type { ActiveHealthOptions, PassiveHealthOptions } from "./health.ts";

const ACTIVE: ActiveHealthOptions = { intervalMs: 1000, rise: 2, fall: 3 };
const PASSIVE: PassiveHealthOptions = { failuresMax: 3, ejectionMs: 1000, ejectionMsMax: 5000 };

function setUp(options: { active?: ActiveHealthOptions; passive?: PassiveHealthOptions }) {
  const log: string[] = [];
  const events = {
    probe: () => log.push("probe"),
    changed: (up: boolean, why: string) => log.push(up ? "up" : `down: ${why}`),
  };
  // A half is no jitter at all.
  const health = new Health({ active: undefined, passive: undefined, ...options, random: () => 0.5 }, events, 0);
  const take = (): string[] => log.splice(0);
  return { health, take };
}

test("a target without checks is up, and nothing is due", () => {
  const { health, take } = setUp({});
  health.requestFailed(0);
  health.probeFailed(0, "nobody asked");
  assert.deepEqual([health.up, health.why, health.nextDeadline(), take()], [true, "", undefined, []]);
});

test("a checked target is down until its first check passed, which is due at once", () => {
  const { health, take } = setUp({ active: ACTIVE });
  assert.deepEqual([health.up, health.why, health.nextDeadline()], [false, "not checked yet", 0]);
  health.tick(0);
  assert.deepEqual([take(), health.nextDeadline()], [["probe"], undefined]);
  health.probePassed(10);
  assert.deepEqual([take(), health.up, health.nextDeadline()], [["up"], true, 1010]);
});

test("a first check that fails leaves it down and says why", () => {
  const { health, take } = setUp({ active: ACTIVE });
  health.probeFailed(0, "connection refused");
  assert.deepEqual([take(), health.why], [[], "1 check failed (connection refused)"]);
  health.probePassed(1);
  assert.equal(health.up, false);
  health.probePassed(2);
  assert.deepEqual(take(), ["up"]);
});

test("only failures in a row bring a target down, and only passes in a row bring it back", () => {
  const { health, take } = setUp({ active: ACTIVE });
  health.probePassed(0);
  take();
  for (const passed of [false, false, true, false, false]) {
    if (passed) health.probePassed(1);
    else health.probeFailed(1, "status 503");
  }
  assert.deepEqual(take(), []);
  health.probeFailed(2, "status 503");
  assert.deepEqual(take(), ["down: 3 checks failed (status 503)"]);
  health.probePassed(3);
  health.probeFailed(3, "status 503");
  health.probePassed(3);
  assert.deepEqual(take(), []);
  health.probePassed(4);
  assert.deepEqual(take(), ["up"]);
});

test("checks do not overlap, however often the clock ticks", () => {
  const { health, take } = setUp({ active: ACTIVE });
  for (const now of [0, 1000, 2000]) health.tick(now);
  assert.deepEqual(take(), ["probe"]);
  health.probePassed(2500);
  health.tick(3499);
  assert.deepEqual(take(), ["up"]);
  health.tick(3500);
  assert.deepEqual(take(), ["probe"]);
});

test("requests that fail in a row eject a target, one that passes between them saves it", () => {
  const { health, take } = setUp({ passive: PASSIVE });
  health.requestFailed(0);
  health.requestFailed(0);
  health.requestPassed(0);
  health.requestFailed(0);
  health.requestFailed(0);
  assert.deepEqual(take(), []);
  health.requestFailed(0);
  assert.deepEqual(take(), ["down: 3 requests in a row failed"]);
  assert.equal(health.nextDeadline(), 1000);
  health.tick(999);
  assert.equal(health.up, false);
  health.tick(1000);
  assert.deepEqual([take(), health.nextDeadline()], [["up"], undefined]);
});

test("ejections that follow soon last longer, up to a limit; one failure on probation is enough", () => {
  const { health } = setUp({ passive: PASSIVE });
  for (let failures = 0; failures < 3; failures++) health.requestFailed(0);
  const lengths: number[] = [];
  for (let round = 0; round < 4; round++) {
    const until = health.nextDeadline()!;
    health.tick(until);
    health.requestFailed(until);
    lengths.push(health.nextDeadline()! - until);
  }
  assert.deepEqual(lengths, [2000, 4000, 5000, 5000]);
});

test("a target that kept well for as long as it was out is trusted as before", () => {
  const { health, take } = setUp({ passive: PASSIVE });
  for (let failures = 0; failures < 3; failures++) health.requestFailed(0);
  health.tick(1000);
  health.requestPassed(1500);
  health.requestPassed(2000);
  take();
  health.requestFailed(2001);
  health.requestFailed(2001);
  assert.equal(health.up, true);
  health.requestFailed(2001);
  assert.deepEqual(take(), ["down: 3 requests in a row failed"]);
  assert.equal(health.nextDeadline(), 3001);
});

test("a target that came through probation idle needs as many failures as before", () => {
  const { health } = setUp({ passive: PASSIVE });
  for (let failures = 0; failures < 3; failures++) health.requestFailed(0);
  health.tick(1000);
  health.requestFailed(50_000);
  assert.equal(health.up, true);
});

test("it is up only while checks and requests both say so, and each change is told once", () => {
  const { health, take } = setUp({ active: ACTIVE, passive: PASSIVE });
  health.probePassed(0);
  for (let failures = 0; failures < 4; failures++) health.requestFailed(0);
  for (let failures = 0; failures < 3; failures++) health.probeFailed(500, "timeout");
  assert.deepEqual(take(), ["up", "down: 3 requests in a row failed"]);
  health.tick(1000);
  assert.deepEqual([take(), health.why], [[], "3 checks failed (timeout)"]);
  health.probePassed(1100);
  health.probePassed(1100);
  assert.deepEqual(take(), ["up"]);
});
