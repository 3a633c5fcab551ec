/** Request lines, hosts and field lines that are refused. How bodies are framed: `request-head-framing.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead } from "./request-head.ts";

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
];

for (const [sentence, text, reason] of refused) {
  test(`refused: ${sentence}`, () => assertRefused(text, reason));
}

test("every control character is refused, wherever in its word it stands", () => {
  for (let code = 0; code < 0x20; code++) {
    if (code === 0x09) continue;
    for (let before = 0; before < 8; before++) {
      const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"b".repeat(before)}${String.fromCharCode(code)}c\r\n\r\n`;
      assertRefused(text, /in line 3/);
    }
  }
});

function assertRefused(text: string, reason: RegExp): void {
  const problem = parseRequestHead(text);
  assert.ok(problem instanceof HttpProblem, "the head was accepted");
  assert.equal(problem.code, "BAD_REQUEST");
  assert.match(problem.reason, reason);
}
