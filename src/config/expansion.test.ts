import assert from "node:assert/strict";
import { test } from "node:test";
import { expandVariables, plainScalar } from "./expansion.ts";

const environment = { HOST: "edge", EMPTY: "" };

test("variables expand, with defaults where they are not set", () => {
  const cases = [
    ["tcp://${HOST}:80", "tcp://edge:80"],
    ["${PORT:8001}", "8001"],
    ["${HOST:other}", "edge"],
    ["${EMPTY:other}", ""],
    ["${URL:http://a:1/}", "http://a:1/"],
    ["${NONE:}", ""],
    ["$${HOST} costs $5", "${HOST} costs $5"],
    ["${HOST}${HOST}", "edgeedge"],
  ] as const;
  for (const [text, expected] of cases) {
    assert.deepEqual(expandVariables(text, environment), { kind: "expanded", text: expected });
  }
  assert.deepEqual(expandVariables("no $variable here", environment), { kind: "same" });
});

test("a variable without value or default is a problem, not an empty string", () => {
  assert.deepEqual(expandVariables("${NONE}", environment), {
    kind: "problem",
    message: "the environment variable NONE is not set and ${NONE} has no default",
  });
  for (const text of ["${", "${}", "${1A}", "${HOST", "${HO ST}"]) {
    assert.equal(expandVariables(text, environment).kind, "problem", text);
  }
});

test("an unquoted scalar has the type that its expanded text has", () => {
  assert.equal(plainScalar("10"), 10);
  assert.equal(plainScalar("true"), true);
  assert.equal(plainScalar("010"), "010");
  assert.equal(plainScalar("5s"), "5s");
});
