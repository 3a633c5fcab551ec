import assert from "node:assert/strict";
import { test } from "node:test";
import { FlushPace } from "./flush-pace.ts";

/** Plays `turns` turns with `wishes` each, and says how many were flushed at once. */
function play(pace: FlushPace, turns: number, wishes: number): number {
  let soon = 0;
  for (let turn = 0; turn < turns; turn++) {
    pace.wished();
    const atOnce = pace.soon();
    for (let more = 1; more < wishes; more++) pace.wished();
    if (atOnce) soon++;
    else pace.turnEnded();
  }
  return soon;
}

test("a link whose turns hold little flushes at once, but for one turn of sixteen that is gathered", () => {
  const pace = new FlushPace();
  assert.equal(play(pace, 64, 1), 0);
  assert.equal(play(pace, 160, 2), 150);
});

test("a turn that holds much is seen within sixteen flushes, and everything is gathered from then on", () => {
  const pace = new FlushPace();
  play(pace, 64, 1);
  assert.equal(play(pace, 16, 9), 15);
  assert.equal(play(pace, 1_000, 9), 0);
});

test("a busy link stays with gathering for one quiet turn among others", () => {
  const pace = new FlushPace();
  let soon = 0;
  for (let round = 0; round < 100; round++) soon += play(pace, 60, 1) + play(pace, 1, 3);
  assert.equal(soon, 0);
});
