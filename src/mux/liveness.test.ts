import assert from "node:assert/strict";
import { test } from "node:test";

import { Liveness, type LivenessVerdict } from "./liveness.ts";

/** Ticks every 100 ms in (from, to]; pings when told to. Returns when, and what for. */
function run(liveness: Liveness, from: number, to: number): string[] {
  const seen: string[] = [];
  for (let now = from + 100; now <= to; now += 100) {
    const before = liveness.suspect;
    const verdict: LivenessVerdict = liveness.tick(now);
    if (verdict !== "fine") seen.push(`${verdict} ${now}`);
    if (liveness.suspect && !before) seen.push(`suspect ${now}`);
    if (verdict === "ping") liveness.ping(now);
    if (verdict === "dead") break;
  }
  return seen;
}

/** A peer that answers each ping after `delayMs`. */
function answer(liveness: Liveness, value: number, now: number): void {
  liveness.received(now, false);
  liveness.pong(value, now);
}

test("an idle link is pinged after 5 s and, answered, every 5 s from then on", () => {
  const liveness = new Liveness(0);
  assert.deepEqual(run(liveness, 0, 5_000), ["ping 5000"]);
  answer(liveness, 1, 5_010);
  assert.deepEqual(run(liveness, 5_000, 10_100), ["ping 10100"]);
});

test("an idle link whose ping stays unanswered is suspect within a second and dead after 15 s of silence", () => {
  assert.deepEqual(run(new Liveness(0), 0, 20_000), [
    "ping 5000",
    "suspect 5900",
    ...[6, 7, 8, 9, 10, 11, 12, 13, 14].map((second) => `ping ${second}000`),
    "dead 15000",
  ]);
});

test("something owed: probed after 400 ms of silence, suspect after 900, then probed every second", () => {
  const liveness = new Liveness(0);
  liveness.sent(1_000);
  assert.deepEqual(run(liveness, 1_000, 3_500), ["ping 1400", "suspect 1900", "ping 2400", "ping 3400"]);
});

test("silence is counted from when something was owed, not from the last byte", () => {
  const liveness = new Liveness(0);
  liveness.sent(4_000);
  assert.deepEqual(run(liveness, 4_000, 4_800), ["ping 4400"]);
  assert.equal(liveness.suspect, false);
});

test("the first byte ends a suspicion, once", () => {
  const liveness = new Liveness(0);
  liveness.sent(0);
  run(liveness, 0, 1_000);
  assert.equal(liveness.suspect, true);
  assert.equal(liveness.received(1_050, false), true);
  assert.equal(liveness.suspect, false);
  assert.equal(liveness.received(1_060, false), false);
});

test("while streams stay unanswered, each byte starts the silence anew", () => {
  const liveness = new Liveness(0);
  liveness.sent(0);
  liveness.received(300, true);
  assert.deepEqual(run(liveness, 300, 1_100), ["ping 700"]);
  answer(liveness, 1, 1_150);
  assert.deepEqual(run(liveness, 1_100, 2_000), [], "with nothing owed there is nothing to suspect");
});

test("a long path is not a dead one: suspicion waits three round trips", () => {
  const liveness = new Liveness(0);
  liveness.ping(0);
  answer(liveness, 1, 600);
  liveness.sent(1_000);
  assert.deepEqual(run(liveness, 1_000, 2_700), ["ping 1400", "ping 2400"]);
  assert.deepEqual(run(liveness, 2_700, 2_800), ["suspect 2800"]);
});

test("a tick that comes late judges once and probes once", () => {
  const liveness = new Liveness(0);
  liveness.sent(0);
  assert.equal(liveness.tick(7_000), "ping");
  assert.equal(liveness.suspect, true);
  liveness.ping(7_000);
  assert.equal(liveness.tick(7_100), "fine");
});

test("a link that is never silent measures its path every 10 s all the same", () => {
  const liveness = new Liveness(0);
  const pings: number[] = [];
  for (let now = 50; now <= 25_000; now += 50) {
    liveness.received(now, true);
    if (liveness.tick(now) === "ping") {
      pings.push(now);
      const value = liveness.ping(now);
      liveness.pong(value, now + 20);
    }
  }
  assert.deepEqual(pings, [10_000, 20_000]);
  assert.equal(liveness.roundTripMs, 20);
});

test("the round trip is smoothed, its shortest of the last eight kept, and repeated or foreign pongs ignored", () => {
  const liveness = new Liveness(0);
  for (const [start, took] of [
    [0, 10],
    [1_000, 90],
  ] as const) {
    const value = liveness.ping(start);
    liveness.pong(value + 1, start + 1);
    liveness.pong(value, start + took);
    liveness.pong(value, start + took + 500);
  }
  assert.equal(liveness.roundTripMs, 20);
  assert.equal(liveness.shortestRoundTripMs, 10);
  for (let each = 0; each < 8; each++) liveness.pong(liveness.ping(2_000), 2_050);
  assert.equal(liveness.shortestRoundTripMs, 50);
});

test("a second ping before the pong keeps the first one's time: a late pong is no fast one", () => {
  const liveness = new Liveness(0);
  const first = liveness.ping(0);
  assert.equal(liveness.ping(1_000), first);
  liveness.pong(first, 1_010);
  assert.equal(liveness.roundTripMs, 1_010);
});
