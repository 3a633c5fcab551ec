import assert from "node:assert/strict";
import { test } from "node:test";
import { describeJson, JSON_DEPTH_MAX, parseJson } from "./bounded-json.ts";

test("JSON is read as ever, up to its depth", () => {
  for (const value of [null, 1, "[[[[", { a: ['\\"[', { b: "}" }] }, []]) {
    assert.deepEqual(parseJson(JSON.stringify(value)), value);
  }
  const deepest = "[".repeat(JSON_DEPTH_MAX) + "]".repeat(JSON_DEPTH_MAX);
  assert.ok(Array.isArray(parseJson(deepest)));
  assert.throws(() => parseJson(`[${deepest}]`), /nested more than 32 levels deep/);
  assert.throws(() => parseJson("[[1]]", 1), /more than 1 levels/);
});

test("brackets in texts are no depth, whatever is escaped in them", () => {
  const text = JSON.stringify({ a: `${"[{".repeat(500)}\\"`, '\\"[[': "\\" });
  assert.deepEqual(parseJson(text, 1), JSON.parse(text));
});

test("depth that would overflow a parser is found out before it does", () => {
  for (const open of ["[", '{"a":', '[{"a":', '["\\\\",', '{"\\"":']) {
    assert.throws(() => parseJson(open.repeat(200_000)), /levels deep/);
  }
});

test("the error for what is not JSON quotes nothing of it", () => {
  for (const text of ['{"token":"secret"', "secret", '"secret', ""]) {
    assert.throws(
      () => parseJson(text),
      (error: Error) => !`${error.message}${error.stack}`.includes("secret") && error.cause === undefined,
    );
  }
});

test("a value is described without a look into it", () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = { deep };
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, "nothing"],
    [null, "null"],
    [true, "true"],
    [-0.5, "-0.5"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    ["a\nb\u2028\ud800", '"a\\nb\\u2028\\ud800"'],
    ["x".repeat(100_000), `"${"x".repeat(80)}\\u2026"`],
    [deep, "an object"],
    [[deep, deep], "a list of 2"],
    [Object.create(null), "an object"],
    [{ toString: 1, toJSON: 2 }, "an object"],
  ];
  for (const [value, words] of cases) assert.equal(describeJson(value), words);
});
