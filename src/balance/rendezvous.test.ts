import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Candidate } from "./picker.ts";
import { fractionOf, hashText, RendezvousPicker } from "./rendezvous.ts";

interface Named extends Candidate {
  readonly name: string;
}

function named(name: string, weight = 1, cost = 0, outstanding = 0): Named {
  return { name, weight, cost, outstanding };
}

const pickerOf = (candidates: readonly Named[]): RendezvousPicker<Named> =>
  new RendezvousPicker(candidates, ({ name }) => name);

const KEYS = Array.from({ length: 20_000 }, (_, index) => hashText(`user-${index}`));

function counts(picker: RendezvousPicker<Named>): Map<string, number> {
  const served = new Map<string, number>();
  for (const key of KEYS) {
    const name = picker.pick(key, undefined)?.name ?? "";
    served.set(name, (served.get(name) ?? 0) + 1);
  }
  return served;
}

test("keys are shared by weight", () => {
  const served = counts(pickerOf([named("a"), named("b", 2), named("c", 5)]));
  for (const [name, share] of [
    ["a", 1 / 8],
    ["b", 2 / 8],
    ["c", 5 / 8],
  ] as const) {
    const expected = KEYS.length * share;
    assert.ok(Math.abs((served.get(name) ?? 0) - expected) < expected * 0.08, `${name}: ${served.get(name)}`);
  }
});

const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { minLength: 2, maxLength: 12 });

test("when a candidate leaves, its keys move and no other", () => {
  fc.assert(
    fc.property(names, fc.nat(), fc.array(fc.integer(), { minLength: 50, maxLength: 50 }), (all, which, keys) => {
      const candidates = all.map((name) => named(name));
      const leaving = candidates[which % candidates.length]!;
      const before = pickerOf(candidates);
      const after = pickerOf(candidates.filter((candidate) => candidate !== leaving));
      for (const key of keys) {
        const first = before.pick(key, undefined);
        const second = after.pick(key, undefined);
        if (first !== leaving) assert.equal(second, first);
        assert.equal(before.pick(key, [leaving]), second, "excluded is as good as gone");
      }
    }),
  );
});

test("with ten candidates about a tenth of the keys moves to an eleventh", () => {
  const ten = Array.from({ length: 10 }, (_, index) => named(`node-${index}`));
  const before = pickerOf(ten);
  const after = pickerOf([...ten, named("node-new")]);
  const moved = KEYS.filter((key) => before.pick(key, undefined) !== after.pick(key, undefined)).length;
  assert.ok(Math.abs(moved / KEYS.length - 1 / 11) < 0.01, `${moved}`);
});

test("the order of the candidates does not matter, so that every router decides alike", () => {
  fc.assert(
    fc.property(names, fc.integer(), (all, key) => {
      const one = pickerOf(all.map((name) => named(name))).pick(key, undefined);
      const other = pickerOf(all.toReversed().map((name) => named(name))).pick(key, undefined);
      assert.equal(one?.name, other?.name);
    }),
  );
});

test("dearer candidates serve only when no cheaper one is left", () => {
  const [cheap, dear] = [named("cheap", 1, 1), named("dear", 100, 2)];
  for (const order of [
    [cheap, dear],
    [dear, cheap],
  ]) {
    for (const key of KEYS.slice(0, 100)) {
      assert.equal(pickerOf(order).pick(key, undefined), cheap);
      assert.equal(pickerOf(order).pick(key, [cheap]), dear);
    }
  }
  assert.equal(pickerOf([cheap]).pick(1, [cheap]), undefined);
});

test("candidates of one name share its keys by load", () => {
  const [busy, idle] = [named("node", 1, 0, 5), named("node", 1, 0, 1)];
  assert.equal(pickerOf([busy, idle]).pick(7, undefined), idle);
  assert.equal(pickerOf([idle, busy]).pick(7, undefined), idle);
});

test("fractions of hashes are even, in [0, 1)", () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const key of KEYS) tenths[Math.floor(fractionOf(key) * 10)]!++;
  for (const count of tenths) assert.ok(Math.abs(count - 2000) < 200, `${count}`);
});
