import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead } from "../http/request-head.ts";
import { requestText } from "./request-text.ts";

function textOf(lines: readonly string[]): string | HttpProblem {
  const head = parseRequestHead(`${lines.join("\r\n")}\r\n\r\n`, { targetBytesMax: 100_000, fieldCountMax: 1000 });
  assert.ok(!(head instanceof HttpProblem), JSON.stringify(head));
  return requestText(head);
}

function codeOf(lines: readonly string[]): string {
  const text = textOf(lines);
  return text instanceof HttpProblem ? text.code : "sent";
}

test("a head as connectors read it", () => {
  assert.equal(
    textOf(["POST /a?b=c HTTP/1.1", "Host: shop", "X-Odd:  spaced  ", "Content-Length: 5"]),
    "POST /a?b=c HTTP/1.1\nHost:shop\nX-Odd:spaced\nContent-Length:5\n\n",
  );
});

test("what belongs to the hop stays behind, with what Connection names", () => {
  assert.equal(
    textOf([
      "POST / HTTP/1.1",
      "Host: a",
      "Connection: close, X-Hop",
      "X-Hop: 1",
      "Keep-Alive: timeout=5",
      "TE: trailers",
      "Trailer: X-Sum",
      "Transfer-Encoding: chunked",
      "Expect: 100-continue",
      "Proxy-Authorization: Basic x",
      "Authorization: Basic y",
    ]),
    "POST / HTTP/1.1\nHost:a\nAuthorization:Basic y\n\n",
  );
});

test("cookies become one line, and the last element of Via says its protocol", () => {
  assert.equal(
    textOf(["GET / HTTP/1.1", "Cookie: a=1", "Host: a", "Via: 1.0 fred, 1.1 p", "Cookie: b=2", "Via: 1.1 edge"]),
    "GET / HTTP/1.1\nHost:a\ncookie:a=1; b=2\nvia:1.0 fred, 1.1 p, HTTP/1.1 edge\n\n",
  );
});

test("upgrades, and targets that could name a host, are not carried", () => {
  const upgrade = ["Connection: upgrade", "Upgrade: websocket"];
  assert.equal(codeOf(["GET / HTTP/1.1", "Host: a", ...upgrade]), "UPGRADE_NOT_CARRIED");
  assert.equal(codeOf(["OPTIONS * HTTP/1.1", "Host: a"]), "BAD_REQUEST");
  assert.equal(codeOf(["GET //evil/ HTTP/1.1", "Host: a"]), "BAD_REQUEST");
  assert.equal(codeOf(["GET /\\evil/ HTTP/1.1", "Host: a"]), "BAD_REQUEST");
  assert.equal(textOf(["GET http://evil/x HTTP/1.1", "Host: a"]), "GET /x HTTP/1.1\nHost:evil\n\n");
  assert.equal(codeOf(["GET /a//b/\\c HTTP/1.1", "Host: a"]), "sent");
});

test("a head of 64 KiB is sent, one byte more is not", () => {
  const room = 65_536 - "GET / HTTP/1.1\nHost:a\nX:\n\n".length;
  assert.equal(codeOf(["GET / HTTP/1.1", "Host: a", `X: ${"x".repeat(room)}`]), "sent");
  assert.equal(codeOf(["GET / HTTP/1.1", "Host: a", `X: ${"x".repeat(room + 1)}`]), "HEAD_TOO_LARGE");
});
