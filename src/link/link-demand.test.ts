import assert from "node:assert/strict";
import { test } from "node:test";

import { LinkDemand, type LinkUse } from "./link-demand.ts";

test("a link is joined by another once it is half used, and no more than are allowed", () => {
  const demand = new LinkDemand(1, 3);
  const wanted = (...uses: LinkUse[]): number => demand.wanted(uses, 0);
  assert.equal(wanted(0.49), 1);
  assert.equal(wanted(0.5), 2);
  assert.equal(wanted(0.9, undefined), 2, "one that has not joined yet is waited for");
  assert.equal(wanted(0.9, 0.2), 2);
  assert.equal(wanted(0.6, 0.5), 3);
  assert.equal(wanted(1, 1, 1), 3);
});

test("it goes again when the others could long have done its work", () => {
  const demand = new LinkDemand(1, 2);
  assert.equal(demand.wanted([0.2, 0.1], 0), 2);
  assert.equal(demand.wanted([0.1, 0.1], 1_000), 2);
  assert.equal(demand.wanted([0.1, 0.1], 30_000), 2);
  assert.equal(demand.wanted([0.2, 0.1], 30_500), 2, "used again");
  assert.equal(demand.wanted([0.1, 0], 31_000), 2);
  assert.equal(demand.wanted([0.1, 0], 60_999), 2);
  assert.equal(demand.wanted([0.1, 0], 61_000), 1);
  assert.equal(demand.wanted([0], 200_000), 1, "never fewer than are to be kept");
});

test("while links are down nothing is added", () => {
  const demand = new LinkDemand(2, 4);
  for (let now = 0; now < 100_000; now += 100) assert.equal(demand.wanted([undefined, undefined], now), 2);
});
