/**
 * HTTP/1.1 by the letter: the bytes of clients and apps, through a listener, a link and a connector, and exactly what has
 * to come out on the other side. The cases are in `http1/`, by subject.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CASES, casesBySection } from "./http1/cases.ts";
import { conformanceReference } from "./http1/document.ts";
import { type Lane, startLanes } from "./http1/lane.ts";

const LANES = 8;

const talks = CASES.reduce((sum, each) => sum + each.talks.length, 0);

test(
  `HTTP/1.1 end to end: ${CASES.length} cases in ${talks} talks`,
  { timeout: 100_000, concurrency: LANES },
  async (t) => {
    const free = [...(await startLanes(t, LANES))];
    const waiting: ((lane: Lane) => void)[] = [];
    const take = (): Lane | Promise<Lane> => free.pop() ?? new Promise((resolve) => waiting.push(resolve));
    const give = (lane: Lane): void => {
      const next = waiting.shift();
      if (next === undefined) free.push(lane);
      else next(lane);
    };

    const sections = [...casesBySection()].map(([section, cases]) =>
      t.test(`${section}: ${cases.length} cases`, { concurrency: LANES }, async (inSection) => {
        const runs = cases.map((each) =>
          inSection.test(each.name, async () => {
            const lane = await take();
            try {
              for (const talk of each.talks) {
                await lane.run(talk).catch((error: unknown) => {
                  throw new Error(`${talk.how}: ${error instanceof Error ? error.message : String(error)}`, {
                    cause: error,
                  });
                });
              }
            } finally {
              give(lane);
            }
          }),
        );
        await Promise.all(runs);
      }),
    );
    await Promise.all(sections);
  },
);

test("every case says something of its own", () => {
  const names = CASES.map(({ section, name }) => `${section}: ${name}`);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  const scripts = CASES.map(({ talks: each }) => JSON.stringify(each));
  assert.deepEqual(
    CASES.filter((_, index) => scripts.indexOf(scripts[index]!) !== index).map(({ name }) => name),
    [],
  );
});

test("docs/CONFORMANCE.md counts these cases", () => {
  const document = readFileSync(new URL("../../docs/CONFORMANCE.md", import.meta.url), "utf8");
  assert.ok(document.includes(conformanceReference()), "run node scripts/write-reference.ts");
});
