import assert from "node:assert/strict";
import { test } from "node:test";

import { INITIAL_WINDOW_BYTES } from "./frame.ts";
import { WindowBudget } from "./mux-limits.ts";
import { ReceiveWindow } from "./receive-window.ts";

const MAX = 8 * INITIAL_WINDOW_BYTES;
const ample = (): readonly WindowBudget[] => [new WindowBudget(1 << 30), new WindowBudget(1 << 30)];

/** Fills the window's open half, consumes it, and returns the credit that goes back at `now`. */
function turn(
  window: ReceiveWindow,
  now: number,
  roundTripMs: number | undefined,
  budgets: readonly WindowBudget[],
): number {
  const half = window.sizeBytes / 2;
  assert.equal(window.receive(half, now), true);
  assert.equal(window.consume(half), true);
  return window.update(now, roundTripMs, MAX, budgets);
}

test("a window takes what it holds and not a byte more", () => {
  const window = new ReceiveWindow();
  assert.equal(window.receive(INITIAL_WINDOW_BYTES, 0), true);
  assert.equal(window.receive(1, 0), false);
});

test("credit is due at half a window consumed", () => {
  const window = new ReceiveWindow();
  window.receive(INITIAL_WINDOW_BYTES, 0);
  assert.equal(window.consume(INITIAL_WINDOW_BYTES / 2 - 1), false);
  assert.equal(window.consume(1), true);
  assert.equal(window.update(1_000, 10, MAX, ample()), INITIAL_WINDOW_BYTES / 2);
});

test("a window drained within two round trips doubles until it meets the maximum", () => {
  const window = new ReceiveWindow();
  const budgets = ample();
  const sizes: number[] = [];
  for (let now = 0; now < 60; now += 10) {
    turn(window, now, 50, budgets);
    sizes.push(window.sizeBytes / INITIAL_WINDOW_BYTES);
  }
  assert.deepEqual(sizes, [2, 4, 8, 8, 8, 8]);
});

test("growth is credit on top of what was consumed", () => {
  const window = new ReceiveWindow();
  assert.equal(turn(window, 0, 50, ample()), INITIAL_WINDOW_BYTES / 2 + INITIAL_WINDOW_BYTES);
  assert.equal(window.receive(2 * INITIAL_WINDOW_BYTES, 0), true);
  assert.equal(window.receive(1, 0), false);
});

test("a slow reader and an unmeasured path do not grow it", () => {
  const slow = new ReceiveWindow();
  turn(slow, 0, undefined, ample());
  turn(slow, 100, 50, ample());
  turn(slow, 200, 50, ample());
  assert.equal(slow.sizeBytes, INITIAL_WINDOW_BYTES);
});

test("no budget, no growth: what one budget gave is given back when the other refuses", () => {
  const link = new WindowBudget(1 << 30);
  const node = new WindowBudget(INITIAL_WINDOW_BYTES - 1);
  const window = new ReceiveWindow();
  turn(window, 0, 50, [link, node]);
  assert.equal(window.sizeBytes, INITIAL_WINDOW_BYTES);
  assert.deepEqual([link.freeBytes, node.freeBytes], [1 << 30, INITIAL_WINDOW_BYTES - 1]);
});

test("release gives all growth back, once", () => {
  const budgets = [new WindowBudget(MAX), new WindowBudget(MAX)];
  const window = new ReceiveWindow();
  for (let now = 0; now < 30; now += 10) turn(window, now, 50, budgets);
  assert.deepEqual(
    budgets.map((budget) => budget.freeBytes),
    [INITIAL_WINDOW_BYTES, INITIAL_WINDOW_BYTES],
  );
  window.release(budgets);
  window.release(budgets);
  assert.deepEqual(
    budgets.map((budget) => budget.freeBytes),
    [MAX, MAX],
  );
});
