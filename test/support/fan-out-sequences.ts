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

/** What a walk through all sequences may be told. */
export interface WalkOptions {
  /** Leave out nothing, to see that nothing is lost by what is left out. */
  readonly everyOrder?: boolean;
  /** Gets a picture of each state. */
  readonly seen?: Set<string>;
}

/**
 * Plays every sequence of up to `length` events, and checks after each event. Returns how many sequences that were.
 *
 * What leads to no other state is left out:
 * - Servers that nothing has happened to are alike, so they are named in the order in which something does.
 * - A stall, or its end, that the session does not hear of shows only when that stream is written to. Unless the next event
 *   does so, it might as well come behind that event; and several in a row might as well come in another order, or not at
 *   all where two are of one stream. So they are played as late as possible, and sorted. Each sequence that this leaves out
 *   has, event by event, the calls of one that is played and is no longer, and the same states.
 */
export function playAllSequences(each: FanOutCase, length: number, options: WalkOptions = {}): number {
  const walk = new Walk(each, length, options);
  const world = new FanOutWorld(each.policy, each.servers, each.later);
  options.seen?.add(world.picture);
  walk.from(world, 0, []);
  return walk.played;
}

class Walk {
  played = 0;
  readonly #case: FanOutCase;
  readonly #length: number;
  readonly #options: WalkOptions;
  readonly #path: number[] = [];

  constructor(each: FanOutCase, length: number, options: WalkOptions) {
    this.#case = each;
    this.#length = length;
    this.#options = options;
  }

  /** Plays all that can follow. `named`: servers that something has happened to. `stalls`: unheard, since the last event. */
  from(reached: FanOutWorld, named: number, stalls: readonly number[]): void {
    const next = this.#possible(reached, named).map((event) => ({ event, unheard: reached.isUnheardStall(event) }));
    let world: FanOutWorld | undefined = reached;
    for (const { event, unheard } of next) {
      if (unheard && this.#options.everyOrder !== true && stalls.some((stall) => stall >= event)) continue;
      // The first goes on from here, the others get here again.
      world ??= this.#replay();
      this.#path.push(event);
      if (this.#play(world, event, unheard ? [] : stalls) && this.#path.length < this.#length) {
        const server = (event - CLIENT_EVENTS) >> 2;
        this.from(world, server === named ? named + 1 : named, unheard ? [...stalls, event] : []);
      } else world.release();
      this.#path.pop();
      world = undefined;
    }
    world?.release();
  }

  #possible(world: FanOutWorld, named: number): readonly number[] {
    const { servers, later } = this.#case;
    const possible: number[] = [];
    for (let event = 0; event < CLIENT_EVENTS + servers * SERVER_EVENTS; event++) {
      const server = (event - CLIENT_EVENTS) >> 2;
      if (server > named && server < servers - later) continue;
      if (world.can(event)) possible.push(event);
    }
    return possible;
  }

  /** False: the event made one of the `stalls` come too early, and what follows is played elsewhere. */
  #play(world: FanOutWorld, event: number, stalls: readonly number[]): boolean {
    const before = stalls.map((stall) => world.writesTo(stall));
    try {
      world.apply(event);
      const inTime = stalls.every((stall, index) => world.writesTo(stall) !== before[index]);
      if (!inTime && this.#options.everyOrder !== true) return false;
      world.check();
    } catch (error) {
      const { policy: each, servers } = world;
      const events = this.#path.join(" ");
      assert.fail(`after ${events} with ${servers.length} servers, ${JSON.stringify(each)}: ${messageOf(error)}`);
    }
    this.played++;
    this.#options.seen?.add(world.picture);
    return true;
  }

  #replay(): FanOutWorld {
    const { policy: each, servers, later } = this.#case;
    const world = new FanOutWorld(each, servers, later);
    for (const event of this.#path) world.apply(event);
    return world;
  }
}

/** A long session; whoever may end or break does so seldom. */
export function playAtRandom(random: Random, { servers, later, policy: each }: FanOutCase, length: number): void {
  const world = new FanOutWorld(each, servers, later);
  const events = CLIENT_EVENTS + servers * SERVER_EVENTS;
  for (let step = 0; step < length; step++) {
    const event = random.oneIn(3) ? 0 : random.below(events);
    const kind = event < CLIENT_EVENTS ? event : (event - CLIENT_EVENTS) & 3;
    if ((kind === 1 || kind === 2) && !random.oneIn(event < CLIENT_EVENTS ? 100 : 30)) continue;
    if (!world.can(event)) continue;
    world.apply(event);
    world.check();
  }
  world.release();
}
