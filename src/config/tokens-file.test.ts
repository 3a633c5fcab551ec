import assert from "node:assert/strict";
import { test } from "node:test";

import type { PolarityError } from "../base/errors.ts";
import { TokenSet } from "../link/tokens.ts";
import { parseTokens } from "./tokens-file.ts";

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

test("names are what is written, whatever YAML would make of them", () => {
  const tokens = new TokenSet(parseTokens('007: "one"\n1.50: "two"\n0x10: "three"\nnull: "four"\n', "tokens.yaml"));
  assert.deepEqual(
    ["one", "two", "three", "four"].map((token) => tokens.identify(token)),
    ["007", "1.50", "0x10", "null"],
  );
  assert.equal(new TokenSet(parseTokens("- { name: 007, token: one }", "t")).identify("one"), "007");
});

for (const [text, line] of [
  ["", '1:1: expected lines of "name: token", or a list of {name, token}'],
  ["just words", '1:1: expected lines of "name: token", or a list of {name, token}'],
  ["a: 12345678", "1:4: expected a token in quotes, of 1 to 4096 characters"],
  ['a: ""', "1:4: expected a token in quotes, of 1 to 4096 characters"],
  ["a: [x]", "1:4: expected a token in quotes, of 1 to 4096 characters"],
  ["a: |\n  secret\n", "1:4: a token neither begins nor ends with blanks or line ends"],
  ["- secret", "1:3: expected a name"],
  ["local: 'secret'", '1:1: "local" is who this node itself is; take another name'],
  [
    "b: x\nAnonymous : 'secret'",
    '2:1: "anonymous" is who every peer is that has neither a token nor a certificate; take another name',
  ],
  ["a: same\nb: same", "2:4: the token is also that of another name"],
  ["a: 'open", "1:9: missing closing 'quote"],
  ["laptop: !S3cret", "1:9: a tag (!) that is not known: put text that begins with ! in quotes"],
  ["laptop: !S3cret tail", "1:9: a tag (!) that is not known: put text that begins with ! in quotes"],
  ["laptop: !!str tail", "1:15: put text that begins with ! in quotes"],
  ["laptop: &S3cret tail", "1:17: an anchor (&) that is not used: put text that begins with & in quotes"],
  ["laptop: *S3cret", "1:9: an alias (*) of no anchor: put text that begins with * in quotes"],
  ["a: &S3cret b\nc: *S3cret", "1:12: put text that begins with & in quotes"],
  ["laptop: @S3cret", "1:9: text cannot begin with this character: put it in quotes"],
  ["laptop: %S3cret", "1:9: text cannot begin with this character: put it in quotes"],
  ["laptop: {S3cret", "1:16: flow map in block collection must be sufficiently indented and end with a }"],
  ["laptop: >S3cret", "1:10: this is no YAML: text with special characters goes in quotes"],
  ["laptop: S3: cret", "1:9: nested mappings are not allowed in compact mappings"],
  ["%S3cret x\n---\na: b", "1:1: a line that begins with % is a directive of YAML, and this one is not known"],
  ["a: b\n---\nS3cret: c", "2:1: a second document begins here (---), and one is expected"],
  ["S3cret: b\nS3cret: c", "2:1: map keys must be unique"],
  ["? [S3cret]\n: b", "1:3: a key is one word or text"],
  ["? {S3cret: x}\n: b", "1:3: a key is one word or text"],
] as const) {
  test(`is no tokens file, and says so without a word of it: ${JSON.stringify(text)}`, (t) => {
    const emitted = t.mock.method(process, "emitWarning", () => {});
    assert.throws(
      () => parseTokens(text, "tokens.yaml"),
      (error: PolarityError) => {
        assert.equal(error.code, "CONFIG_INVALID");
        assert.equal(error.message.split("\n")[0], `tokens.yaml:${line}`);
        assert.doesNotMatch(error.message, /S3|cret|same|laptop/);
        return true;
      },
    );
    assert.equal(emitted.mock.callCount(), 0);
  });
}
