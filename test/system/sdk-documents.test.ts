/** The reference of the SDK. That its examples run is shown with the package, in package.test.ts. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { apiReference } from "../../scripts/api-reference.ts";

const root = join(import.meta.dirname, "..", "..");

test("docs/API.md is what the exported declarations and their comments say", { timeout: 120_000 }, async () => {
  const document = await readFile(join(root, "docs/API.md"), "utf8");
  const [, written] = /write-reference\.ts -->\n\n([\s\S]*)\n<!-- end of generated part -->/.exec(document) ?? [];
  assert.ok(written === apiReference(), "out of date: node scripts/write-reference.ts");
});
