/** Recorded conversations, and what analyzers make of them, however their bytes are cut. */
import assert from "node:assert/strict";
import { Analysis } from "../../src/analyze/analysis.ts";
import { BUILT_IN } from "../../src/analyze/built-in.ts";
import type { Statistics } from "../../src/analyze/meters.ts";

/** `>` from the client, `<` from the server. */
export type Turn = readonly [">" | "<", Buffer];

/** Each change of side takes so long, however the bytes are cut. */
const TURN_MS = 10;

export function analyzeTurns(analyzer: string, turns: readonly Turn[]): Statistics {
  const clock = { time: 1_000, now: () => clock.time };
  const failures: unknown[] = [];
  const place = { name: "service a", service: "a", analyzer };
  const create = BUILT_IN.get(analyzer)!;
  const analysis = new Analysis({ place, create, clock, failed: (error) => failures.push(error) });
  const tap = analysis.open(clock.now())!;
  let last: string | undefined;
  for (const [side, bytes] of turns) {
    if (side !== last) clock.time += TURN_MS;
    last = side;
    // Lent: whoever kept it would see that.
    const lent = Buffer.from(bytes);
    if (side === ">") tap.fromClient(lent, clock.now());
    else tap.fromServer(lent, clock.now());
    lent.fill(0);
  }
  tap.closed?.(clock.now());
  assert.deepEqual(failures, []);
  return analysis.statistics();
}

/** The same conversation a byte at a time, and with one cut, at each place where there may be one. */
export function* everyCut(turns: readonly Turn[]): Generator<readonly Turn[]> {
  yield turns.flatMap(([side, part]) => Array.from(part, (byte): Turn => [side, Buffer.of(byte)]));
  for (const [index, [side, part]] of turns.entries()) {
    for (let cut = 1; cut < part.length; cut++) {
      yield turns.toSpliced(index, 1, [side, part.subarray(0, cut)], [side, part.subarray(cut)]);
    }
  }
}
