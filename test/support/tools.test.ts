import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { requireTool, toolPath } from "./tools.ts";

test("a tool that is there is found by its full path, and nothing is skipped", (context) => {
  const folder = inEmptyPath(context);
  writeFileSync(join(folder, "wrk"), "#!/bin/sh\n", { mode: 0o755 });
  assert.equal(toolPath("wrk"), join(folder, "wrk"));
  assert.equal(requireTool("wrk"), false);
});

test("a tool that is missing, or cannot be run, is named with the way to get it", (context) => {
  const folder = inEmptyPath(context);
  writeFileSync(join(folder, "wrk"), "#!/bin/sh\n", { mode: 0o644 });
  assert.equal(requireTool("wrk", "curl"), "needs wrk, curl: apt-get install wrk curl");
});

/** Makes the PATH one empty folder for the length of a test. These two tools are never in the folders for servers. */
function inEmptyPath(context: { after(work: () => void): void }): string {
  const path = process.env["PATH"];
  const folder = mkdtempSync(join(tmpdir(), "polarity-tools-"));
  process.env["PATH"] = folder;
  context.after(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  });
  return folder;
}
