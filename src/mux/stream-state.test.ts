import assert from "node:assert/strict";
import { test } from "node:test";

import { mayReceive, maySend, nextStreamState, type StreamEvent, type StreamState } from "./stream-state.ts";

const STATES: readonly StreamState[] = ["open", "local-ended", "remote-ended", "closed"];
const EVENTS: readonly StreamEvent[] = ["local-fin", "remote-fin", "reset"];

test("every event is defined in every state, or refused", () => {
  const table = STATES.map((state) => EVENTS.map((event) => nextStreamState(state, event)));
  assert.deepEqual(table, [
    ["local-ended", "remote-ended", "closed"],
    [undefined, "closed", "closed"],
    ["closed", undefined, "closed"],
    [undefined, undefined, undefined],
  ]);
});

test("each direction is open until its own end", () => {
  assert.deepEqual(STATES.map(maySend), [true, false, true, false]);
  assert.deepEqual(STATES.map(mayReceive), [true, true, false, false]);
});
