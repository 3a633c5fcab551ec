import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { completionScript } from "./completion.ts";
import { createProgram } from "./program.ts";

const program = createProgram(() => {});

/** What bash offers for a line; the cursor is at its end. */
function bashOffers(...words: readonly string[]): string[] {
  const script = `${completionScript(program, "bash")}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_polarity; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split("\n").filter((line) => line !== "");
}

test("bash completes commands, their flags, and words that are known", () => {
  assert.deepEqual(bashOffers("polarity", "re"), ["register", "reload"]);
  assert.deepEqual(bashOffers("polarity", "router", "--tls"), ["--tls-cert", "--tls-key"]);
  assert.deepEqual(bashOffers("polarity", "get", "s"), ["services", "sessions"]);
  assert.deepEqual(bashOffers("polarity", "get", "links", "-o", "j"), ["json"]);
  assert.deepEqual(bashOffers("polarity", "config", "i"), ["import"]);
  assert.deepEqual(bashOffers("polarity", "config", "import", "--as", ""), ["controller", "segment"]);
  assert.deepEqual(bashOffers("polarity", "config", "import", "package.j"), ["package.json"]);
  assert.deepEqual(bashOffers("polarity", "completion", ""), ["bash", "zsh", "fish", "--help", "-h"].sort(byOrder));
});

function byOrder(left: string, right: string): number {
  const order = ["bash", "zsh", "fish", "-h", "--help"];
  return order.indexOf(left) - order.indexOf(right);
}

test("every command that help shows is in every shell's script, and hidden ones are in none", () => {
  const names = program
    .createHelp()
    .visibleCommands(program)
    .map((command) => command.name());
  assert.ok(names.includes("demo") && !names.includes("demo-app"));
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const script = completionScript(program, shell);
    for (const name of names) assert.ok(script.includes(name), `${shell}: ${name}`);
    assert.ok(!script.includes("demo-app"), shell);
    assert.ok(script.includes("token-file"), shell);
  }
});
