/** All sequences of events of a one-to-N session, and sequences at random. */
import assert from "node:assert/strict";
import { messageOf } from "../../src/base/errors.ts";
import type { FanOutMode, FanOutPolicy } from "../../src/base/fan-out-policy.ts";
import { CLIENT_EVENTS, FanOutWorld, SERVER_EVENTS } from "./fan-out-world.ts";
import type { Random } from "./random.ts";

// Sessions here break by the million, and nobody reads where.
Error.stackTraceLimit = 0;

export interface FanOutCase {
  readonly servers: number;
  readonly later: number;
  readonly policy: FanOutPolicy;
}

/** Small enough that a few chunks are more than it holds. */
const policy = (mode: FanOutMode, slowest: "wait" | "drop", join: boolean): FanOutPolicy => ({
  mode,
  slowest,
  join,
  bufferBytes: 4,
});

export function fanOutCases(servers: number): FanOutCase[] {
  const all: FanOutCase[] = [];
  for (const mode of ["half-duplex", "full-duplex"] as const) {
    for (const slowest of ["wait", "drop"] as const) {
      all.push({ servers, later: 0, policy: policy(mode, slowest, false) });
      if (servers > 1) all.push({ servers, later: 1, policy: policy(mode, slowest, true) });
    }
  }
  return all;
}

/**
 * Plays every sequence of up to `length` events: each is played from the start, and what cannot happen cuts off all that begins
 * like it. Servers that nothing has happened to are alike, so they are named in the order in which something does.
 * Returns how many could be played.
 */
export function playAllSequences({ servers, later, policy: each }: FanOutCase, length: number): number {
  const events = CLIENT_EVENTS + servers * SERVER_EVENTS;
  const sequence: number[] = Array.from({ length }, () => 0);
  let played = 0;
  let changed = 0;
  for (;;) {
    const world = new FanOutWorld(each, servers, later);
    const possible = play(sequence, changed, world, servers - later);
    world.release();
    if (possible === length) played++;
    changed = Math.min(possible, length - 1);
    while (changed >= 0 && sequence[changed] === events - 1) changed--;
    if (changed < 0) return played;
    sequence[changed]!++;
    sequence.fill(0, changed + 1);
  }
}

/** How many of the events could happen. Before `changed` all is as in the sequence before, and was checked. */
function play(sequence: readonly number[], changed: number, world: FanOutWorld, alike: number): number {
  let named = 0;
  for (let index = 0; index < sequence.length; index++) {
    const event = sequence[index]!;
    const server = (event - CLIENT_EVENTS) >> 2;
    if (event >= CLIENT_EVENTS && server < alike && server > named) return index;
    try {
      if (!world.apply(event)) return index;
      if (index >= changed) world.check();
    } catch (error) {
      const { policy: each, servers } = world;
      const events = sequence.slice(0, index + 1).join(" ");
      assert.fail(`after ${events} with ${servers.length} servers, ${JSON.stringify(each)}: ${messageOf(error)}`);
    }
    if (server === named) named++;
  }
  return sequence.length;
}

/** A long session; whoever may end or break does so seldom. */
export function playAtRandom(random: Random, { servers, later, policy: each }: FanOutCase, length: number): void {
  const world = new FanOutWorld(each, servers, later);
  const events = CLIENT_EVENTS + servers * SERVER_EVENTS;
  for (let step = 0; step < length; step++) {
    const event = random.oneIn(3) ? 0 : random.below(events);
    const kind = event < CLIENT_EVENTS ? event : (event - CLIENT_EVENTS) & 3;
    if ((kind === 1 || kind === 2) && !random.oneIn(event < CLIENT_EVENTS ? 100 : 30)) continue;
    if (world.apply(event)) world.check();
  }
  world.release();
}
