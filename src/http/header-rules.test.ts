import assert from "node:assert/strict";
import { test } from "node:test";
import { headerRules, isPlainValue, refusedField, ruledEnding, ruledResponse, ruledStart } from "./header-rules.ts";
import { HttpProblem } from "./http-problem.ts";
import { responseEnding, responseStart } from "./response-forwarding.ts";
import { parseResponseHead, type ResponseHead } from "./response-head.ts";

const rules = headerRules(
  [["X-User", "router"]],
  [
    ["Vary", "Accept"],
    ["Vary", "Cookie"],
  ],
  ["Server", "x-forwarded-host"],
)!;

function lines(...all: readonly string[]): string {
  return all.map((line) => `${line}\r\n`).join("");
}

test("a request loses what is set or removed, in any case and with underscores, and gets what is set and added", () => {
  const start = lines(
    "GET / HTTP/1.1",
    "Host: a",
    "x-user: admin",
    "A: x-user",
    "X_USER: b",
    "VARY: z",
    "sERVER: c",
    "X-User-Id: d",
  );
  assert.equal(
    ruledStart(start, rules),
    lines(
      "GET / HTTP/1.1",
      "Host: a",
      "A: x-user",
      "VARY: z",
      "X-User-Id: d",
      "X-User: router",
      "Vary: Accept",
      "Vary: Cookie",
    ),
  );
  const ending = lines("Via: 1.1 edge", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: a", "");
  assert.equal(ruledEnding(ending, rules), lines("Via: 1.1 edge", "X-Forwarded-For: 1.2.3.4", ""));
});

test("rules that only add leave every line as it is", () => {
  const adds = headerRules([], [["A", ""]], [])!;
  assert.equal(
    ruledStart(lines("GET / HTTP/1.1", "Host: a", "a: b"), adds),
    lines("GET / HTTP/1.1", "Host: a", "a: b", "A: "),
  );
  assert.equal(ruledEnding("Via: 1.1 edge\r\n\r\n", adds), "Via: 1.1 edge\r\n\r\n");
});

function response(...fields: readonly string[]): ResponseHead {
  const head = parseResponseHead(`${lines(...fields)}\r\n`, "GET");
  if (head instanceof HttpProblem) throw new Error(head.reason);
  return head;
}

function written(head: ResponseHead, clientVersionMinor: 0 | 1 = 1): string[] {
  const options = { via: "edge", clientVersionMinor, closeConnection: false, requestId: "", extraLines: "" };
  return (responseStart(head, options) + responseEnding(head, options)).split("\r\n").slice(0, -2);
}

test("a response loses and gets the same, and is framed as it was", () => {
  const chunked = response("HTTP/1.1 200 OK", "server: x", "Transfer-Encoding: chunked", "X_User: y", "A: b");
  assert.deepEqual(written(ruledResponse(chunked, rules)), [
    "HTTP/1.1 200 OK",
    "Transfer-Encoding: chunked",
    "A: b",
    "X-User: router",
    "Vary: Accept",
    "Vary: Cookie",
    "Via: 1.1 edge",
  ]);
  assert.equal(ruledResponse(chunked, rules).framing, "chunked");
  const sized = ruledResponse(response("HTTP/1.0 200", "Server: x", "Content-Length: 3", "A: b"), rules);
  assert.deepEqual(
    [sized.framing, sized.bodyLength, sized.header("x-user"), sized.header("server")],
    ["length", 3, "router", undefined],
  );
  assert.deepEqual(written(sized, 0).slice(0, 3), ["HTTP/1.1 200 ", "Content-Length: 3", "A: b"]);
  assert.ok(!written(ruledResponse(chunked, rules), 0).includes("Transfer-Encoding: chunked"));
});

test("an app cannot have a field that is set taken away by naming it in Connection", () => {
  const head = response(
    "HTTP/1.1 200 OK",
    "Connection: x-user, vary, close",
    "X-User: a",
    "Vary: b",
    "Content-Length: 0",
  );
  const out = written(ruledResponse(head, rules));
  assert.deepEqual(out.slice(1), [
    "Content-Length: 0",
    "X-User: router",
    "Vary: Accept",
    "Vary: Cookie",
    "Via: 1.1 edge",
  ]);
});

test("an upgrade stays one, and an early hint loses fields but gets none", () => {
  const upgrade = ruledResponse(
    response("HTTP/1.1 101 Go", "Upgrade: websocket", "Connection: upgrade", "Server: x"),
    rules,
  );
  assert.equal(upgrade.framing, "tunnel");
  assert.deepEqual(written(upgrade).slice(0, 2), ["HTTP/1.1 101 Go", "X-User: router"]);
  assert.ok(written(upgrade).includes("Upgrade: websocket"));
  const hint = ruledResponse(response("HTTP/1.1 103 Early Hints", "Link: a", "Server: x"), rules);
  assert.deepEqual(written(hint), ["HTTP/1.1 103 Early Hints", "Link: a", "Via: 1.1 edge"]);
});

test("what frames messages, and what is said for one hop, is out of reach", () => {
  for (const name of [
    "Connection",
    "content-length",
    "Content_Length",
    "TRANSFER-ENCODING",
    "TE",
    "Trailer",
    "Upgrade",
    "Keep-Alive",
  ])
    assert.match(refusedField(name), /cannot be changed by a route: how long a message is/, name);
  assert.match(refusedField("Host"), /say rewriteHost/);
  assert.match(refusedField("Via"), /loops/);
  for (const name of ["", "a b", "a:", "a\r\nb", "ä"]) assert.match(refusedField(name), /expected the name of a field/);
  for (const name of ["X-User", "Set-Cookie", "authorization", "X-Forwarded-For", "Server"])
    assert.equal(refusedField(name), "");
});

test("a value can hold no more than itself", () => {
  for (const value of ["", "a", "max-age=31536000; includeSubDomains", 'a "b"\tc'])
    assert.ok(isPlainValue(value), value);
  for (const value of [" a", "a ", "\ta", "a\r\nB: c", "a\n", "a\0", "é", "\u{7f}"])
    assert.ok(!isPlainValue(value), value);
});

test("no rules are none", () => {
  assert.equal(headerRules([], [], []), undefined);
});
