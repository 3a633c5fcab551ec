import assert from "node:assert/strict";
import { test } from "node:test";

import { moduleReferencesOf } from "./source-imports.ts";
import { tokensOf } from "./source-tokens.ts";

const words = (source: string): string[] =>
  tokensOf(source)
    .filter(({ kind }) => kind === "word")
    .map(({ text }) => text);

const references = (source: string): string[] =>
  moduleReferencesOf(tokensOf(source)).map(({ kind, specifier }) => `${kind} ${specifier ?? "?"}`);

test("comments, strings, templates and regular expressions hide what they contain", () => {
  assert.deepEqual(words("a // b\nc /* d\ne */ f"), ["a", "c", "f"]);
  assert.deepEqual(words(`a "b \\" c" 'd \\' e' f`), ["a", "f"]);
  assert.deepEqual(words("a `b \\` c` d"), ["a", "d"]);
  assert.deepEqual(words("x = /a[/]b\\/c/g; y"), ["x", "g", "y"]);
  assert.deepEqual(words("#!/usr/bin/env node\na"), ["a"]);
});

test("code inside a template's substitution is code, however deep", () => {
  assert.deepEqual(words("`a ${b({ c: `d ${e} f` })} g` + h"), ["b", "c", "e", "h"]);
});

test("a slash after a value divides", () => {
  assert.deepEqual(words("a / b / c; (d) / e / f; g[0] / h / i"), ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
  assert.deepEqual(words("return /a/.test(b)"), ["return", "test", "b"]);
});

test("tokens know their line, after comments and templates of several lines too", () => {
  const lines = tokensOf("a\n/*\n*/ b `\n\n` c").map(({ text, line }) => `${text.trim()}@${line}`);
  assert.deepEqual(lines, ["a@1", "b@3", "@3", "c@5"]);
});

test("every way of reaching a module is found", () => {
  assert.deepEqual(references('import { a, type b } from "./x.ts";'), ["static ./x.ts"]);
  assert.deepEqual(references('import a, * as b from "./x.ts";'), ["static ./x.ts"]);
  assert.deepEqual(references('import type { from } from "./x.ts";'), ["type ./x.ts"]);
  assert.deepEqual(references('import "./x.ts";'), ["side-effect ./x.ts"]);
  assert.deepEqual(references('import j from "./x.json" with { type: "json" };'), ["static ./x.json"]);
  assert.deepEqual(references('export { a, b as c } from "./x.ts";'), ["re-export ./x.ts"]);
  assert.deepEqual(
    references('export type { a } from "./x.ts"; export * as y from "./y.ts"; export * from "./z.ts";'),
    ["re-export ./x.ts", "re-export ./y.ts", "re-export ./z.ts"],
  );
  assert.deepEqual(references('await import("./x.ts"); let a: import("./y.ts").T;'), [
    "dynamic ./x.ts",
    "dynamic ./y.ts",
  ]);
  assert.deepEqual(references("await import(name); import(`./x.ts`); import('./a' + b)"), [
    "dynamic ?",
    "dynamic ?",
    "dynamic ?",
  ]);
  assert.deepEqual(references('require("x"); createRequire(import.meta.url)'), ["require x", "require ?"]);
  assert.deepEqual(references('import.meta.resolve("x"); import.meta.resolve(y); import.meta.url'), [
    "resolve x",
    "resolve ?",
  ]);
});

test("what only looks like an import is none", () => {
  assert.deepEqual(references('const a = { import: 1, from: "x" }; b.require("y"); // import "z"'), []);
  assert.deepEqual(references('export const from = "x"; export { from }; "import \\"y\\""'), []);
  assert.deepEqual(references('export { a };\nconst from = b;\nimport { c } from "./c.ts";'), ["static ./c.ts"]);
});
