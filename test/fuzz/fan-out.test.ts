import assert from "node:assert/strict";
import { test } from "node:test";
import { fanOutCases, playAllSequences, playAtRandom } from "../support/fan-out-sequences.ts";
import { Random } from "../support/random.ts";

for (const servers of [1, 2, 3]) {
  test(`every sequence of six events keeps the promises of a one-to-N session with ${servers} servers`, () => {
    for (const each of fanOutCases(servers)) assert.ok(playAllSequences(each, 6) > 4_000);
  });
}

test("one-to-N sessions of thousands of events keep their promises", () => {
  const random = new Random(7);
  for (let run = 0; run < 500; run++) playAtRandom(random, random.pick(fanOutCases(1 + random.below(7))), 3000);
});
