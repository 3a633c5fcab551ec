import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { endsByClose, needsChunks, needsDechunking, responseEnding, responseStart } from "./response-forwarding.ts";
import type { ResponseForwardingOptions } from "./response-forwarding.ts";
import { parseResponseHead } from "./response-head.ts";
import type { ResponseHead } from "./response-head.ts";

const KEEP: ResponseForwardingOptions = {
  via: "edge-1",
  clientVersionMinor: 1,
  closeConnection: false,
  requestId: "",
};
const CLOSE: ResponseForwardingOptions = { ...KEEP, closeConnection: true };
const OLD: ResponseForwardingOptions = { ...KEEP, clientVersionMinor: 0 };
const VIA = "Via: 1.1 edge-1";

type Case = readonly [
  sentence: string,
  options: ResponseForwardingOptions,
  sent: readonly string[],
  forwarded: readonly string[],
];

const cases: readonly Case[] = [
  [
    "end-to-end fields travel verbatim",
    KEEP,
    ["HTTP/1.1 200 Fine", "A:  b ", "Content-Length: 3", "set-cookie: c", "Set-Cookie: d"],
    ["HTTP/1.1 200 Fine", "A:  b ", "Content-Length: 3", "set-cookie: c", "Set-Cookie: d", VIA],
  ],
  [
    "connection fields end here",
    KEEP,
    [
      "HTTP/1.1 200 OK",
      "Connection: keep-alive, X-Hop",
      "X-Hop: 1",
      "Keep-Alive: timeout=5",
      "Content-Length: 3",
      "Proxy-Authenticate: Basic",
    ],
    ["HTTP/1.1 200 OK", "Content-Length: 3", VIA],
  ],
  [
    "the app's close is not the client's",
    KEEP,
    ["HTTP/1.1 200 OK", "Connection: close", "Content-Length: 3"],
    ["HTTP/1.1 200 OK", "Content-Length: 3", VIA],
  ],
  [
    "Connection cannot remove framing",
    KEEP,
    [
      "HTTP/1.1 200 OK",
      "Connection: content-length, content-type, set-cookie",
      "Content-Length: 3",
      "Content-Type: t",
      "Set-Cookie: c",
    ],
    ["HTTP/1.1 200 OK", "Content-Length: 3", "Content-Type: t", "Set-Cookie: c", VIA],
  ],
  [
    "a closing connection says so",
    CLOSE,
    ["HTTP/1.1 200 OK", "Content-Length: 3"],
    ["HTTP/1.1 200 OK", "Content-Length: 3", VIA, "Connection: close"],
  ],
  [
    "a body that ends by close gets chunks, and the connection goes on",
    KEEP,
    ["HTTP/1.1 200 OK", "A: b", "Connection: close"],
    ["HTTP/1.1 200 OK", "A: b", "Transfer-Encoding: chunked", VIA],
  ],
  [
    "a body that ends by close stays so for HTTP/1.0 clients",
    OLD,
    ["HTTP/1.1 200 OK"],
    ["HTTP/1.1 200 OK", VIA, "Connection: close"],
  ],
  [
    "chunks travel on with their field",
    KEEP,
    ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Trailer: X"],
    ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Trailer: X", VIA],
  ],
  [
    "HTTP/1.0 clients get no chunks",
    OLD,
    ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"],
    ["HTTP/1.1 200 OK", VIA, "Connection: close"],
  ],
  [
    "HTTP/1.0 clients are told that they are kept",
    OLD,
    ["HTTP/1.1 200 OK", "Content-Length: 3"],
    ["HTTP/1.1 200 OK", "Content-Length: 3", VIA, "Connection: keep-alive"],
  ],
  [
    "an HTTP/1.0 app answers in HTTP/1.1, and Via tells",
    KEEP,
    ["HTTP/1.0 200 OK", "Content-Length: 3"],
    ["HTTP/1.1 200 OK", "Content-Length: 3", "Via: 1.0 edge-1"],
  ],
  [
    "a status line without reason gets its space",
    KEEP,
    ["HTTP/1.1 200", "Content-Length: 3"],
    ["HTTP/1.1 200 ", "Content-Length: 3", VIA],
  ],
  [
    "an empty reason travels on",
    KEEP,
    ["HTTP/1.1 200 ", "Content-Length: 3"],
    ["HTTP/1.1 200 ", "Content-Length: 3", VIA],
  ],
  [
    "101 names its protocol",
    KEEP,
    ["HTTP/1.1 101 Switching", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: k"],
    ["HTTP/1.1 101 Switching", "Sec-WebSocket-Accept: k", "Connection: upgrade", "Upgrade: websocket", VIA],
  ],
  [
    "426 names its protocol",
    CLOSE,
    ["HTTP/1.1 426 Upgrade Required", "Connection: upgrade", "Upgrade: foo/2", "Content-Length: 0"],
    ["HTTP/1.1 426 Upgrade Required", "Content-Length: 0", "Connection: upgrade, close", "Upgrade: foo/2", VIA],
  ],
  [
    "Upgrade ends here otherwise",
    KEEP,
    ["HTTP/1.1 200 OK", "Upgrade: h2,h2c", "Connection: Upgrade", "Content-Length: 0"],
    ["HTTP/1.1 200 OK", "Content-Length: 0", VIA],
  ],
  [
    "informational heads say nothing of connections",
    CLOSE,
    ["HTTP/1.1 103 Early Hints", "Link: </a>"],
    ["HTTP/1.1 103 Early Hints", "Link: </a>", VIA],
  ],
  [
    "204 carries no framing",
    KEEP,
    ["HTTP/1.1 204 No Content", "Content-Length: 5", "A: b"],
    ["HTTP/1.1 204 No Content", "A: b", VIA],
  ],
  [
    "204 carries no chunking",
    KEEP,
    ["HTTP/1.1 204 No Content", "Transfer-Encoding: chunked"],
    ["HTTP/1.1 204 No Content", VIA],
  ],
  [
    "304 carries the length that it stands for",
    KEEP,
    ["HTTP/1.1 304 Not Modified", "Content-Length: 5"],
    ["HTTP/1.1 304 Not Modified", "Content-Length: 5", VIA],
  ],
  [
    "a repeated length is sent once",
    KEEP,
    ["HTTP/1.1 200 OK", "Content-Length: 5", "A: b", "Content-Length: 5"],
    ["HTTP/1.1 200 OK", "Content-Length: 5", "A: b", VIA],
  ],
  [
    "an existing Via is followed by ours",
    KEEP,
    ["HTTP/1.1 200 OK", "Via: 1.1 app", "Content-Length: 5"],
    ["HTTP/1.1 200 OK", "Via: 1.1 app", "Content-Length: 5", VIA],
  ],
  [
    "a request's id is told in place of what the app calls it",
    { ...KEEP, requestId: "r-1" },
    ["HTTP/1.1 200 OK", "X-Request-ID: theirs", "Content-Length: 5"],
    ["HTTP/1.1 200 OK", "Content-Length: 5", VIA, "X-Request-Id: r-1"],
  ],
  [
    "an app's own id travels on where there is no other",
    KEEP,
    ["HTTP/1.1 200 OK", "X-Request-Id: theirs", "Content-Length: 5"],
    ["HTTP/1.1 200 OK", "X-Request-Id: theirs", "Content-Length: 5", VIA],
  ],
];

for (const [sentence, options, sent, expected] of cases) {
  test(sentence, () => {
    const text = forwarded(parsed(sent, "GET"), options);
    assert.ok(text.endsWith("\r\n\r\n"));
    assert.deepEqual(text.slice(0, -4).split("\r\n"), expected);
  });
}

test("HEAD's chunked answer is chunked no longer for an HTTP/1.0 client, and its connection may stay", () => {
  const head = parsed(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"], "HEAD");
  assert.equal(forwarded(head, OLD), `HTTP/1.1 200 OK\r\n${VIA}\r\nConnection: keep-alive\r\n\r\n`);
});

test("only HTTP/1.0 clients need chunks decoded, and then their connection ends the body", () => {
  const chunked = parsed(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"], "GET");
  const sized = parsed(["HTTP/1.1 200 OK", "Content-Length: 3"], "GET");
  const closing = parsed(["HTTP/1.1 200 OK"], "GET");
  assert.deepEqual(
    [needsDechunking(chunked, 0), needsDechunking(chunked, 1), needsDechunking(sized, 0)],
    [true, false, false],
  );
  assert.deepEqual([endsByClose(chunked, 0), endsByClose(chunked, 1)], [true, false]);
  assert.deepEqual([endsByClose(closing, 0), endsByClose(closing, 1), endsByClose(sized, 0)], [true, false, false]);
});

test("a body that its app ends by closing needs chunks, for clients that know them", () => {
  const heads = [["HTTP/1.1 200 OK"], ["HTTP/1.0 200 OK"], ["HTTP/1.1 200 OK", "Connection: close"]] as const;
  for (const lines of heads) {
    assert.equal(needsChunks(parsed(lines, "GET"), 1), true);
    assert.equal(needsChunks(parsed(lines, "GET"), 0), false);
    assert.equal(needsChunks(parsed(lines, "HEAD"), 1), false);
  }
  for (const line of ["Content-Length: 0", "Content-Length: 3", "Transfer-Encoding: chunked"]) {
    assert.equal(needsChunks(parsed(["HTTP/1.1 200 OK", line], "GET"), 1), false, line);
  }
  for (const status of [100, 204, 304]) assert.equal(needsChunks(parsed([`HTTP/1.1 ${status} X`], "GET"), 1), false);
});

test("lines of one answer do not get into another", () => {
  const head = parsed(["HTTP/1.1 200 OK", "Content-Length: 3"], "GET");
  for (const extraLines of ["Date: a\r\n", "", "Date: b\r\n", "Date: b\r\nX: y\r\n", ""]) {
    assert.ok(forwarded(head, { ...KEEP, extraLines }).endsWith(`\r\nVia: 1.1 edge-1\r\n${extraLines}\r\n`));
  }
});

test("several names in one process do not mix", () => {
  const head = parsed(["HTTP/1.1 200 OK", "Content-Length: 3"], "GET");
  for (const via of ["a", "b", "a"]) {
    assert.ok(forwarded(head, { ...KEEP, via }).includes(`\r\nVia: 1.1 ${via}\r\n`));
  }
});

function parsed(lines: readonly string[], method: string): ResponseHead {
  const head = parseResponseHead(`${lines.join("\r\n")}\r\n\r\n`, method);
  if (head instanceof HttpProblem) throw head.toError();
  return head;
}

function forwarded(head: Parameters<typeof responseStart>[0], options: Parameters<typeof responseStart>[1]): string {
  return responseStart(head, options) + responseEnding(head, options);
}
