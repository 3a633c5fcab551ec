import assert from "node:assert/strict";
import { test } from "node:test";
import { withGoFlags } from "./go-flags.ts";

const COMMAND = ["node", "polarity"];

test("foo-proxy takes long flags with one dash, as Go's programs do", () => {
  const words = ["foo-proxy", "-listen", ":1", "-forward=:2", "--http", "-http=:3", "-recovery-path", "-help"];
  const expected = ["foo-proxy", "--listen", ":1", "--forward=:2", "--http", "--http=:3", "--recovery-path", "--help"];
  assert.deepEqual(withGoFlags([...COMMAND, ...words]), [...COMMAND, ...expected]);
});

test("other flags and other commands are left alone", () => {
  for (const words of [
    ["foo-proxy", "-h", "-l", "-listening"],
    ["router", "-listen", ":1"],
    ["dial", "foo-proxy", "-http"],
  ]) {
    assert.deepEqual(withGoFlags([...COMMAND, ...words]), [...COMMAND, ...words]);
  }
});
