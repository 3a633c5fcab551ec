/** What `npm test` must not let pass. The runner runs here on tests that are written for it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "polarity-runner-"));
});

after(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a run whose tests pass ends well, with node's own summary at the end", async () => {
  const { code, output } = await runTests('test("fine", () => {});');
  assert.equal(code, 0, output);
  assert.match(output, /ℹ tests 1\nℹ suites 0\nℹ pass 1\nℹ fail 0\n(?:ℹ .*\n)*ℹ duration_ms [\d.]+\n$/);
});

test("a failing test fails the run", async () => {
  const { code, output } = await runTests('test("broken", () => { throw new Error("no"); });');
  assert.equal(code, 1);
  assert.match(output, /ℹ fail 1/);
});

test("a process that a test leaves behind fails the run, is named and is killed", { skip: notOnLinux() }, async () => {
  const { code, output } = await runTests(`
    import { spawn } from "node:child_process";
    test("leaves a child", () => spawn("sleep", ["299"], { stdio: "ignore", detached: true }).unref());`);
  assert.equal(code, 1);
  const pid = Number(/left running, now killed: (\d+) sleep 299/.exec(output)?.[1]);
  assert.ok(pid > 0, output);
  assert.doesNotMatch(await commandOf(pid), /sleep/);
});

test("a skipped test passes, but not where full coverage is asked for", async () => {
  const source =
    'test("needs a thing", { skip: "needs thing: apt-get install thing" }, () => {}); test("fine", () => {});';
  const usual = await runTests(source);
  assert.equal(usual.code, 0, usual.output);
  assert.match(usual.output, /needs thing: apt-get install thing/);
  const full = await runTests(source, { POLARITY_TEST_FULL: "1" });
  assert.equal(full.code, 1);
  assert.match(full.output, /skipped, though full coverage was asked for: needs a thing/);
});

test("a run without tests fails", async () => {
  assert.equal((await runTests(undefined)).code, 1);
});

/** Runs the runner on a test file with this source, or on no file. */
async function runTests(
  source: string | undefined,
  variables: Record<string, string> = {},
): Promise<{ code: number; output: string }> {
  const file = join(folder, source === undefined ? "absent.test.mjs" : "sample.test.mjs");
  if (source !== undefined) await writeFile(file, `import { test } from "node:test";\n${source}\n`);
  const environment: NodeJS.ProcessEnv = { ...process.env, POLARITY_TEST_FULL: "", ...variables };
  // Node refuses to run tests inside of tests by this variable.
  delete environment["NODE_TEST_CONTEXT"];
  return await new Promise((resolve) => {
    const options = { cwd: root, env: environment, timeout: 60_000 };
    execFile(process.execPath, ["scripts/test.ts", file], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

/** Empty once the process has ended, even where nobody has collected its exit code yet. */
async function commandOf(pid: number): Promise<string> {
  return await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
}

function notOnLinux(): string | false {
  return process.platform === "linux" ? false : "processes are found through /proc";
}
