import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { parseResponseHead } from "./response-head.ts";
import type { ResponseHead } from "./response-head.ts";

type Case = readonly [sentence: string, method: string, lines: readonly string[], expected: Partial<ResponseHead>];

const accepted: readonly Case[] = [
  [
    "a length frames the body",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 5"],
    { status: 200, framing: "length", bodyLength: 5, keepAlive: true },
  ],
  ["length zero is no body", "GET", ["HTTP/1.1 200 OK", "Content-Length: 0"], { framing: "none", keepAlive: true }],
  [
    "an exact repeat of a length is one length",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 5", "content-length: 5"],
    { framing: "length", bodyLength: 5 },
  ],
  [
    "chunks frame the body",
    "POST",
    ["HTTP/1.1 201 Created", "Transfer-Encoding: Chunked"],
    { framing: "chunked", keepAlive: true },
  ],
  ["without either the close does", "GET", ["HTTP/1.1 200 OK"], { framing: "close", keepAlive: false }],
  [
    "HEAD has no body whatever it says",
    "HEAD",
    ["HTTP/1.1 200 OK", "Content-Length: 5"],
    { framing: "none", keepAlive: true },
  ],
  [
    "HEAD has no chunks either",
    "HEAD",
    ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"],
    { framing: "none", keepAlive: true },
  ],
  ["HEAD needs no framing", "HEAD", ["HTTP/1.1 200 OK"], { framing: "none", keepAlive: true }],
  ["204 has no body", "GET", ["HTTP/1.1 204 No Content"], { framing: "none", keepAlive: true }],
  [
    "204 with a length leaves the connection doubtful",
    "GET",
    ["HTTP/1.1 204 No Content", "Content-Length: 5"],
    { framing: "none", keepAlive: false },
  ],
  [
    "304 has no body whatever it says",
    "GET",
    ["HTTP/1.1 304 Not Modified", "Content-Length: 500"],
    { framing: "none", keepAlive: true },
  ],
  [
    "100 is informational",
    "POST",
    ["HTTP/1.1 100 Continue"],
    { informational: true, framing: "none", keepAlive: true },
  ],
  ["103 is informational", "GET", ["HTTP/1.1 103 Early Hints", "Link: </a>"], { informational: true }],
  [
    "101 opens a tunnel",
    "GET",
    ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: upgrade"],
    { framing: "tunnel", informational: false, upgrade: "websocket", keepAlive: false },
  ],
  ["close is heard", "GET", ["HTTP/1.1 200 OK", "Content-Length: 5", "Connection: Close"], { keepAlive: false }],
  ["HTTP/1.0 closes", "GET", ["HTTP/1.0 200 OK", "Content-Length: 5"], { versionMinor: 0, keepAlive: false }],
  ["HTTP/1.0 may keep", "GET", ["HTTP/1.0 200 OK", "Content-Length: 5", "Connection: keep-alive"], { keepAlive: true }],
  [
    "HTTP/1.0 cannot keep what its close frames",
    "GET",
    ["HTTP/1.0 200 OK", "Connection: keep-alive"],
    { framing: "close", keepAlive: false },
  ],
  [
    "a timeout is heard",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 0", "Keep-Alive: timeout=5"],
    { keepAliveTimeoutMs: 5000 },
  ],
  [
    "a timeout is heard among others",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 0", "Keep-Alive: max=100 , Timeout=15"],
    { keepAliveTimeoutMs: 15_000 },
  ],
  [
    "a timeout of years is a day",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 0", "Keep-Alive: timeout=999999999"],
    { keepAliveTimeoutMs: 86_400_000 },
  ],
  [
    "an odd timeout is none",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 0", "Keep-Alive: timeout=-1"],
    { keepAliveTimeoutMs: undefined },
  ],
  [
    "no timeout is none",
    "GET",
    ["HTTP/1.1 200 OK", "Content-Length: 0", "Keep-Alive: mytimeout=3"],
    { keepAliveTimeoutMs: undefined },
  ],
  ["a reason may be empty", "GET", ["HTTP/1.1 200 ", "Content-Length: 0"], { status: 200 }],
  ["a reason may be missing with its space", "GET", ["HTTP/1.1 200", "Content-Length: 0"], { status: 200 }],
  [
    "a reason may be in any language",
    "GET",
    ["HTTP/1.1 404 P\xe5 g\xe5en\tvask", "Content-Length: 0"],
    { status: 404 },
  ],
  ["unknown statuses are read by their class", "GET", ["HTTP/1.1 599 Odd", "Content-Length: 0"], { status: 599 }],
];

for (const [sentence, method, lines, expected] of accepted) {
  test(sentence, () => {
    const head = parseResponseHead(`${lines.join("\r\n")}\r\n\r\n`, method);
    if (head instanceof HttpProblem) throw head.toError();
    for (const [key, value] of Object.entries(expected)) assert.equal(head[key as keyof ResponseHead], value, key);
  });
}

const refused: readonly (readonly [sentence: string, text: string, reason: RegExp])[] = [
  ["both length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", /both/],
  ["both in the other order", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", /both/],
  ["both on a 304", "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", /both/],
  ["lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", /differ/],
  ["lengths that differ on HEAD's 204", "HTTP/1.1 204 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", /differ/],
  ["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", /plain number/],
  ["a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", /plain number/],
  ["an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", /plain number/],
  ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", /other than chunked/],
  ["a tab before a length", "HTTP/1.1 200 OK\r\nContent-Length:\t5\r\n\r\n", /a tab beside/],
  ["identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", /other than chunked/],
  [
    "two codings",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    /more than one/,
  ],
  ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", /HTTP\/1\.0/],
  ["100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", /a body announced for status 100/],
  ["103 with chunks", "HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n", /a body announced for status 103/],
  ["101 with a length", "HTTP/1.1 101 X\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n", /a body announced for status 101/],
  ["101 without a protocol", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n\r\n", /101 without/],
  ["another protocol", "ICY 200 OK\r\n\r\n", /no HTTP\/1.x/],
  ["version 2", "HTTP/2 200 OK\r\n\r\n", /no HTTP\/1.x/],
  ["version 1.2", "HTTP/1.2 200 OK\r\n\r\n", /no HTTP\/1.x/],
  ["a lower-case version", "http/1.1 200 OK\r\n\r\n", /no HTTP\/1.x/],
  ["two blanks before the status", "HTTP/1.1  200 OK\r\n\r\n", /three digits/],
  ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", /three digits/],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", /three digits/],
  ["a status with letters", "HTTP/1.1 2xx OK\r\n\r\n", /three digits/],
  ["no status", "HTTP/1.1\r\n\r\n", /after the HTTP version/],
  ["status 099", "HTTP/1.1 099 X\r\n\r\n", /status 99/],
  ["status 099", "HTTP/1.1 099 X\r\n\r\n", /status 99/],
  ["NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", /0x00 in line 1/],
  ["a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n", /0x0a in line 1/],
  ["a bare carriage return", "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\n", /0x0d in line 2/],
  ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", /folded/],
  ["a blank in a name", "HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\n", /in the name/],
  ["a blank for a name", "HTTP/1.1 200 OK\r\n : 5\r\n\r\n", /folded/],
  ["a form feed before a colon", "HTTP/1.1 200 OK\r\nA\f: 5\r\n\r\n", /0x0c/],
  [
    "lengths that differ by more than a blank",
    "HTTP/1.1 200 OK\r\nContent-Length : 5\r\nContent-Length: 6\r\n\r\n",
    /differ/,
  ],
  ["a line without a colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n", /in the name/],
  ["no blank line", "HTTP/1.1 200 OK\r\nX: y\r\n", /no blank line/],
  ["too many fields", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(101)}\r\n`, /more than 100/],
];

for (const [sentence, text, reason] of refused) {
  test(`refused: ${sentence}`, () => {
    const problem = parseResponseHead(text, "GET");
    assert.ok(problem instanceof HttpProblem, "the head was accepted");
    assert.equal(problem.code, "TARGET_PROTOCOL");
    assert.match(problem.reason, reason);
  });
}

test("blanks before colons are taken out of what goes on, and the fields mean what they say", () => {
  const text = "HTTP/1.1 200 a : b\r\nA \t : b : c\r\nTransfer-Encoding : chunked\r\nDate\t: now\r\nE:f\r\n\r\n";
  const head = parseResponseHead(text, "GET");
  assert.ok(!(head instanceof HttpProblem));
  assert.equal(head.text, "HTTP/1.1 200 a : b\r\nA: b : c\r\nTransfer-Encoding: chunked\r\nDate: now\r\nE:f\r\n\r\n");
  assert.equal(head.framing, "chunked");
  assert.equal(head.hasDate, true);
});

test("every status of three digits but those below 100 is the app's to choose", () => {
  for (const status of [200, 299, 599, 600, 700, 999]) {
    const head = parseResponseHead(`HTTP/1.1 ${status} X\r\nContent-Length: 1\r\n\r\n`, "GET");
    assert.ok(!(head instanceof HttpProblem));
    assert.deepEqual([head.status, head.framing], [status, "length"]);
  }
});
