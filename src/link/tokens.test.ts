import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { silentLogger } from "../base/clock.ts";
import { parseTokens, readTokenFile, readTokensFile, TokenSet } from "./tokens.ts";

test("a token proves the name it stands behind, and nothing else does", () => {
  const tokens = new TokenSet(parseTokens('phone0: "one"\nphone1: "two"\n', "tokens.yaml"));
  assert.equal(tokens.size, 2);
  assert.equal(tokens.identify("two"), "phone1");
  for (const other of ["", "on", "onee", "ONE", "phone0"]) assert.equal(tokens.identify(other), undefined);
});

test("a name may have an old and a new token at once", () => {
  const tokens = new TokenSet(parseTokens("- { name: a, token: old }\n- { name: a, token: new }\n", "tokens.yaml"));
  assert.deepEqual([tokens.identify("old"), tokens.identify("new")], ["a", "a"]);
});

for (const [text, words] of [
  ["", /expected lines of "name: token"/],
  ["just words", /expected lines/],
  ["a: 12345678", /entry 1 \(a\): expected a token in quotes/],
  ['a: ""', /entry 1 \(a\): expected a token/],
  ["a: [x]", /entry 1 \(a\): expected a token/],
  ["- secret", /entry 1: expected a name/],
  ["a: same\nb: same", /entry 2 \(b\): the token is also that of a/],
  ["a: 'open", /not YAML/],
] as const) {
  test(`is no tokens file: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseTokens(text, "tokens.yaml"), { code: "CONFIG_INVALID", message: words });
  });
}

test("a tokens file with an error does not print its tokens", () => {
  for (const text of ["a: same-secret\nb: same-secret", "a: 'secret", "- secret"]) {
    assert.throws(
      () => parseTokens(text, "tokens.yaml"),
      (error: Error) => !error.message.includes("secret"),
    );
  }
});

test("a token file is read without its newline, and its being readable by everybody is said", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "polarity-token-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "token");
  writeFileSync(path, "  secret\n", { mode: 0o600 });
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => warnings.push(message) };
  assert.equal(readTokenFile(path, logger), "secret");
  assert.deepEqual(warnings, []);
  chmodSync(path, 0o644);
  readTokenFile(path, logger);
  assert.match(warnings[0] ?? "", /every user of this machine can read the token file/);
  writeFileSync(path, " \n");
  assert.throws(() => readTokenFile(path, logger), { code: "CONFIG_INVALID" });
  assert.throws(() => readTokensFile(join(folder, "none")), { code: "FILE_UNREADABLE" });
});
