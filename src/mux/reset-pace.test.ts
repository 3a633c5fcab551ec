import assert from "node:assert/strict";
import { test } from "node:test";

import { Random } from "../../test/support/random.ts";
import { DEFAULT_MUX_LIMITS } from "./mux-limits.ts";
import { PeerAllowance } from "./peer-allowance.ts";
import { ResetPace } from "./reset-pace.ts";

/** How the first version counted: all of a second, or of as much more as its timer is late. */
class CountedSeconds {
  #count = 0;
  readonly #max: number;
  constructor(max: number) {
    this.#max = max;
  }
  nextSecond(): void {
    this.#count = 0;
  }
  reset(): boolean {
    return ++this.#count <= this.#max;
  }
}

/** Sends `wanted` resets as fast as the pace lets them over a path that stalls; returns how long that took. */
function sendAll(random: Random, perSecond: number, wanted: number): number {
  const pace = new ResetPace(perSecond);
  const counted = new CountedSeconds(perSecond);
  const bucket = new PeerAllowance({ ...DEFAULT_MUX_LIMITS, peerResetsPerSecondMax: perSecond }, 0);
  let path: (number | "reset")[] = [];
  let stalledUntil = 0;
  let secondEndsAt = 1_000;
  let left = wanted;
  let now = 0;
  for (; left > 0; now += 10) {
    assert.ok(now < 1_000_000, "it comes to an end");
    // Bursts and pauses, and a timer that ends batches early now and then.
    for (
      let burst = random.below(3) * (1 + random.below(perSecond));
      burst > 0 && left > 0 && pace.take(now);
      burst--
    ) {
      left--;
      path.push("reset");
      const ping = pace.pingDue(false);
      if (ping !== undefined) path.push(ping);
    }
    const early = now % 100 === 0 ? pace.pingDue(true) : undefined;
    if (early !== undefined) path.push(early);
    if (now >= secondEndsAt) {
      counted.nextSecond();
      secondEndsAt = now + 1_000 + random.below(400);
    }
    if (random.oneIn(200)) stalledUntil = now + random.below(14_000);
    if (now < stalledUntil) continue;
    for (const frame of path) {
      if (frame !== "reset") assert.ok(pace.pong(frame, now));
      else assert.ok(counted.reset() && bucket.reset(now), `more than ${perSecond} resets in a second at ${now} ms`);
    }
    path = [];
  }
  return now;
}

test("a peer never reads more resets in a second than it takes, however long a path holds them up", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(seed);
    const perSecond = 1 + random.below(random.oneIn(3) ? 4 : 300);
    sendAll(random, perSecond, perSecond * (2 + random.below(8)));
  }
});

test("as many as the peer takes in a second leave at once, and so many again each time that it has read them", () => {
  const pace = new ResetPace(80);
  const pings: number[] = [];
  const leave = (now: number): number => {
    let left = 0;
    for (; pace.take(now); left++) {
      const ping = pace.pingDue(false);
      if (ping !== undefined) pings.push(ping);
    }
    return left;
  };
  assert.equal(leave(0), 80);
  assert.equal(leave(60_000), 0, "without a pong the peer may not have read them");
  pace.pong(pings.shift()!, 60_010);
  assert.equal(leave(61_500), 0);
  assert.equal(leave(61_510), 10, "an eighth of them has been read");
  for (const ping of pings) pace.pong(ping, 61_520);
  assert.equal(leave(63_020), 80);
});

test("who keeps to half of it never waits", () => {
  const pace = new ResetPace(100);
  for (let now = 0; now < 60_000; now += 25) {
    assert.ok(pace.take(now), `at ${now} ms`);
    const ping = pace.pingDue(false) ?? (now % 100 === 0 ? pace.pingDue(true) : undefined);
    if (ping !== undefined) pace.pong(ping, now + 20);
  }
});

test("pongs of other pings, late ones and repeated ones change nothing", () => {
  const pace = new ResetPace(1);
  assert.ok(pace.take(0));
  const ping = pace.pingDue(false)!;
  assert.equal(pace.pong(1, 0), false, "one that measures the path");
  assert.equal(pace.pong(ping + 1, 0), true);
  assert.equal(pace.take(10_000), false);
  pace.pong(ping, 10_000);
  pace.pong(ping, 11_000);
  assert.equal(pace.take(11_500), true);
});
