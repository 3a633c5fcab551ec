import assert from "node:assert/strict";
import { test } from "node:test";
import { isTraceparent, isTracestate, newTraceparent } from "./trace-context.ts";

const ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

const parents: readonly (readonly [value: string, valid: boolean])[] = [
  [`00-${ID}-${PARENT}-01`, true],
  [`00-${ID}-${PARENT}-00`, true],
  [`cc-${ID}-${PARENT}-01`, true],
  [`cc-${ID}-${PARENT}-01-what-the-future-says`, true],
  [`00-${ID}-${PARENT}-01-more`, false],
  [`ff-${ID}-${PARENT}-01`, false],
  [`cc-${ID}-${PARENT}-01.more`, false],
  [`00-${"0".repeat(32)}-${PARENT}-01`, false],
  [`00-${ID}-${"0".repeat(16)}-01`, false],
  [`00-${ID.toUpperCase()}-${PARENT}-01`, false],
  [`00-${ID}-${PARENT}-1`, false],
  [`00-${ID}-${PARENT}-01, 00-${ID}-${PARENT}-01`, false],
  [`00-${ID}-${PARENT}`, false],
  ["", false],
];

for (const [value, valid] of parents) {
  test(`traceparent ${JSON.stringify(value)} is ${valid ? "valid" : "not"}`, () =>
    assert.equal(isTraceparent(value), valid));
}

const states: readonly (readonly [value: string, valid: boolean])[] = [
  ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true],
  ["a=b, , 1tenant@system=c d", true],
  ["", true],
  ["a", false],
  ["=b", false],
  ["A=b", false],
  ["a=b=c", false],
  ["a=\u00e9", false],
  [Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(","), false],
];

for (const [value, valid] of states) {
  test(`tracestate ${JSON.stringify(value.slice(0, 40))} is ${valid ? "valid" : "not"}`, () =>
    assert.equal(isTracestate(value), valid));
}

test("a new trace is valid whatever chance gives, and differs from the one before", () => {
  for (const chance of [0, 0.5, 1 - Number.EPSILON]) assert.ok(isTraceparent(newTraceparent(() => chance)));
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  assert.equal(new Set(Array.from({ length: 1000 }, () => newTraceparent(random))).size, 1000);
});
