import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configReference } from "../config/reference.ts";
import { commandReference } from "./reference.ts";

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");

test("docs/CONFIG.md lists the keys of the schema (node scripts/write-reference.ts writes it)", () => {
  assert.ok(read("CONFIG.md").includes(configReference()));
});

test("docs/CLI.md lists the commands and flags (node scripts/write-reference.ts writes it)", () => {
  assert.ok(read("CLI.md").includes(commandReference()));
});
