import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpProblem } from "../http/http-problem.ts";
import { parseResponseHead } from "../http/response-head.ts";
import { readResponseText } from "./response-text.ts";

const read = (text: string, method = "GET") => readResponseText(text, method, (status) => `R${status}`);

function headOf(text: string, method = "GET"): string {
  const response = read(text, method);
  assert.ok(!(response instanceof HttpProblem), JSON.stringify(response));
  return response.head;
}

test("the length is kept where the app told it, and chunks take its place where not", () => {
  assert.deepEqual(read("HTTP/1.1 201 TODO\nX-A:1\ncontent-length:3\n"), {
    head: "HTTP/1.1 201 R201\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n",
    framing: "length",
    length: 3,
  });
  assert.deepEqual(read("HTTP/1.1 200\r\nX-A: 1 \r\n\r\n"), {
    head: "HTTP/1.1 200 R200\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    framing: "chunked",
    length: 0,
  });
});

test("HEAD, 204 and 304 have no body, whatever they announce", () => {
  assert.equal(headOf("HTTP/1.1 200 OK\ncontent-length:9\n", "HEAD"), "HTTP/1.1 200 R200\r\nContent-Length: 9\r\n\r\n");
  assert.equal(headOf("HTTP/1.1 200 OK\n", "HEAD"), "HTTP/1.1 200 R200\r\n\r\n");
  assert.equal(headOf("HTTP/1.1 204 OK\ncontent-length:9\n"), "HTTP/1.1 204 R204\r\n\r\n");
  assert.equal(headOf("HTTP/1.1 304 OK\ncontent-length:9\n"), "HTTP/1.1 304 R304\r\nContent-Length: 9\r\n\r\n");
});

test("the framing of the app's connection and all that belongs to the hop is gone", () => {
  const fields = "transfer-encoding:chunked\ncontent-length:4\nconnection:keep-alive, x-hop\nx-hop:1\nkeep-alive:a\n";
  const rest = "upgrade:h2c\nte:x\ntrailer:x-sum\n:status:200\nserver:mine\nset-cookie:a=1\nset-cookie:b=2\n";
  assert.equal(
    headOf(`HTTP/1.1 200 OK\n${fields}${rest}`),
    "HTTP/1.1 200 R200\r\nserver: mine\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nTransfer-Encoding: chunked\r\n\r\n",
  );
});

test("bytes above ASCII come back as they were, or as UTF-8 where no byte holds the character", () => {
  assert.match(headOf("HTTP/1.1 200 OK\nx:caf\u00e9\n"), /x: caf\u00e9\r/);
  assert.match(headOf("HTTP/1.1 200 OK\nx:\u20ac\n"), /x: \u00e2\u0082\u00ac\r/);
});

test("what two parsers could read in two ways is refused", () => {
  const bad = [
    "",
    "HTTP/1.1",
    "HTTP/1.1 99 x\n",
    "HTTP/1.1 101 Switching\nupgrade:websocket\n",
    "HTTP/1.1 100 Continue\n",
    "HTTP/1.1 099 x\n",
    "HTTP/1.1 2000 x\n",
    "ICY 200 OK\n",
    "HTTP/1.1 200 OK\ncontent-length:1\ncontent-length:2\n",
    "HTTP/1.1 200 OK\ncontent-length:-1\n",
    "HTTP/1.1 200 OK\ncontent-length:1, 1\n",
    "HTTP/1.1 200 OK\ncontent-length:0x10\n",
    "HTTP/1.1 200 OK\nno colon\n",
    "HTTP/1.1 200 OK\nna me:1\n",
    "HTTP/1.1 200 OK\ncontent-length :1\ncontent-length: 2\n",
    "HTTP/1.1 200 OK\n :1\n",
    "HTTP/1.1 200 OK\nx:a\rset-cookie:b\n",
    "HTTP/1.1 200 OK\nx:a\u0000b\n",
    `HTTP/1.1 200 OK\nx:${"x".repeat(65_536)}\n`,
  ];
  for (const text of bad) {
    const response = read(text);
    assert.ok(response instanceof HttpProblem, JSON.stringify(text));
    assert.equal(response.code, "TARGET_PROTOCOL");
  }
});

test("statuses beyond 599 pass, blanks before colons go, and a 407 keeps what says how to answer it", () => {
  const heads = [
    ["HTTP/1.1 600 x\nA : b\ncontent-length\t:1\n", "HTTP/1.1 600 Reason\r\nA: b\r\nContent-Length: 1\r\n\r\n"],
    ["HTTP/1.1 999\ncontent-length:1\n", "HTTP/1.1 999 Reason\r\nContent-Length: 1\r\n\r\n"],
    [
      "HTTP/1.1 407 x\nproxy-authenticate:Basic\ncontent-length:1\n",
      "HTTP/1.1 407 Reason\r\nproxy-authenticate: Basic\r\nContent-Length: 1\r\n\r\n",
    ],
    [
      "HTTP/1.1 401 x\nproxy-authenticate:Basic\ncontent-length:1\n",
      "HTTP/1.1 401 Reason\r\nContent-Length: 1\r\n\r\n",
    ],
  ] as const;
  for (const [text, expected] of heads) {
    const response = readResponseText(text, "GET", () => "Reason");
    assert.ok(!(response instanceof HttpProblem), JSON.stringify(text));
    assert.equal(response.head, expected);
  }
});

test("what is written can be read by the parser behind it, with the framing that was said", () => {
  for (const [text, method] of [
    ["HTTP/1.1 200 x\ncontent-length:5\ncontent-length:5\n", "GET"],
    ["HTTP/1.1 404 x\nx: y\n", "POST"],
    ["HTTP/1.1 200 x\nx:\u20ac\n", "HEAD"],
    ["HTTP/1.1 200 x\nconnection:content-length\ncontent-length:5\n", "GET"],
  ] as const) {
    const response = read(text, method);
    assert.ok(!(response instanceof HttpProblem));
    const parsed = parseResponseHead(response.head, method);
    assert.ok(!(parsed instanceof HttpProblem), JSON.stringify(parsed));
    assert.equal(parsed.framing, response.framing);
    assert.equal(parsed.bodyLength, response.length);
  }
});
