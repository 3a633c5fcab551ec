import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceSplit } from "./service-split.ts";

test("each service gets its share of the numbers from 0 to 1, in the order of the file", () => {
  const split = new ServiceSplit([
    { service: "web", weight: 90 },
    { service: "parked", weight: 0 },
    { service: "canary", weight: 10 },
  ]);
  const taken = Array.from({ length: 1000 }, (_, at) => split.pick(at / 1000));
  assert.deepEqual([taken.indexOf("canary"), taken.lastIndexOf("web"), taken.includes("parked")], [900, 899, false]);
  assert.equal(split.pick(1 - Number.EPSILON / 2), "canary");
});

test("a service without weight gets nothing, wherever it stands", () => {
  const shares = [
    { service: "a", weight: 0 },
    { service: "b", weight: 1 },
    { service: "c", weight: 0 },
  ];
  for (const at of [0, 0.5, 1 - Number.EPSILON / 2, 1]) assert.equal(new ServiceSplit(shares).pick(at), "b");
});
