/**
 * Runs the tests: `npm test`, or `npm test -- test/system/some.test.ts` for some of them.
 *
 * Fails when a test fails, when nothing ran, when the whole takes too long, when a process is left behind, and when any process
 * met a failure that nobody expected, whatever its test made of that. With
 * POLARITY_TEST_FULL=1 it also fails when a test was skipped, so that a machine that lacks a tool cannot look complete.
 * Node's own summary comes last.
 */
import { randomUUID } from "node:crypto";
import { globSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Readable } from "node:stream";
import { run } from "node:test";
import type { TestEvent } from "node:test/reporters";
import { spec } from "node:test/reporters";

import { findLeftovers, killAll } from "./leftover.ts";

const TEST_TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = (process.env["POLARITY_TEST_FULL"] === "1" ? 30 : 10) * 60_000;
const EXIT_GRACE_MS = 3_000;
const MARK = "POLARITY_TEST_RUN";

const full = process.env["POLARITY_TEST_FULL"] === "1";
const asked = process.argv.slice(2);
const files =
  asked.length > 0 ? globSync(asked).sort() : ["scripts/unit-tests.ts", ...globSync("test/**/*.test.ts").sort()];
const runId = randomUUID();
process.env[MARK] = runId;
// Hundreds of files that import the same sources: only the first compiles them.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "..", "node_modules", ".cache", "compiled");

// Failures that nobody expected, which the product outlives: each process of the run writes down its own.
const failuresFile = join(tmpdir(), `polarity-failures-${runId}`);
process.env["POLARITY_TEST_FAILURES"] = failuresFile;
const watch = pathToFileURL(join(import.meta.dirname, "..", "test", "support", "failure-watch.js")).href;
process.env["NODE_OPTIONS"] = `${process.env["NODE_OPTIONS"] ?? ""} --import=${watch}`.trim();

const problems: string[] = [];
const skipped: string[] = [];
let passed = 0;
let failed = 0;
let checked = false;

if (files.length === 0) {
  console.error(`no test files: ${asked.join(" ")}`);
  process.exit(1);
}

const overtime = new AbortController();
const timer = setTimeout(() => {
  problems.push(`the run took more than ${RUN_TIMEOUT_MS / 60_000} minutes and was stopped`);
  overtime.abort();
}, RUN_TIMEOUT_MS);

const events = run({
  files,
  // One more than there are processors: system tests wait as much as they compute.
  concurrency: Math.min(availableParallelism() + 1, 8),
  timeout: TEST_TIMEOUT_MS,
  signal: overtime.signal,
});

const report = Readable.from(observe(events)).compose(new spec());
for await (const chunk of report) process.stdout.write(chunk);
clearTimeout(timer);
if (passed === 0) problems.push("no test passed");
process.exitCode = failed > 0 || problems.length > 0 ? 1 : 0;

/** Hands the events on, counting; the last checks are made and printed before node's summary. */
async function* observe(source: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of source) {
    if (event.type === "test:fail") failed += 1;
    if (event.type === "test:pass") {
      const { skip, name, file } = event.data;
      if (skip === undefined || skip === false) passed += 1;
      else
        skipped.push(`${name}${typeof skip === "string" ? ` — ${skip}` : ""}${file === undefined ? "" : ` (${file})`}`);
    }
    if (isSummary(event) && !checked) {
      checked = true;
      await lastChecks();
      yield* problems.map(asDiagnostic);
    }
    yield event;
  }
}

async function lastChecks(): Promise<void> {
  const leftovers = await findLeftovers(MARK, runId, EXIT_GRACE_MS);
  killAll(leftovers);
  for (const { pid, command } of leftovers) problems.push(`left running, now killed: ${pid} ${command}`);
  problems.push(...failures());
  if (full) for (const test of skipped) problems.push(`skipped, though full coverage was asked for: ${test}`);
}

function failures(): string[] {
  let text: string;
  try {
    text = readFileSync(failuresFile, "utf8");
  } catch {
    return [];
  }
  rmSync(failuresFile);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { where, command, stack } = JSON.parse(line) as Record<string, string>;
      return `a failure that nobody expected (${where}) in ${command}: ${stack}`;
    });
}

/** The first line of what node prints at the end. */
function isSummary(event: TestEvent): boolean {
  return event.type === "test:diagnostic" && event.data.nesting === 0 && /^tests \d+$/.test(event.data.message);
}

function asDiagnostic(message: string): TestEvent {
  return { type: "test:diagnostic", data: { nesting: 0, message: `problem: ${message}`, level: "error" } };
}
