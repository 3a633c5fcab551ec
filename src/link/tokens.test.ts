import assert from "node:assert/strict";
import { test } from "node:test";

import { parseTokens, TokenSet } from "./tokens.ts";

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
  ["local: 'secret'", /entry 1: "local" is who this node itself is; take another name/],
  ["a: same\nb: same", /entry 2 \(b\): the token is also that of a/],
  ["a: 'open", /not YAML/],
] as const) {
  test(`is no tokens file: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseTokens(text, "tokens.yaml"), { code: "CONFIG_INVALID", message: words });
  });
}

test("a tokens file with an error does not print its tokens", () => {
  for (const text of ["a: same-secret\nb: same-secret", "a: 'secret", "- secret", "local: secret"]) {
    assert.throws(
      () => parseTokens(text, "tokens.yaml"),
      (error: Error) => !error.message.includes("secret"),
    );
  }
});
