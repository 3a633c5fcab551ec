/** The rules of the source tree, held against the tree as it is; `test/support/architecture.test.ts` tests the rules. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { ERRORS } from "../src/base/errors.ts";
import {
  forbiddenStrings,
  importCycles,
  importViolations,
  lengthViolations,
  purityViolations,
  unraisedCodes,
} from "./support/architecture.ts";
import type { Sources } from "./support/architecture.ts";
import { tokensOf } from "./support/source-tokens.ts";
import type { Token } from "./support/source-tokens.ts";

const root = join(import.meta.dirname, "..");
const manifest = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
const sources = load(["src/**/*.ts"]);
const code = load(["{src,test,bench,scripts,examples}/**/*.ts"]);
const documents = load(["*.md", "docs/**/*.md"]);

/** Why a file may be longer than the rest. */
const LONG_FILES: ReadonlyMap<string, string> = new Map([
  ["src/link/acceptor.ts", "what a connection is, from its first byte to its link, is one story"],
  ["src/mux/mux-stream.ts", "both directions of a stream share its state and its windows"],
  ["src/registry/registry.ts", "every change of who serves what keeps the same few indexes"],
  ["src/node/node.ts", "the composition root names every part once, and the order in which they begin and end"],
  ["src/link/joined-link.ts", "handshake, control messages and streams of one link share its state"],
  ["src/session/http-exchange.ts", "one state machine; what a route may ask besides stands in files of its own"],
  ["src/mux/mux-session.ts", "one state machine: what arrives, what leaves, and what both change"],
  ["src/registry/registry.ts", "one table of services, and each question that is asked of it"],
]);

test("every source can be read: its brackets balance once strings and comments are out of the way", () => {
  const unbalanced = [...code].filter(([, source]) => !bracketsBalance(tokensOf(source))).map(([path]) => path);
  assert.deepEqual(unbalanced, []);
});

test("imports point up the list of rooms, and only to declared packages", () => {
  assert.deepEqual(importViolations(sources, Object.keys(manifest.dependencies)), []);
});

test("every declared runtime dependency is used", () => {
  const used = [...sources].map(([, source]) => source).join("\n");
  const unused = Object.keys(manifest.dependencies).filter((name) => !used.includes(`"${name}`));
  assert.deepEqual(unused, []);
});

test("the pure rooms use no time, randomness, process or I/O", () => {
  assert.deepEqual(purityViolations(sources), []);
});

test("no files import one another in a ring", () => {
  assert.deepEqual(importCycles(sources), []);
});

test("no file is longer than a reader can hold", () => {
  assert.deepEqual(lengthViolations(code, LONG_FILES), []);
});

test("every error code is raised somewhere", () => {
  assert.deepEqual(unraisedCodes(sources, Object.keys(ERRORS), "src/base/errors.ts"), []);
});

test("docs/ERRORS.md has a row for every error code, as the registry defines it", () => {
  const rows = [...read("docs/ERRORS.md").matchAll(/^\| `([A-Z_]+)` *\|(.*)\|$/gm)].map(([, name, rest]) => {
    const [fault, status, retryable, meaning, advice] = rest!.split("|").map((cell) => cell.trim());
    assert.ok((advice ?? "").length > 10, `${name}: says what to do`);
    return [name, { fault, status: Number(status), retryable: retryable === "yes", summary: meaning }];
  });
  assert.deepEqual(Object.fromEntries(rows), { ...ERRORS });
  assert.equal(rows.length, Object.keys(ERRORS).length, "one row for each code");
});

test("every relative link in the documents leads to a file", () => {
  const dead = [...documents].flatMap(([path, text]) =>
    [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map(([, target]) => join(dirname(path), target!))
      .filter((target) => globSync(target, { cwd: root }).length === 0)
      .map((target) => `${path}: ${target}`),
  );
  assert.deepEqual(dead, []);
});

test("the README's commands are the ones that the package has", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const readme = read("README.md");
  assert.match(readme, /^npm ci && npm run demo$/m);
  assert.match(readme, /^npm ci && npm test$/m);
  const unknown = [...readme.matchAll(/npm run ([\w-]+)/g)]
    .map(([, name]) => name!)
    .filter((name) => !(name in scripts));
  assert.deepEqual(unknown, []);
});

test("nothing names the machines that the project is made on", () => {
  // In pieces, so that this file does not contain them itself.
  const forbidden = [
    ["/work", "shared"].join("/"),
    ["/work", "main"].join("/"),
    ["/tmp", "brief"].join("/"),
    ["registry", "npmjs", "org"].join("."),
    ["b-seed", "06e2b0bd"].join("-"),
  ];
  const files = load([
    "*.{md,json,ts,js}",
    ".ci/*",
    ".npmrc",
    ".gitignore",
    ".ox*",
    "{src,test,bench,scripts,examples,docs,bin}/**/*.*",
  ]);
  assert.deepEqual(forbiddenStrings(files, forbidden), []);
});

function bracketsBalance(tokens: readonly Token[]): boolean {
  const closing: Record<string, string> = { "(": ")", "[": "]", "{": "}" };
  const open: string[] = [];
  for (const { kind, text } of tokens) {
    if (kind !== "mark") continue;
    if (text in closing) open.push(closing[text]!);
    else if (Object.values(closing).includes(text) && open.pop() !== text) return false;
  }
  return open.length === 0;
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function load(patterns: readonly string[]): Sources {
  const paths = globSync(patterns, { cwd: root, exclude: (name) => name === "node_modules" || name === "results" });
  return new Map(paths.sort().map((path) => [path, read(path)]));
}
