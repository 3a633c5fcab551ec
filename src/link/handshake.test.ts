import assert from "node:assert/strict";
import { test } from "node:test";

import { PolarityError } from "../base/errors.ts";
import { type ControlMessage, parseControlMessage } from "./control-messages.ts";
import { nextDrainState } from "./drain-state.ts";
import {
  checkProtocolVersion,
  formatHello,
  formatReject,
  formatWelcome,
  type HandshakeEvent,
  type HandshakeState,
  nextHandshakeState,
} from "./handshake.ts";
import { nextLinkState } from "./link-state.ts";

const EVENTS: readonly HandshakeEvent[] = [
  "hello",
  "welcome",
  "reject",
  "offer",
  "withdraw",
  "drain",
  "error",
  "accept",
  "refuse",
];

test("each state of the handshake takes the messages that belong there, and no other", () => {
  const allowed: Record<HandshakeState, readonly HandshakeEvent[]> = {
    "awaiting-hello": ["hello"],
    deciding: ["accept", "refuse"],
    "awaiting-welcome": ["welcome", "reject", "error"],
    joined: ["offer", "withdraw", "drain", "error"],
    rejected: [],
  };
  for (const [state, events] of Object.entries(allowed) as [HandshakeState, HandshakeEvent[]][]) {
    for (const event of EVENTS) {
      if (events.includes(event)) nextHandshakeState(state, event);
      else assert.throws(() => nextHandshakeState(state, event), { code: "LINK_PROTOCOL" }, `${event} while ${state}`);
    }
  }
});

const LIMITS = { streams: 9, resets: 8, lines: 7, linesAtOnce: 6 };

test("a hello of thousands of services stays within a line, and the rest follows as offers", () => {
  const offers = Array.from({ length: 5_000 }, (_, index) => ({
    service: `service-${index}`,
    weight: 1,
    protocol: "tcp" as const,
    labels: {},
    health: "up" as const,
  }));
  const text = formatHello({ node: "n", instance: "i", offers, limits: LIMITS }, "secret", 10);
  const lines = text.trimEnd().split("\n");
  assert.ok(lines.every((line) => line.length <= 64 * 1024));
  const heard: string[] = [];
  for (const line of lines) {
    const message: ControlMessage | undefined = parseControlMessage(line);
    if (message?.type === "hello") heard.push(...message.offers.map(({ service }) => service));
    if (message?.type === "offer") heard.push(message.announcement.service);
  }
  assert.deepEqual(
    heard,
    offers.map(({ service }) => service),
  );
});

test("what each side says is understood by the other", () => {
  const introduction = { node: "n", instance: "i", offers: [], limits: LIMITS };
  const hello = parseControlMessage(formatHello(introduction, undefined, 3));
  assert.ok(hello?.type === "hello");
  assert.deepEqual(
    [hello.protocol, hello.cost, hello.token, hello.limits],
    [1, 3, undefined, { ...LIMITS, untold: false }],
  );
  const welcome = parseControlMessage(formatWelcome(introduction, ["tcp://other:1"]));
  assert.ok(welcome?.type === "welcome");
  assert.deepEqual([welcome.node, welcome.routers], ["n", ["tcp://other:1"]]);
  const reject = parseControlMessage(formatReject(new PolarityError("AUTH_FAILED", "no")));
  assert.deepEqual(reject, { type: "reject", code: "AUTH_FAILED", message: "no" });
});

test("another version of the protocol is refused with both numbers", () => {
  checkProtocolVersion(1);
  assert.throws(() => checkProtocolVersion(2), /link protocol 2 is not spoken here, only 1/);
});

test("a closed link stays closed, and a draining one does not come up again", () => {
  for (const event of ["joined", "silent", "heard", "drain", "close"] as const) {
    assert.equal(nextLinkState("closed", event), undefined);
  }
  assert.equal(nextLinkState("draining", "heard"), undefined);
  assert.equal(nextLinkState("suspect", "heard"), "up");
});

test("who asked for a drain agrees with the answer; who answered waits for the asker", () => {
  assert.equal(nextDrainState("none", "send"), "asked");
  assert.equal(nextDrainState("asked", "received"), "agreed");
  assert.equal(nextDrainState("none", "received"), "to-answer");
  assert.equal(nextDrainState("to-answer", "send"), "answered");
  assert.equal(nextDrainState("answered", "received"), undefined);
  assert.equal(nextDrainState("answered", "late"), "agreed");
});
