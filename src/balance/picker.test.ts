import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { createPicker } from "./cost-tiers.ts";
import type { Candidate } from "./picker.ts";

interface Backend extends Candidate {
  readonly name: string;
  outstanding: number;
}

function backend(name: string, settings: { weight?: number; cost?: number; outstanding?: number } = {}): Backend {
  return { name, weight: 1, cost: 0, outstanding: 0, ...settings };
}

/** A small generator with a full period, so that distributions are the same in every run. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const backends = fc.array(
  fc.record({
    name: fc.constant("any"),
    weight: fc.integer({ min: 1, max: 1000 }),
    cost: fc.integer({ min: 0, max: 3 }),
    outstanding: fc.integer({ min: 0, max: 50 }),
  }),
  { maxLength: 20 },
);

test("idle candidates get streams in proportion to their weights", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      (weights, seed) => {
        const candidates = weights.map((weight, index) => backend(String(index), { weight }));
        const picker = createPicker(candidates, seededRandom(seed));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const rounds = 4000;
        const counts = new Map(candidates.map((candidate) => [candidate, 0]));
        for (let round = 0; round < rounds; round++) {
          const picked = picker.pick(undefined)!;
          counts.set(picked, counts.get(picked)! + 1);
        }
        for (const candidate of candidates) {
          const share = candidate.weight / total;
          // Six standard deviations of a binomial count: a right picker practically never fails.
          const tolerance = 6 * Math.sqrt(rounds * share * (1 - share)) + 1;
          assert.ok(Math.abs(counts.get(candidate)! - rounds * share) <= tolerance);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("streams that stay are spread by weight, evenly", () => {
  const candidates = [1, 2, 5, 2].map((weight, index) => backend(String(index), { weight }));
  const picker = createPicker(candidates, seededRandom(1));
  for (let round = 0; round < 1000; round++) picker.pick(undefined)!.outstanding++;
  for (const candidate of candidates) {
    const loadPerWeight = candidate.outstanding / candidate.weight;
    assert.ok(loadPerWeight > 90 && loadPerWeight < 110, `${candidate.name}: ${loadPerWeight}`);
  }
});

test("of two equal candidates the one with fewer streams always wins", () => {
  const busy = backend("busy", { outstanding: 1 });
  const idle = backend("idle");
  const picker = createPicker([busy, idle], seededRandom(2));
  for (let round = 0; round < 100; round++) assert.equal(picker.pick(undefined), idle);
});

test("a candidate that never finishes stops getting streams", () => {
  const stalled = backend("stalled");
  const candidates = [stalled, backend("a"), backend("b"), backend("c")];
  const picker = createPicker(candidates, seededRandom(3));
  for (let round = 0; round < 10_000; round++) {
    const picked = picker.pick(undefined)!;
    // The others answer at once.
    if (picked === stalled) stalled.outstanding++;
  }
  assert.equal(stalled.outstanding, 1);
});

test("a pick is never excluded, and from the cheapest tier that has a candidate left", () => {
  fc.assert(
    fc.property(backends, fc.array(fc.nat(30), { maxLength: 12 }), fc.nat(), (candidates, indices, seed) => {
      const excluded = candidates.filter((_, index) => indices.includes(index));
      const left = candidates.filter((candidate) => !excluded.includes(candidate));
      const picked = createPicker(candidates, seededRandom(seed)).pick(excluded);
      if (left.length === 0) {
        assert.equal(picked, undefined);
        return;
      }
      assert.ok(picked !== undefined && left.includes(picked));
      assert.equal(picked.cost, Math.min(...left.map((candidate) => candidate.cost)));
    }),
  );
});

test("any sequence of random numbers picks some candidate", () => {
  const random = fc.oneof(
    fc.constant(0),
    fc.constant(1 - 2 ** -53),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  );
  fc.assert(
    fc.property(backends, fc.infiniteStream(random), fc.boolean(), (candidates, numbers, exclude) => {
      fc.pre(candidates.length > 1);
      const picker = createPicker(candidates, () => numbers.next().value);
      const excluded = exclude ? [candidates[0]!] : undefined;
      for (let round = 0; round < 20; round++) assert.ok(candidates.includes(picker.pick(excluded)!));
    }),
  );
});

test("a few exclusions among many still spread over the rest", () => {
  const candidates = Array.from({ length: 10 }, (_, index) => backend(String(index)));
  const picker = createPicker(candidates, seededRandom(4));
  const excluded = candidates.slice(0, 3);
  const picked = new Set(Array.from({ length: 500 }, () => picker.pick(excluded)));
  assert.deepEqual([...picked].map((candidate) => candidate!.name).sort(), ["3", "4", "5", "6", "7", "8", "9"]);
});

test("without candidates there is nothing to pick", () => {
  const picker = createPicker<Backend>([], seededRandom(5));
  assert.equal(picker.size, 0);
  assert.equal(picker.pick(undefined), undefined);
  assert.equal(picker.pick([backend("gone")]), undefined);
});

test("a picker keeps its membership when the array changes", () => {
  const candidates = [backend("a")];
  const picker = createPicker(candidates, seededRandom(6));
  candidates.length = 0;
  assert.equal(picker.pick(undefined)?.name, "a");
});
