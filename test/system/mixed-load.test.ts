/**
 * Nothing may wait: whatever a connection carried before, whoever is slow, stops or leaves, and whichever way leads to the
 * app, each exchange ends whole and in its time, and nothing stays open behind it. A failure says its seed and exchange;
 * `POLARITY_LOAD_SEED` repeats a seed, `POLARITY_LOAD_WAYS=own,tls` keeps to some ways.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test, type TestContext } from "node:test";
import { internalErrorCounts } from "../../src/base/internal-error.ts";
import { runLoad, worldReady } from "../support/load-run.ts";
import { startLoadWorld } from "../support/load-world.ts";
import { until } from "../support/patience.ts";

const {
  POLARITY_LOAD_SEED: asked,
  POLARITY_LOAD_WAYS: only,
  POLARITY_LOAD_SECONDS: seconds,
  POLARITY_TEST_FULL: full,
} = process.env;
const FIXED_SEED = 20_261_129;
const forMs = 1000 * Number(seconds ?? (full === "1" ? 20 : 4));
// Seen of the https app alone, so that nothing else is excused by it.
const CLOSED_BY_APP = /to tls: answered HTTP\/1\.1 502 [^]*"code":"TARGET_FAILED"/;
const seeds = asked === undefined ? [FIXED_SEED, randomInt(2 ** 31)] : [Number(asked)];

async function holds(t: TestContext, where: "here" | "apart"): Promise<void> {
  const world = await startLoadWorld(t, where);
  await worldReady(world);
  const ways = only === undefined ? world.ways : world.ways.filter(({ name }) => only.split(",").includes(name));
  for (const seed of seeds) {
    const { failures, whole, aborted, connections } = await runLoad(world, {
      ways,
      seed,
      forMs,
      clients: 32,
      withinMs: 15_000,
    });
    t.diagnostic(`seed ${seed}: ${whole} exchanges whole, ${aborted} left early, on ${connections} connections`);
    const messages = failures.map(({ message }) => message);
    // An app may close a kept connection under a request that must not be sent twice. The client hears of it and does not wait.
    const closed = messages.filter((message) => CLOSED_BY_APP.test(message));
    for (const message of closed) t.diagnostic(message);
    assert.deepEqual(
      messages.filter((message) => !CLOSED_BY_APP.test(message)),
      [],
    );
    assert.ok(closed.length <= 1 + whole / 1000, `${closed.length} of ${whole} were closed by their apps`);
    assert.ok(whole > 50, `only ${whole} exchanges`);
    let left: string[] = [];
    await until("everything is given back", () => (left = world.left()).length === 0, 10_000).catch(() => {});
    assert.deepEqual(left, [], `left open after seed ${seed}`);
  }
}

test(`a mixed load of everything by every way: nothing waits, with seeds ${seeds.join(" and ")}`, async (t) => {
  await holds(t, "here");
  assert.deepEqual(internalErrorCounts(), {});
});

if (full === "1") {
  test(`the same where each node is a process, with seeds ${seeds.join(" and ")}`, (t) => holds(t, "apart"));
}
