import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../base/errors.ts";
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
  ["leading zeros are digits", ["POST / HTTP/1.1", "Host: a", "Content-Length: 0017"], { bodyLength: 17 }],
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

const refused: readonly (readonly [sentence: string, text: string, reason: RegExp])[] = [
  // Request line.
  ["an empty request line", "\r\nHost: a\r\n\r\n", /request method/],
  ["a line without target and version", "GET\r\nHost: a\r\n\r\n", /request method/],
  ["a request of HTTP/0.9", "GET /\r\n\r\n", /without an HTTP version/],
  ["a blank before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", /request method/],
  ["a method that is no token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", /"\(" in the request method/],
  ["two blanks before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", /empty request target/],
  ["two blanks after the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", /does not end with an HTTP version/],
  ["a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", /request method/],
  ["a tab after the target", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", /0x09 in the request target/],
  ["a blank within the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", /HTTP version/],
  ["a blank after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", /HTTP version/],
  ["more after the version", "GET / HTTP/1.1 HTTP/1.0\r\nHost: a\r\n\r\n", /HTTP version/],
  ["a lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", /HTTP version/],
  ["a version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", /HTTP version/],
  ["a version without minor", "GET / HTTP/1\r\nHost: a\r\n\r\n", /HTTP version/],
  ["a version that hides behind a letter", "GET / XHTTP/1.1\r\nHost: a\r\n\r\n", /HTTP version/],
  ["version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", /HTTP\/1\.2; HTTP\/1\.1/],
  ["version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", /version HTTP\/0\.9/],
  ["version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", /version HTTP\/2\.0/],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", /HTTP\/2 preface/],
  ["a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", /fragment/],
  ["NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", /0x00/],
  ["DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", /0x7f/],
  ["a byte above ASCII in the target", "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", /0xe9/],
  ["a bare carriage return in the target", "GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", /0x0d/],
  ["a target that is neither path nor URL", "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", /neither a path/],
  ["a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", /neither a path/],
  ["a target of javascript", "GET javascript:alert(1) HTTP/1.1\r\nHost: a\r\n\r\n", /neither a path/],
  ["a URL with one slash", "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n", /neither a path/],
  ["a URL without authority", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", /empty host name in the request target/],
  ["a URL with a user", "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", /invalid character in the request target/],
  [
    "a URL with a user and password",
    "GET http://a:b@c/ HTTP/1.1\r\nHost: a\r\n\r\n",
    /invalid port in the request target/,
  ],
  ["a URL with a wild port", "GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n", /invalid port/],
  ["a URL with a backslash in its host", "GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n", /invalid character/],
  ["* for another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", /only OPTIONS/],
  ["*x", "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n", /neither a path/],
  ["CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", /CONNECT/],
  ["CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", /CONNECT/],
  // Host.
  ["no Host", "GET / HTTP/1.1\r\n\r\n", /no Host/],
  ["no Host beside an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n", /no Host/],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", /more than one Host/],
  ["two equal Hosts", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n", /more than one Host/],
  ["two empty Hosts", "GET / HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n", /more than one Host/],
  ["two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", /more than one Host/],
  ["a Host with a blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", /invalid character in the Host/],
  ["a Host that is a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", /invalid character in the Host/],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", /invalid character/],
  ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", /invalid character/],
  ["a Host with a query", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", /invalid character/],
  ["a Host with a quote", 'GET / HTTP/1.1\r\nHost: a"\r\n\r\n', /invalid character/],
  ["a Host with a byte above ASCII", "GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n", /invalid character/],
  ["a Host with a broken encoding", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", /invalid character/],
  ["a Host with a wrong encoding", "GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", /invalid character/],
  ["a Host that is a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", /empty host name/],
  ["a Host with two ports", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", /invalid port/],
  ["a Host with a signed port", "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", /invalid port/],
  ["a Host with port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", /invalid port/],
  ["a Host with a named port", "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", /invalid port/],
  ["an IP literal that is not closed", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", /invalid IP literal/],
  ["an IP literal with a name", "GET / HTTP/1.1\r\nHost: [host]\r\n\r\n", /invalid IP literal/],
  ["an IP literal with a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", /invalid IP literal/],
  ["an empty IP literal", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", /invalid IP literal/],
  ["more behind an IP literal", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", /invalid port/],
  // Field lines.
  ["a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", /0x20 in the name of field "Host"/],
  ["a tab before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", /0x09 in the name/],
  ["a vertical tab before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX\v: b\r\n\r\n", /0x0b in line 3/],
  ["a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", /0x0d in the name/],
  ["a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", /without a name/],
  ["a name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n", /"\(" in the name/],
  ["a name above ASCII", "GET / HTTP/1.1\r\nHost: a\r\n\xe9: b\r\n\r\n", /0xe9 at the start/],
  ["a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", /folded/],
  ["a line folded by a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", /folded/],
  ["a blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", /folded/],
  ["a blank line within the head", "GET / HTTP/1.1\r\nHost: a\r\n\r\nX: b\r\n\r\n", /0x0d at the start/],
  ["NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", /0x00/],
  ["NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", /0x00/],
  ["escape in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[0m\r\n\r\n", /0x1b/],
  ["DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", /0x7f/],
  ["a vertical tab in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \v\r\n\r\n", /0x0b/],
  ["a form feed in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \f\r\n\r\n", /0x0c/],
  ["a bare line feed in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n", /0x0a in line 3/],
  ["a bare carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", /0x0d in line 3/],
  ["CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", /0x0d in line 2/],
  ["a line feed after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", /0x0a in line 1/],
  ["a head without its blank line", "GET / HTTP/1.1\r\nHost: a\r\n", /blank line/],
  ["a head cut within a line", "GET / HTTP/1.1\r\nHost: a", /last line/],
  [
    "two service names",
    "GET / HTTP/1.1\r\nHost: a\r\nX-Service-Id: a\r\nx-service-id: a\r\n\r\n",
    /more than one X-Service-Id/,
  ],
  // Framing.
  ["CL.TE", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n", /both/],
  ["TE.CL", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n", /both/],
  [
    "TE with length zero",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    /both/,
  ],
  [
    "two lengths that differ",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\n",
    /more than one Content-Length/,
  ],
  [
    "two lengths that agree",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nContent-Length: 6\r\n\r\n",
    /more than one Content-Length/,
  ],
  [
    "two lengths of zero",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    /more than one Content-Length/,
  ],
  ["chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", /HTTP\/1\.0/],
  [
    "two equal codings",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    /more than one Transfer-Encoding/,
  ],
  ["a length spelt with an underscore", "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 6\r\n\r\n", /Content_Length/],
  [
    "a coding spelt with an underscore",
    "POST / HTTP/1.1\r\nHost: a\r\ntransfer_encoding: chunked\r\n\r\n",
    /transfer_encoding/,
  ],
  ["a tab before a coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n\r\n", /a tab beside/],
  ["a tab after a coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \t\r\n\r\n", /a tab beside/],
  ["a tab after a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\t\r\n\r\n", /a tab beside/],
  [
    "a coding name cut by a blank",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
    /0x20 in the name/,
  ],
  [
    "a coding on a folded line",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
    /other than chunked/,
  ],
  [
    "a coding behind a bare line feed",
    "POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n",
    /0x0a/,
  ],
  [
    "a coding behind a bare carriage return",
    "POST / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n",
    /0x0d/,
  ],
];

for (const [sentence, text, reason] of refused) {
  test(`refused: ${sentence}`, () => assertRefused(text, "BAD_REQUEST", reason));
}

const lengths = [
  "",
  "+5",
  "-5",
  "5 5",
  "5,5",
  "5, 6",
  "0x10",
  "5a",
  "a",
  "5.0",
  "1e3",
  "5;",
  '"5"',
  "9007199254740992",
];
for (const value of [...lengths, "18446744073709551621", "00000000000000005", "\xb2", "5\t5", "_5", "5_0", "1'000"]) {
  test(`refused: Content-Length ${JSON.stringify(value)}`, () => {
    const text = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${value}\r\n\r\n`;
    assertRefused(text, "BAD_REQUEST", /not a plain number/);
  });
}

const codings = ["", "xchunked", "chunkedx", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "identity"];
for (const value of [
  ...codings,
  "chunked;q=1",
  '"chunked"',
  ",chunked",
  "chunked,",
  "chunked identity",
  "x: chunked",
  "chunk",
  "cow",
]) {
  test(`refused: Transfer-Encoding ${JSON.stringify(value)}`, () => {
    const text = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${value}\r\n\r\n`;
    assertRefused(text, "BAD_REQUEST", /other than chunked/);
  });
}

test("every control character is refused, wherever in its word it stands", () => {
  for (let code = 0; code < 0x20; code++) {
    if (code === 0x09) continue;
    for (let before = 0; before < 8; before++) {
      const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"b".repeat(before)}${String.fromCharCode(code)}c\r\n\r\n`;
      assertRefused(text, "BAD_REQUEST", /in line 3/);
    }
  }
});

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

function assertRefused(text: string, code: ErrorCode, reason: RegExp): void {
  const problem = parseRequestHead(text);
  assert.ok(problem instanceof HttpProblem, "the head was accepted");
  assert.equal(problem.code, code);
  assert.match(problem.reason, reason);
}
