import assert from "node:assert/strict";
import { test } from "node:test";
import { fanOutCases, playAllSequences, playAtRandom } from "../../test/support/fan-out-sequences.ts";
import { Random } from "../../test/support/random.ts";

// Those of six events for three servers are in test/fuzz: they take too long for every change.
for (const [servers, length] of [
  [1, 6],
  [2, 5],
  [3, 4],
] as const) {
  test(`every sequence of ${length} events keeps the promises of a session with ${servers} servers`, () => {
    for (const each of fanOutCases(servers)) playAllSequences(each, length);
  });
}

test("the orders of events that are left out lead to no other state", () => {
  for (const [servers, length] of [
    [1, 5],
    [2, 4],
    [3, 4],
  ] as const) {
    for (const each of fanOutCases(servers)) {
      const [some, all] = [new Set<string>(), new Set<string>()];
      const played = playAllSequences(each, length, { seen: some });
      assert.ok(played < playAllSequences(each, length, { seen: all, everyOrder: true }));
      assert.deepEqual(all.difference(some), new Set());
    }
  }
});

test("long sessions at random keep them too, with more servers", () => {
  const random = new Random(20_260);
  for (let run = 0; run < 300; run++) playAtRandom(random, random.pick(fanOutCases(1 + random.below(7))), 400);
});
