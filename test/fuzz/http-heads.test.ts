// Invariant: what we accept, Node's own parser accepts as the same messages; however the bytes are cut, we read the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, generator, mutated } from "./mutation.ts";
import { compare } from "./request-comparison.ts";
import { outline, read } from "./request-reading.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_121);
const INPUTS = 12_000;
const BATCH = 200;

test("whatever we accept, Node's parser reads as the same messages, before and after forwarding", async () => {
  const random = generator(SEED);
  let acceptedCount = 0;
  for (let start = 0; start < INPUTS; start += BATCH) {
    const inputs = Array.from({ length: BATCH }, () => mutated(SEEDS, LINES, random));
    const outcomes = await Promise.all(inputs.map((input) => compare(input, describe)));
    acceptedCount += outcomes.filter(Boolean).length;
  }
  // A mutator that breaks everything, or nothing, would show little.
  assert.ok(acceptedCount > INPUTS / 20, `${acceptedCount} of ${INPUTS} inputs were accepted`);
  assert.ok(acceptedCount < INPUTS * 0.9, `${acceptedCount} of ${INPUTS} inputs were accepted`);
});

test("the same bytes read the same, whole, byte by byte and at random cuts", () => {
  const random = generator(SEED + 1);
  for (let count = 0; count < INPUTS; count++) {
    const text = mutated(SEEDS, LINES, random) + (random(3) === 0 ? mutated(SEEDS, LINES, random) : "");
    const input = Buffer.from(text, "latin1");
    const whole = outline(read([input]));
    const single = outline(read(Array.from(input, (byte) => Buffer.of(byte))));
    assert.deepEqual(single, whole, describe("byte by byte", text));
    assert.deepEqual(outline(read(cut(input, random))), whole, describe("at random cuts", text));
  }
});

const SEEDS: readonly string[] = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: app.example.com:8001\r\nUser-Agent: x/1.0 (y; z)\r\nAccept: */*\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\nContent-Type: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
  "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  'PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b;c="d;e"\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0;z\r\nX: y\r\n\r\n',
  "GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.0\r\n\r\n",
  "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n",
  "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
  "GET / HTTP/1.1\r\nHost: [::1]:80\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nTE: trailers\r\nVia: 1.1 x\r\n\r\n",
  "\r\nDELETE /x HTTP/1.1\r\nHost:a\r\nA:b\r\nB:\t c \t\r\nC:\r\n\r\n",
];

const LINES: readonly string[] = [
  "Content-Length: 5",
  "Content-Length: 0",
  "Content-Length: +5",
  "Content-Length: 5, 5",
  "Content-Length : 5",
  "Content_Length: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding\t: chunked",
  "Transfer-Encoding: \r\n chunked",
  "Host: b",
  "Connection: close",
  "Connection: keep-alive, content-length, transfer-encoding, host",
  "Upgrade: h2c",
  "Expect: x",
  " folded: yes",
  "X: y\nContent-Length: 5",
  "X: y\rContent-Length: 5",
  "X: \xe9\x80\xff",
  "",
];

function describe(how: string, text: string): string {
  return `${how}, seed ${SEED}: ${JSON.stringify(text)}`;
}
