import assert from "node:assert/strict";
import { test } from "node:test";

import { PolarityError } from "../base/errors.ts";
import { announcementFields, formatControlMessage, onwardFields, parseControlMessage } from "./control-messages.ts";
import { UNTOLD_LIMITS } from "./told-limits.ts";

const hello = { type: "hello", protocol: 1, node: "phone0", instance: "7f3a" };

test("a hello needs little; what it leaves out has its usual value", () => {
  assert.deepEqual(parseControlMessage(JSON.stringify(hello)), {
    ...hello,
    token: undefined,
    cost: 0,
    offers: [],
    features: [],
    limits: UNTOLD_LIMITS,
  });
});

test("limits that are not told are the documented ones, and who tells of resets knows what counts", () => {
  const limitsOf = (limits: unknown): unknown => {
    const message = parseControlMessage(JSON.stringify({ ...hello, limits }));
    return message?.type === "hello" ? message.limits : undefined;
  };
  assert.deepEqual(limitsOf({ streams: 5, colours: 7 }), { ...UNTOLD_LIMITS, streams: 5 });
  assert.deepEqual(limitsOf({ resets: 5 }), { ...UNTOLD_LIMITS, resets: 5, untold: false });
  for (const limits of [[], 5, { streams: 0 }, { resets: "5" }, { lines: -1 }, { linesAtOnce: null }]) {
    assert.throws(() => limitsOf(limits), { code: "LINK_PROTOCOL" });
  }
});

test("what this version does not know is passed over: types, fields, protocols of offers", () => {
  assert.equal(parseControlMessage('{"type":"dance"}'), undefined);
  assert.equal(parseControlMessage("{}"), undefined);
  assert.equal(parseControlMessage('{"type":"constructor"}'), undefined);
  assert.equal(parseControlMessage('{"type":"offer","service":"web","protocol":"h9"}'), undefined);
  const offers = [
    { service: "new", protocol: "h9" },
    { service: "db", protocol: "tcp", colour: "red" },
  ];
  const message = parseControlMessage(JSON.stringify({ ...hello, offers, mood: "good" }));
  assert.ok(message?.type === "hello");
  assert.deepEqual(message.offers, [{ service: "db", weight: 1, protocol: "tcp", labels: {}, health: "up" }]);
});

test("an announcement comes back as it was written, whatever its characters", () => {
  const announcement = {
    service: 'ünï "code" \\ 💡',
    weight: 7,
    protocol: "udp",
    labels: { "zone/ä": "ö", ["__proto__"]: "x" },
    health: "down",
  } as const;
  const line = formatControlMessage("offer", announcementFields(announcement));
  assert.match(line, /^[\u0020-\u007e]+\n$/);
  assert.deepEqual(parseControlMessage(line), { type: "offer", announcement, onward: undefined });
});

test("how a service is named goes with the path of an offer that leads on, and counts in no other", () => {
  const announcement = {
    service: "web",
    weight: 1,
    protocol: "http/1.1",
    labels: {},
    health: "up",
    byPath: true,
  } as const;
  const onward = { hops: [{ node: "shed", instance: "4c" }], cost: 0 };
  const { byPath: _, ...plain } = announcement;
  const leading = formatControlMessage("offer", { ...announcementFields(announcement), ...onwardFields(onward) });
  assert.deepEqual(parseControlMessage(leading), { type: "offer", announcement, onward });
  const own = formatControlMessage("offer", announcementFields(announcement));
  assert.deepEqual(parseControlMessage(own), { type: "offer", announcement: plain, onward: undefined });
});

test("an offer that leads on keeps its path, and a withdrawal says which one is meant", () => {
  const announcement = { service: "db", weight: 1, protocol: "tcp", labels: {}, health: "up" } as const;
  const onward = {
    hops: [
      { node: "inner", instance: "91" },
      { node: "shed", instance: "4c" },
    ],
    cost: 13,
  };
  const line = formatControlMessage("offer", { ...announcementFields(announcement), ...onwardFields(onward) });
  assert.deepEqual(parseControlMessage(line), { type: "offer", announcement, onward });
  const withdrawal = { type: "withdraw", service: "db", origin: "4c" };
  assert.deepEqual(parseControlMessage(JSON.stringify(withdrawal)), withdrawal);
});

test("costs and routers change by lines of their own", () => {
  for (const message of [
    { type: "cost", cost: 7 },
    { type: "routers", routers: ["tcp://a:1"] },
  ]) {
    assert.deepEqual(parseControlMessage(JSON.stringify(message)), message);
  }
});

const hop = { node: "n", instance: "i" };
const wrong: readonly (readonly [string, unknown, RegExp])[] = [
  ["no JSON", "nope", /is not JSON/],
  ["a list", [], /not a JSON object/],
  ["null", null, /not a JSON object/],
  ["no node", { ...hello, node: undefined }, /node: expected a text/],
  ["an empty node", { ...hello, node: "" }, /node: expected a name/],
  ["a node that forges a log line", { ...hello, node: "a\nb" }, /node: expected a name/],
  ["a long node", { ...hello, node: "n".repeat(254) }, /node: expected a text of at most 253/],
  ["a numeric instance", { ...hello, instance: 7 }, /instance: expected a text/],
  ["a protocol in words", { ...hello, protocol: "one" }, /protocol: expected a number/],
  ["a negative cost", { ...hello, cost: -1 }, /cost: expected a number from 0/],
  ["offers that are no list", { ...hello, offers: {} }, /offers: expected a list/],
  ["an offer that is no object", { ...hello, offers: [1] }, /offers: expected a list/],
  ["an offer without protocol", { type: "offer", service: "web" }, /protocol: expected a text/],
  ["a weight of 0", { type: "offer", service: "web", protocol: "tcp", weight: 0 }, /weight: expected a number from 1/],
  ["a sick health", { type: "offer", service: "web", protocol: "tcp", health: "sick" }, /health: expected "up" or/],
  ["labels in a list", { type: "offer", service: "web", protocol: "tcp", labels: [] }, /labels: expected an object/],
  [
    "a label that is no text",
    { type: "offer", service: "web", protocol: "tcp", labels: { a: 1 } },
    /labels\.a: expected/,
  ],
  ["an empty path", { type: "offer", service: "a", protocol: "tcp", path: [] }, /path: expected a list of 1 to 16/],
  [
    "a path of 17",
    { type: "offer", service: "a", protocol: "tcp", path: Array.from({ length: 17 }, () => hop) },
    /path: expected a list/,
  ],
  ["a path of names", { type: "offer", service: "a", protocol: "tcp", path: ["n"] }, /path: expected a list of nodes/],
  ["a cost that is no number", { type: "cost", cost: "dear" }, /cost: expected a number/],
  ["a list of routers that is none", { type: "routers", routers: "a" }, /routers: expected a list/],
  ["33 labels", { type: "offer", service: "a", protocol: "tcp", labels: labels(33) }, /at most 32 labels/],
  ["a stream that is none", { type: "error", code: "X", stream: 0 }, /stream: expected a number from 1/],
  ["65 features", { ...hello, features: Array.from({ length: 65 }, () => "f") }, /features: expected a list/],
  ["limits in words", { type: "welcome", node: "a", instance: "b", limits: "few" }, /limits: expected an object/],
];
for (const [what, value, words] of wrong) {
  test(`is refused, with the field that is wrong: ${what}`, () => {
    const line = typeof value === "string" ? value : JSON.stringify(value);
    assert.throws(
      () => parseControlMessage(line),
      (error: unknown) => error instanceof PolarityError && error.code === "LINK_PROTOCOL" && words.test(error.message),
    );
  });
}

test("a malformed line or token never shows up in the error", () => {
  for (const line of ['{"type":"hello","token":"secret"', JSON.stringify({ ...hello, token: ["secret"] })]) {
    assert.throws(
      () => parseControlMessage(line),
      (error: Error) => !error.message.includes("secret"),
    );
  }
});

test("a peer's message is cut and loses its control characters", () => {
  const parsed = parseControlMessage(
    JSON.stringify({ type: "reject", code: "X", message: `a\u001b[31m\n${"b".repeat(2_000)}` }),
  );
  assert.ok(parsed?.type === "reject");
  assert.equal(parsed.message.length, 1_024);
  assert.match(parsed.message, /^a \[31m b+$/);
});

function labels(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, ""]));
}
