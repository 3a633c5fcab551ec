import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { AmplificationBudget } from "./amplification-budget.ts";

test("answers may be as large as the factor times what came, headers included, and not a byte more", () => {
  for (const [factor, question, most] of [
    [1, 0, 0],
    [1, 100, 100],
    [3, 1200, 3 * 1228 - 28],
    [20, 33, 20 * 61 - 28],
  ] as const) {
    const budget = new AmplificationBudget({ factor, turns: 3 });
    budget.received(question);
    assert.equal(budget.spend(most + 1), false);
    assert.equal(budget.spend(most), true);
    assert.equal(budget.spend(0), false, "all of it is spent");
  }
});

test("nobody who has sent nothing is answered", () => {
  assert.equal(new AmplificationBudget({ factor: 1000, turns: 3 }).spend(0), false);
});

test("what is too large is held back, and what fits still passes", () => {
  const budget = new AmplificationBudget({ factor: 2, turns: 3 });
  budget.received(72);
  assert.equal(budget.spend(1000), false);
  assert.equal(budget.spend(100), true);
});

test("a client that goes on after each answer is believed after the turns that are asked of it", () => {
  const budget = new AmplificationBudget({ factor: 2, turns: 3 });
  for (let turn = 0; turn < 3; turn++) {
    budget.received(10);
    assert.equal(budget.open, false);
    assert.equal(budget.spend(10), true);
  }
  budget.received(10);
  assert.equal(budget.open, true);
  assert.equal(budget.spend(1_000_000), true);
});

test("sending much without an answer is no turn", () => {
  const budget = new AmplificationBudget({ factor: 2, turns: 1 });
  for (let sent = 0; sent < 100; sent++) budget.received(10);
  assert.equal(budget.open, false);
});

test("with no turns the limit stays for ever, and with no factor there is none", () => {
  const kept = new AmplificationBudget({ factor: 1, turns: 0 });
  for (let turn = 0; turn < 100; turn++) {
    kept.received(10);
    assert.equal(kept.spend(10), true);
  }
  assert.equal(kept.spend(0), false);
  assert.equal(new AmplificationBudget({ factor: 0, turns: 0 }).spend(1e9), true);
});

test("whatever the order, no more is answered before the last turn than the factor allows", () => {
  const random = new Random(11);
  for (let run = 0; run < 500; run++) {
    const factor = 1 + random.below(30);
    const budget = new AmplificationBudget({ factor, turns: random.below(4) });
    let received = 0;
    let answered = 0;
    for (let step = 0; step < 60 && !budget.open; step++) {
      const bytes = random.below(2000);
      if (random.below(2) === 0) {
        budget.received(bytes);
        received += bytes + 28;
      } else if (budget.spend(bytes)) answered += bytes + 28;
      assert.ok(answered <= factor * received, `${answered} of ${received} times ${factor}`);
    }
  }
});
