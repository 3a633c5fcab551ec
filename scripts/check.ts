/**
 * `npm run check`: what a change must pass before it is committed, in seconds. Format, lint, types and the tests that
 * need neither sockets nor processes, side by side; the output of what failed is printed whole, the rest in a line each.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";

interface Step {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
}

interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

const fastTests = [...globSync(["src/**/*.test.ts", "test/support/*.test.ts"]), "test/architecture.test.ts"].sort();

const steps: readonly Step[] = [
  { name: "format", command: "oxfmt", arguments: ["--check"] },
  { name: "lint", command: "oxlint", arguments: ["--type-aware", "--deny-warnings"] },
  { name: "types", command: "tsc", arguments: ["-p", "tsconfig.json"] },
  {
    name: "tests",
    command: process.execPath,
    arguments: ["--test", "--test-isolation=none", "--test-timeout=30000", ...fastTests],
  },
];

const started = performance.now();
const outcomes = await Promise.all(steps.map(take));
for (const { step, ok, output } of outcomes) {
  if (!ok) console.log(`\n── ${step.name} ${"─".repeat(60)}\n${failures(output).trim()}`);
}
const failed = outcomes.filter(({ ok }) => !ok).map(({ step }) => step.name);
console.log(
  failed.length === 0
    ? `check: all good, ${elapsedSeconds(started)} s`
    : `check: failed: ${failed.join(", ")} (${elapsedSeconds(started)} s)`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

async function take(step: Step): Promise<Outcome> {
  const begun = performance.now();
  const { ok, output } = await runStep(step);
  const seconds = elapsedSeconds(begun);
  console.log(`${ok ? "✔" : "✖"} ${step.name.padEnd(8)} ${seconds} s${step.name === "tests" ? summary(output) : ""}`);
  return { step, ok, seconds, output };
}

async function runStep(step: Step): Promise<{ ok: boolean; output: string }> {
  return await new Promise((resolve) => {
    // npm puts node_modules/.bin first on the PATH; it is added here for whoever runs this file directly.
    const environment: NodeJS.ProcessEnv = { ...process.env, PATH: `node_modules/.bin:${process.env["PATH"] ?? ""}` };
    // Some tools colour their output for every CI, even where NO_COLOR says otherwise.
    if (!process.stdout.isTTY) {
      environment["NO_COLOR"] = "1";
      delete environment["CI"];
    }
    const child = spawn(step.command, step.arguments, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", (error) => resolve({ ok: false, output: `cannot run ${step.command}: ${error.message}` }));
    child.on("close", (code) => resolve({ ok: code === 0, output: Buffer.concat(chunks).toString() }));
  });
}

/** Node lists every test and then the failed ones with their errors; the latter are enough here. */
function failures(output: string): string {
  const start = output.search(/^✖ failing tests:$/m);
  return start === -1 ? output : output.slice(start);
}

function elapsedSeconds(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}

/** `, 120 passed, 0 failed`, read from node's own summary. */
function summary(output: string): string {
  const count = (what: string): string => new RegExp(`^(?:ℹ|#) ${what} (\\d+)$`, "m").exec(output)?.[1] ?? "?";
  return `, ${count("pass")} passed, ${count("fail")} failed`;
}
