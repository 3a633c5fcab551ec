import assert from "node:assert/strict";
import { test } from "node:test";

import { PolarityError } from "../base/errors.ts";
import { encodeHeader, FLAG_SYN, TYPE_DATA } from "./frame.ts";
import { DEFAULT_MUX_LIMITS, WindowBudget } from "./mux-limits.ts";
import { MuxSession } from "./mux-session.ts";
import type { MuxStream } from "./mux-stream.ts";

const SINK = { data: () => {}, end: () => {}, reset: () => {}, drain: () => {} };

function sessionOf(budget: WindowBudget, accepted: MuxStream[]): MuxSession {
  return new MuxSession(
    { role: "server", limits: DEFAULT_MUX_LIMITS, nodeWindowBudget: budget, now: 0 },
    {
      opened: (stream) => {
        stream.sink = SINK;
        accepted.push(stream);
      },
      wantsFlush: () => {},
      silence: () => {},
      peerGoesAway: () => {},
      idsRunOut: () => {},
      streamClosed: () => {},
      closed: () => {},
    },
  );
}

function opening(id: number, bytes: number): Buffer {
  return Buffer.concat([encodeHeader(TYPE_DATA, FLAG_SYN, id, bytes), Buffer.alloc(bytes)]);
}

test("while readers hold too much, no stream begins on any link of the node, and then they do again", () => {
  const budget = new WindowBudget(0, 1_000);
  const accepted: MuxStream[] = [];
  const one = sessionOf(budget, accepted);
  const other = sessionOf(budget, accepted);
  one.receive(opening(1, 600), 0);
  one.receive(opening(3, 600), 0);
  assert.equal(budget.heldBytes, 1_200);
  other.receive(opening(1, 1), 0);
  assert.equal(accepted.length, 2, "refused on the other link");
  assert.equal(other.open(SINK), undefined);
  accepted[0]!.consumed(600);
  assert.equal(budget.heldBytes, 600);
  other.receive(opening(3, 1), 0);
  assert.equal(accepted.length, 3);
  assert.notEqual(other.open(SINK), undefined);
});

test("what a stream holds when it is over is no longer counted, and credit that comes late changes nothing", () => {
  const budget = new WindowBudget(0, 1_000);
  const accepted: MuxStream[] = [];
  const session = sessionOf(budget, accepted);
  session.receive(opening(1, 600), 0);
  accepted[0]!.reset(new PolarityError("CLIENT_GONE", "gone"));
  assert.equal(budget.heldBytes, 0);
  accepted[0]!.consumed(600);
  assert.equal(budget.heldBytes, 0);
  session.receive(opening(3, 100), 0);
  session.close(new PolarityError("NODE_STOPPED", "over"));
  assert.equal(budget.heldBytes, 0);
});
