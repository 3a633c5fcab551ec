/** What request heads say, and how large they may be. What is refused: `request-head-refusals.test.ts`, `request-head-framing.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead } from "./request-head.ts";
import type { RequestHead } from "./request-head.ts";

test("a usual request is read", () => {
  const head = parsed("GET /a/b?c=d HTTP/1.1\r\nHost: app.example.com:8001\r\nAccept: */*\r\n\r\n");
  assert.equal(head.method, "GET");
  assert.equal(head.target, "/a/b?c=d");
  assert.equal(head.path, "/a/b?c=d");
  assert.equal(head.form, "origin");
  assert.equal(head.host, "app.example.com:8001");
  assert.equal(head.versionMinor, 1);
  assert.equal(head.bodyKind, "none");
  assert.equal(head.keepAlive, true);
});

const accepted: readonly (readonly [sentence: string, lines: readonly string[], expected: Partial<RequestHead>])[] = [
  ["any token is a method", ["M-SEARCH!~ / HTTP/1.1", "Host: a"], { method: "M-SEARCH!~" }],
  ["methods are told apart by case", ["get / HTTP/1.1", "Host: a"], { method: "get" }],
  ["methods that only look like GET stay what they are", ["GeT / HTTP/1.1", "Host: a"], { method: "GeT" }],
  ["HTTP/1.0 needs no Host", ["GET / HTTP/1.0"], { versionMinor: 0, host: "", keepAlive: false }],
  ["HTTP/1.0 may ask to be kept", ["GET / HTTP/1.0", "Connection: Keep-Alive"], { keepAlive: true }],
  ["close wins over keep-alive", ["GET / HTTP/1.1", "Host: a", "Connection: keep-alive, close"], { keepAlive: false }],
  ["close is found in any case", ["GET / HTTP/1.1", "Host: a", "Connection: CLOSE"], { keepAlive: false }],
  ["options may have empty elements", ["GET / HTTP/1.1", "Host: a", "Connection: , ,close ,"], { keepAlive: false }],
  [
    "an option that only begins so is another",
    ["GET / HTTP/1.1", "Host: a", "Connection: closed"],
    { keepAlive: true },
  ],
  [
    "close is found in a second line",
    ["GET / HTTP/1.1", "Host: a", "Connection: x", "Connection: close"],
    { keepAlive: false },
  ],
  ["a port may be empty", ["GET / HTTP/1.1", "Host: a:"], { host: "a:" }],
  ["an IPv6 literal is a host", ["GET / HTTP/1.1", "Host: [2001:db8::1]:80"], { host: "[2001:db8::1]:80" }],
  ["a mapped address is a host", ["GET / HTTP/1.1", "Host: [::ffff:192.0.2.1]"], { host: "[::ffff:192.0.2.1]" }],
  ["an underscore may be in a host", ["GET / HTTP/1.1", "Host: my_service"], { host: "my_service" }],
  ["encoded bytes may be in a host", ["GET / HTTP/1.1", "Host: a%20b.c:1"], { host: "a%20b.c:1" }],
  ["an empty Host is a request without authority", ["GET / HTTP/1.1", "Host:"], { host: "" }],
  ["blanks around a value do not count", ["GET / HTTP/1.1", "Host:\t  a \t "], { host: "a" }],
  ["a field may come without a blank", ["GET / HTTP/1.1", "host:a"], { host: "a" }],
  ["Host may be the last field", ["GET / HTTP/1.1", "A: b", "HOST: a"], { host: "a" }],
  [
    "a double slash stays a path",
    ["GET //evil.example/x HTTP/1.1", "Host: a"],
    { path: "//evil.example/x", host: "a", form: "origin" },
  ],
  ["a URL within a path stays a path", ["GET /http://b/ HTTP/1.1", "Host: a"], { path: "/http://b/", host: "a" }],
  ["dots and backslashes stay as they are", ["GET /a/../b\\c HTTP/1.1", "Host: a"], { path: "/a/../b\\c" }],
  ["what browsers leave unencoded passes", ['GET /a?b={"c"|[d]}^` HTTP/1.1', "Host: a"], { path: '/a?b={"c"|[d]}^`' }],
  [
    "an absolute target replaces Host",
    ["GET http://b.example:81/x?y HTTP/1.1", "Host: a"],
    { form: "absolute", host: "b.example:81", path: "/x?y", target: "http://b.example:81/x?y" },
  ],
  [
    "an absolute target replaces a later Host too",
    ["GET HTTPS://b/x HTTP/1.1", "A: b", "Host: a"],
    { host: "b", path: "/x" },
  ],
  ["an absolute target without path means /", ["GET http://b HTTP/1.1", "Host: b"], { path: "/" }],
  [
    "an absolute target with a query alone means /?",
    ["GET http://b?x=/y HTTP/1.1", "Host: b"],
    { path: "/?x=/y", host: "b" },
  ],
  ["an absolute OPTIONS without path means *", ["OPTIONS http://b HTTP/1.1", "Host: b"], { path: "*" }],
  ["OPTIONS may ask about the server", ["OPTIONS * HTTP/1.1", "Host: a"], { form: "asterisk", path: "*" }],
  ["an absolute target serves HTTP/1.0", ["GET http://[::1]:9/ HTTP/1.0"], { host: "[::1]:9" }],
  [
    "a length frames a body",
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 17"],
    { bodyKind: "length", bodyLength: 17 },
  ],
  [
    "the largest exact number is a length",
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 9007199254740991"],
    { bodyLength: 9_007_199_254_740_991 },
  ],
  ["length zero is no body", ["POST / HTTP/1.1", "Host: a", "Content-Length: 0"], { bodyKind: "none", bodyLength: 0 }],
  ["any method may have a body", ["GET / HTTP/1.1", "Host: a", "Content-Length: 1"], { bodyKind: "length" }],
  ["chunks frame a body", ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"], { bodyKind: "chunked" }],
  [
    "chunked is found in any case",
    ["POST / HTTP/1.1", "Host: a", "transfer-encoding:  ChunKed "],
    { bodyKind: "chunked" },
  ],
  [
    "an expectation is noted",
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Expect: 100-Continue"],
    { expectsContinue: true },
  ],
  [
    "an HTTP/1.0 expectation is ignored",
    ["POST / HTTP/1.0", "Content-Length: 1", "Expect: 100-continue"],
    { expectsContinue: false },
  ],
  [
    "a websocket is an upgrade",
    ["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket"],
    { upgrade: "websocket" },
  ],
  [
    "a protocol may have a version",
    ["GET / HTTP/1.1", "Host: a", "Upgrade: foo/2.1", "Connection: x, upgrade"],
    { upgrade: "foo/2.1" },
  ],
  [
    "an upgrade that Connection does not name is none",
    ["GET / HTTP/1.1", "Host: a", "Upgrade: websocket"],
    { upgrade: "" },
  ],
  ["HTTP/1.0 has no upgrades", ["GET / HTTP/1.0", "Connection: upgrade", "Upgrade: websocket"], { upgrade: "" }],
  [
    "h2c is no upgrade",
    ["GET / HTTP/1.1", "Host: a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"],
    { upgrade: "" },
  ],
  ["TLS is no upgrade", ["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: TLS/1.3"], { upgrade: "" }],
  [
    "a choice of protocols is no upgrade",
    ["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket, foo"],
    { upgrade: "" },
  ],
  [
    "two Upgrade fields are no upgrade",
    ["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: a", "Upgrade: b"],
    { upgrade: "" },
  ],
  ["trailers are asked for", ["GET / HTTP/1.1", "Host: a", "TE: gzip;q=0.5 , Trailers"], { acceptsTrailers: true }],
  ["a service may be named", ["GET / HTTP/1.1", "Host: a", "X-SERVICE-ID: web"], { serviceId: "web" }],
  ["bytes above ASCII may be in values", ["GET / HTTP/1.1", "Host: a", "X: \u00e9\u0080\u00ff"], {}],
  ["a field may be empty", ["GET / HTTP/1.1", "Host: a", "X:"], {}],
  ["a value may hold colons and quotes", ["GET / HTTP/1.1", "Host: a", 'X: :"a:b"\\'], {}],
];

for (const [sentence, lines, expected] of accepted) {
  test(sentence, () => {
    const head = parsed(`${lines.join("\r\n")}\r\n\r\n`);
    for (const [key, value] of Object.entries(expected)) {
      assert.equal(head[key as keyof RequestHead], value, key);
    }
  });
}

test("a field count up to the limit passes, one more is refused with 431", () => {
  const fields = (count: number) => "X: y\r\n".repeat(count - 1);
  const limits = { targetBytesMax: 100, fieldCountMax: 20 };
  const head = (count: number) => `GET / HTTP/1.1\r\nHost: a\r\n${fields(count)}\r\n`;
  assert.ok(!(parseRequestHead(head(20), limits) instanceof HttpProblem));
  const problem = parseRequestHead(head(21), limits);
  assert.ok(problem instanceof HttpProblem);
  assert.equal(problem.code, "HEAD_TOO_LARGE");
});

test("a target up to the limit passes, one more byte is refused with 414", () => {
  const limits = { targetBytesMax: 50, fieldCountMax: 20 };
  const head = (length: number) => `GET /${"a".repeat(length - 1)} HTTP/1.1\r\nHost: a\r\n\r\n`;
  assert.ok(!(parseRequestHead(head(50), limits) instanceof HttpProblem));
  const problem = parseRequestHead(head(51), limits);
  assert.ok(problem instanceof HttpProblem);
  assert.equal(problem.code, "TARGET_TOO_LONG");
});

test("a head larger than the scratch area is read like any other", () => {
  const value = "v".repeat(200_000);
  const text = `POST / HTTP/1.1\r\nHost: a\r\nX: ${value}\r\nContent-Length: 3\r\n\r\n`;
  const head = parsed(text);
  assert.equal(head.header("x"), value);
  assert.equal(head.bodyLength, 3);
  assert.equal(parsed("GET / HTTP/1.1\r\nHost: b\r\n\r\n").host, "b");
});

test("more lines than the line table holds at first are read", () => {
  const limits = { targetBytesMax: 50, fieldCountMax: 5000 };
  const head = parseRequestHead(`GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(3000)}\r\n`, limits);
  assert.ok(!(head instanceof HttpProblem));
  assert.equal([...head.fields()].length, 3001);
});

test("heads do not share what the parser notes", () => {
  const first = parsed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, foo\r\nFoo: x\r\n\r\n");
  const second = parsed("GET /b HTTP/1.1\r\nHost: b\r\nFoo: y\r\n\r\n");
  assert.deepEqual([first.bodyLength, first.keepAlive, first.marks.length], [5, false, 6]);
  assert.deepEqual([second.bodyLength, second.keepAlive, second.marks.length], [0, true, 0]);
});

test("a field is looked up by name in any case, and several lines make one list", () => {
  const head = parsed("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html \r\nX: 1\r\nACCEPT:\t*/*\r\nXX: 2\r\n\r\n");
  assert.equal(head.header("accept"), "text/html, */*");
  assert.equal(head.header("X"), "1");
  assert.equal(head.header("missing"), undefined);
  assert.deepEqual([...head.fields()].at(-1), ["XX", "2"]);
});

function parsed(text: string): RequestHead {
  const head = parseRequestHead(text);
  if (head instanceof HttpProblem) throw head.toError();
  return head;
}
