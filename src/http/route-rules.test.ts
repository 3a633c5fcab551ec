import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyReader } from "./body-framing.ts";
import { headerRules } from "./header-rules.ts";
import { HttpProblem } from "./http-problem.ts";
import { ForwardingContext } from "./request-forwarding.ts";
import { parseRequestHead, type RequestHead } from "./request-head.ts";
import { NO_RULES, ruledHead, rulesOrNone } from "./route-rules.ts";

function request(...lines: readonly string[]): RequestHead {
  const head = parseRequestHead(`${lines.join("\r\n")}\r\n\r\n`);
  if (head instanceof HttpProblem) throw new Error(head.reason);
  return head;
}

function context(trusted: boolean): ForwardingContext {
  return new ForwardingContext({
    via: "edge",
    instance: "1a2b3c",
    clientAddress: "192.0.2.7",
    clientPort: 0,
    proto: "http",
    trusted,
    defaultHost: "127.0.0.1:8001",
    port: 8001,
  });
}

test("a rewritten host replaces the client's, wherever that stood, and the forwarding fields keep it", () => {
  const rules = { ...NO_RULES, rewriteHost: "app.internal" };
  const cases: readonly (readonly string[])[] = [
    ["GET /a HTTP/1.1", "Host: shop", "A: b"],
    ["GET /a HTTP/1.1", "A: b", "Host: shop"],
    ["GET http://shop/a HTTP/1.1", "Host: other", "A: b"],
    ["GET /a HTTP/1.0", "Host: shop", "A: b"],
  ];
  for (const lines of cases) {
    const [start, ending] = ruledHead(request(...lines), context(false), rules, {
      service: "web",
      requestId: "",
      traceparent: "",
    });
    assert.equal(start, "GET /a HTTP/1.1\r\nHost: app.internal\r\nA: b\r\n", lines.join());
    assert.match(ending, /\r\nX-Forwarded-Host: shop\r\n/);
  }
});

test("rules come after everything else, a request's id among it", () => {
  const rules = { ...NO_RULES, request: headerRules([["X-A", "1"]], [], ["Forwarded"]), addPrefix: "/v1" };
  const head = request("GET /a HTTP/1.1", "Host: h", "x-a: 0", "Connection: x-a");
  const [start, ending] = ruledHead(head, context(false), rules, { service: "web", requestId: "id", traceparent: "" });
  assert.equal(start, "GET /v1/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: id\r\nX-A: 1\r\n");
  assert.ok(!ending.includes("\r\nForwarded:") && ending.endsWith("\r\n\r\n"));
});

test("how a client came is the word of a trusted proxy only", () => {
  const head = request("GET / HTTP/1.1", "Host: h", "X-Forwarded-Proto: https");
  assert.deepEqual([context(true).protoOf(head), context(false).protoOf(head)], ["https", "http"]);
  assert.equal(context(true).protoOf(request("GET / HTTP/1.1", "Host: h", "Forwarded: proto=https")), "https");
  assert.equal(context(true).protoOf(request("GET / HTTP/1.1", "Host: h")), "http");
});

test("rules that change nothing are none", () => {
  assert.equal(rulesOrNone(NO_RULES), undefined);
  for (const change of [{ addPrefix: "/a" }, { rewriteHost: "a" }, { bodyBytesMax: 1 }])
    assert.notEqual(rulesOrNone({ ...NO_RULES, ...change }), undefined);
});

test("a body's own limit holds for that body alone", () => {
  const reader = new BodyReader("BAD_REQUEST", 10);
  const problem = (): string | undefined => reader.problem?.code;
  reader.start("length", 20);
  assert.equal(problem(), "BODY_TOO_LARGE");
  reader.limit(20);
  assert.equal(problem(), undefined);
  reader.limit(19);
  assert.equal(problem(), "BODY_TOO_LARGE");
  reader.start("length", 11);
  assert.equal(problem(), "BODY_TOO_LARGE", "the next one has the usual limit again");
});
