import assert from "node:assert/strict";
import { test } from "node:test";

import {
  forbiddenStrings,
  importCycles,
  importViolations,
  lengthViolations,
  purityViolations,
  unraisedCodes,
} from "./architecture.ts";

const tree = (files: Record<string, string>): Map<string, string> => new Map(Object.entries(files));

/** The violations of one file that sits among a few others. */
const violationsOf = (path: string, source: string): string[] =>
  importViolations(
    tree({
      "src/base/errors.ts": "",
      "src/mux/frame.ts": "",
      "src/cli/main.ts": "",
      "src/mux/a.test.ts": "",
      [path]: source,
    }),
    ["ws", "@scope/one"],
  );

test("a room may import itself, the rooms before it, node and declared packages", () => {
  const source = `
    import { A } from "./frame.ts";
    import type { B } from "../base/errors.ts";
    import net from "node:net";
    import { WebSocket } from "ws";
    import one from "@scope/one/deep.js";
    import meta from "../../package.json" with { type: "json" };`;
  assert.deepEqual(violationsOf("src/mux/session.ts", source), []);
});

test("a room that imports a later one is caught, whichever way it does", () => {
  const ways = [
    'import { A } from "../mux/frame.ts";',
    'import type { A } from "../mux/frame.ts";',
    'import "../mux/frame.ts";',
    'export * from "../mux/frame.ts";',
    'export { A } from "../mux/frame.ts";',
    'const a = await import("../mux/frame.ts");',
    'type A = import("../mux/frame.ts").A;',
    'import.meta.resolve("../mux/frame.ts");',
  ];
  for (const way of ways) {
    assert.deepEqual(violationsOf("src/base/a.ts", `\n${way}`), [
      "src/base/a.ts:2: base imports mux (src/mux/frame.ts), which comes after it",
    ]);
  }
});

test("what hides its target, or is not ES modules, is caught", () => {
  assert.match(violationsOf("src/mux/b.ts", "await import(name)")[0]!, /specifier is computed/);
  assert.match(violationsOf("src/mux/b.ts", "import.meta.resolve(name)")[0]!, /specifier is computed/);
  assert.match(violationsOf("src/mux/b.ts", 'require("node:fs")')[0]!, /uses require/);
  assert.match(violationsOf("src/mux/b.ts", "createRequire(import.meta.url)")[0]!, /uses require/);
});

test("imports of tests, of the unshipped, of the absent and of undeclared packages are caught", () => {
  assert.match(violationsOf("src/mux/b.ts", 'import "./a.test.ts"')[0]!, /imports the test/);
  assert.match(violationsOf("src/mux/b.ts", 'import "../../scripts/x.ts"')[0]!, /not shipped/);
  assert.match(violationsOf("src/mux/b.ts", 'import "./gone.ts"')[0]!, /not there/);
  assert.match(violationsOf("src/mux/b.ts", 'import "left-pad/x"')[0]!, /left-pad, which is no declared/);
  assert.match(violationsOf("src/mux/b.ts", 'import "@scope/two"')[0]!, /@scope\/two, which is no declared/);
  assert.match(violationsOf("src/attic/b.ts", 'import "../base/errors.ts"')[0]!, /unknown room attic/);
  assert.match(violationsOf("src/loose.ts", 'import "./base/errors.ts"')[0]!, /lies in no room/);
});

test("tests may import what they like", () => {
  assert.deepEqual(violationsOf("src/base/b.test.ts", 'import "../cli/main.ts"; import "fast-check"'), []);
});

test("time, randomness, process and I/O are caught in pure rooms", () => {
  const impure = [
    ["setTimeout(f, 1)", "setTimeout"],
    ["setImmediate(f)", "setImmediate"],
    ["queueMicrotask(f)", "queueMicrotask"],
    ["const a = process.env", "process"],
    ["f(b ? process : c)", "process"],
    ["performance.now()", "performance"],
    ["globalThis.setTimeout", "globalThis"],
    ["crypto.randomUUID()", "crypto"],
    ["`${Math.random()}`", "Math.random"],
    ["const { random } = Math;", "Math.random"],
    ["Date.now()", "Date.now"],
    ["new Date()", "Date.now"],
    ["const { now } = Date;", "Date.now"],
  ];
  for (const [source, name] of impure) {
    assert.deepEqual(purityViolations(tree({ "src/mux/a.ts": source! })), [
      `src/mux/a.ts:1: uses ${name} in a pure room`,
    ]);
    assert.deepEqual(purityViolations(tree({ "src/link/a.ts": source! })), [], "other rooms may");
    assert.deepEqual(purityViolations(tree({ "src/mux/a.test.ts": source! })), [], "tests may");
  }
  for (const module of ["node:net", "node:timers", "fs", "ws"]) {
    assert.equal(purityViolations(tree({ "src/http/a.ts": `import type { A } from "${module}"` })).length, 1, module);
  }
});

test("pure code that shares a word with something impure is left alone", () => {
  const pure = `
    // process.exit()
    interface View { readonly process: Resources; performance?: number }
    const a = clock.now() + Math.max(1, 2) + view.process.cpu;
    const b = { process: "Date.now()" };
    const c = new Date(millis);
    import { Buffer } from "node:buffer";`;
  assert.deepEqual(purityViolations(tree({ "src/mux/a.ts": pure })), []);
});

test("rings of imports are caught, rings of types too, each once", () => {
  const ring = tree({
    "src/mux/a.ts": 'import type { B } from "./b.ts";',
    "src/mux/b.ts": 'export * from "../mux/c.ts";',
    "src/mux/c.ts": 'import "./a.ts";',
    "src/mux/d.ts": 'import "./a.ts"; import "./b.ts";',
  });
  assert.deepEqual(importCycles(ring), ["src/mux/a.ts -> src/mux/b.ts -> src/mux/c.ts -> src/mux/a.ts"]);
  ring.set("src/mux/c.ts", "");
  assert.deepEqual(importCycles(ring), []);
});

test("long files need a reason, and a reason needs its file", () => {
  const files = tree({ "src/mux/long.ts": "x\n".repeat(401), "src/mux/full.ts": "x\n".repeat(400) });
  assert.deepEqual(lengthViolations(files, new Map()), [
    "src/mux/long.ts: 401 lines, more than 400, and no reason is listed",
  ]);
  assert.deepEqual(lengthViolations(files, new Map([["src/mux/long.ts", "one table"]])), []);
  assert.equal(lengthViolations(tree({}), new Map([["src/mux/long.ts", "one table"]])).length, 1);
});

test("a code that is only defined, mentioned or tested counts as not raised", () => {
  const files = tree({
    "src/base/errors.ts": '"A"; "B"; "C"; "D"',
    "src/mux/a.ts": 'throw new PolarityError("A", "…"); // "B"',
    "src/mux/a.test.ts": '"C"',
  });
  assert.deepEqual(unraisedCodes(files, ["A", "B", "C", "D"], "src/base/errors.ts"), ["B", "C", "D"]);
});

test("forbidden strings are found whatever their case", () => {
  const files = tree({ "README.md": "see Secret-Place", LICENSE: "fine" });
  assert.deepEqual(forbiddenStrings(files, ["secret-place"]), ['README.md: contains "secret-place"']);
});
