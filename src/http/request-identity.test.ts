import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead, type RequestHead } from "./request-head.ts";
import { RequestIdentity, type Tracing } from "./request-identity.ts";
import { isTraceparent } from "./trace-context.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("ids count up behind a start of their own", () => {
  const identity = new RequestIdentity({ requestId: true, tracing: "pass", random: () => 0.5 });
  const head = headOf([]);
  assert.deepEqual(
    [identity.requestId(head, false), identity.requestId(head, false)],
    ["i00000i00000-1", "i00000i00000-2"],
  );
});

const ids: readonly (readonly [sent: readonly string[], trusted: boolean, kept: boolean])[] = [
  [["0af7-6519.x_~+/=:@"], true, true],
  [["x".repeat(128)], true, true],
  [["0af7-6519"], false, false],
  [["x".repeat(129)], true, false],
  [["a b"], true, false],
  [["a", "b"], true, false],
  [["a\u00e9"], true, false],
  [["<script>"], true, false],
  [['a"b'], true, false],
  [[""], true, false],
];

for (const [sent, trusted, kept] of ids) {
  const who = trusted ? "a trusted proxy's" : "a stranger's";
  test(`${who} id ${JSON.stringify(sent).slice(0, 40)} is ${kept ? "kept" : "replaced"}`, () => {
    const identity = new RequestIdentity({ requestId: true, tracing: "pass", random: () => 0 });
    const id = identity.requestId(headOf(sent.map((value) => `X-Request-Id: ${value}`)), trusted);
    assert.equal(id, kept ? sent[0] : "000000000000-1");
  });
}

test("without ids there is none", () => {
  const identity = new RequestIdentity({ requestId: false, tracing: "create", random: () => 0 });
  assert.equal(identity.requestId(headOf(["X-Request-Id: a"]), true), "");
});

const traces: readonly (readonly [tracing: Tracing, sent: string, trusted: boolean, fresh: boolean])[] = [
  ["pass", "", false, false],
  ["pass", "broken", false, false],
  ["create", "", false, true],
  ["create", TRACE, false, false],
  ["create", "broken", true, true],
  ["restart", "", false, true],
  ["restart", TRACE, false, true],
  ["restart", TRACE, true, false],
  ["restart", "broken", true, true],
];

for (const [tracing, sent, trusted, fresh] of traces) {
  const who = trusted ? "a proxy" : "a stranger";
  test(`"${tracing}" ${fresh ? "begins a trace" : "leaves it"} where ${who} says ${sent === TRACE ? "one" : `"${sent}"`}`, () => {
    const identity = new RequestIdentity({ requestId: false, tracing, random: () => 0.5 });
    const made = identity.traceparent(headOf(sent === "" ? [] : [`traceparent: ${sent}`]), trusted);
    assert.equal(made !== "", fresh);
    if (fresh) assert.ok(isTraceparent(made));
  });
}

function headOf(lines: readonly string[]): RequestHead {
  const head = parseRequestHead(["GET / HTTP/1.1", "Host: a", ...lines, "", ""].join("\r\n"));
  if (head instanceof HttpProblem) throw head.toError();
  return head;
}
