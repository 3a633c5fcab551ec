/** The walk-throughs, run as a user would: each ends with 0, says what it did, and leaves no process behind. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { processRuns } from "../support/process-runs.ts";

const root = join(import.meta.dirname, "..", "..");

for (const name of ["cranker", "operator", "putsh"]) {
  test(`node examples/${name}/main.ts does all that it says, and leaves nothing`, { timeout: 110_000 }, async (t) => {
    const { code, output } = await runExample(t, `examples/${name}/main.ts`);
    assert.equal(code, 0, output);
    const checks = checksOf(`examples/${name}`);
    assert.deepEqual(
      checks.filter((check) => !output.includes(`  ✓ ${check}: `)),
      [],
    );
    assert.ok(output.endsWith(`\n${checks.length} of ${checks.length} right.\n`), output);
    const pids = [...output.matchAll(/# process (\d+)$/gm)].map(([, pid]) => Number(pid));
    assert.ok(pids.length >= 2, output);
    assert.deepEqual(pids.filter(processRuns), []);
  });
}

/** What an example says that it checks, each once. */
function checksOf(folder: string): string[] {
  const sources = globSync(`${folder}/*.ts`, { cwd: root }).map((path) => readFileSync(join(root, path), "utf8"));
  return [...sources.join("\n").matchAll(/\.check\(\s*"([^"]+)"/g)].map(([, check]) => check!);
}

async function runExample(context: TestContext, path: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [path], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  context.after(() => child.kill("SIGKILL"));
  const closed = once(child, "close") as Promise<[number | null]>;
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  assert.equal(stderr, "");
  return { code, output: stdout };
}
