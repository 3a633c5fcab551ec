/** Where a request's body ends, said in a way that two readers could understand differently: refused (RFC 9112 §6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead } from "./request-head.ts";

const refused: readonly (readonly [sentence: string, text: string, reason: RegExp])[] = [
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
  test(`refused: ${sentence}`, () => assertRefused(text, reason));
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
for (const value of [...lengths, "18446744073709551621", "\xb2", "5\t5", "_5", "5_0", "1'000"]) {
  test(`refused: Content-Length ${JSON.stringify(value)}`, () => {
    const text = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${value}\r\n\r\n`;
    assertRefused(text, /not a plain number/);
  });
}

for (const value of ["00", "05", "0017", "0000000000000005"]) {
  test(`refused: Content-Length ${value}, which some parsers take for octal`, () => {
    assertRefused(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${value}\r\n\r\n`, /begins with a zero/);
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
    assertRefused(text, /other than chunked/);
  });
}

function assertRefused(text: string, reason: RegExp): void {
  const problem = parseRequestHead(text);
  assert.ok(problem instanceof HttpProblem, "the head was accepted");
  assert.equal(problem.code, "BAD_REQUEST");
  assert.match(problem.reason, reason);
}
