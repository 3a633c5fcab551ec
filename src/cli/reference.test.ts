import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configReference } from "../config/reference.ts";
import { commandReference } from "./reference.ts";

/** The formatter aligns tables with blanks and dashes; only the words count. */
const words = (markdown: string): string => markdown.replaceAll(/[\s-]+/g, " ");

const read = (name: string): string => words(readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8"));

test("docs/CONFIG.md lists the keys of the schema (node scripts/write-reference.ts, then npm run format)", () => {
  assert.ok(read("CONFIG.md").includes(words(configReference())));
});

test("docs/CLI.md lists the commands and flags (node scripts/write-reference.ts, then npm run format)", () => {
  assert.ok(read("CLI.md").includes(words(commandReference())));
});
