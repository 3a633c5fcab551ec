import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadCollector } from "./head-collector.ts";
import type { HeadKind } from "./head-collector.ts";

const HEAD = "GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n";

test("a head in one chunk is found, and what follows is handed back", () => {
  const collector = new HeadCollector(1000);
  assert.equal(collector.push(bytes(`${HEAD}body\r\n\r\n`)), true);
  assert.equal(collector.text, HEAD);
  assert.equal(collector.rest.toString("latin1"), "body\r\n\r\n");
  assert.equal(collector.problem, undefined);
});

test("a head is found wherever it is cut in two", () => {
  for (let cut = 0; cut <= HEAD.length; cut++) {
    const collector = new HeadCollector(1000);
    const input = bytes(`${HEAD}rest`);
    if (collector.push(input.subarray(0, cut))) {
      assert.equal(cut, HEAD.length);
      continue;
    }
    assert.equal(collector.started, cut > 0);
    assert.equal(collector.push(input.subarray(cut)), true, `cut at ${cut}`);
    assert.equal(collector.text, HEAD);
    assert.equal(collector.rest.toString("latin1"), "rest");
  }
});

test("a head that comes byte by byte is found at its last byte", () => {
  const collector = new HeadCollector(1000);
  for (const [index, byte] of bytes(HEAD).entries()) {
    assert.equal(collector.push(Buffer.of(byte)), index === HEAD.length - 1);
  }
  assert.equal(collector.text, HEAD);
  assert.equal(collector.rest.length, 0);
});

test("a head far larger than a chunk is gathered", () => {
  const text = `GET / HTTP/1.1\r\nX: ${"x".repeat(50_000)}\r\n\r\n`;
  const collector = new HeadCollector(60_000);
  const input = bytes(`${text}rest`);
  let complete = false;
  for (let at = 0; at < input.length; at += 1777) complete = collector.push(input.subarray(at, at + 1777));
  assert.ok(complete);
  assert.equal(collector.text, text);
  assert.equal(collector.rest.toString("latin1"), "rest");
});

test("what is gathered does not depend on the chunk that it came in", () => {
  const collector = new HeadCollector(1000);
  const first = bytes("GET / HTTP/1.1\r\nHost: a");
  collector.push(first);
  first.fill(0);
  collector.push(bytes("\r\n\r\n"));
  assert.equal(collector.text, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
});

test("after a reset the next head is found, with nothing left of the last", () => {
  const collector = new HeadCollector(1000);
  collector.push(bytes("GET /one HTTP/1.1\r\n"));
  collector.push(bytes("Host: a\r\n\r\nGET /two HTTP/1.1\r\nHost: b\r\n\r\n"));
  const rest = collector.rest;
  collector.reset();
  assert.equal(collector.started, false);
  assert.equal(collector.text, "");
  assert.equal(collector.push(rest), true);
  assert.equal(collector.text, "GET /two HTTP/1.1\r\nHost: b\r\n\r\n");
});

test("one empty line before a request is skipped, however it is cut", () => {
  for (const chunks of [
    [`\r\n${HEAD}`],
    ["\r", `\n${HEAD}`],
    ["\r\n", HEAD],
    ["\r", "\n", HEAD],
    ["\r\nG", HEAD.slice(1)],
  ]) {
    const collector = new HeadCollector(1000);
    const results = chunks.map((chunk) => collector.push(bytes(chunk)));
    assert.equal(results.at(-1), true);
    assert.equal(collector.problem, undefined);
    assert.equal(collector.text, HEAD);
  }
});

test("a connection that got no more than the empty line owes no head", () => {
  const collector = new HeadCollector(1000);
  assert.equal(collector.push(bytes("\r\n")), false);
  assert.equal(collector.started, false);
});

test("an empty chunk changes nothing", () => {
  const collector = new HeadCollector(1000);
  assert.equal(collector.push(Buffer.alloc(0)), false);
  assert.equal(collector.started, false);
  collector.push(bytes("G"));
  assert.equal(collector.push(Buffer.alloc(0)), false);
  assert.equal(collector.started, true);
});

for (const size of [100, 3000]) {
  test(`a head of exactly the limit passes, one byte more is refused (${size} bytes)`, () => {
    const line = "GET / HTTP/1.1\r\nX: ";
    const head = (length: number) => `${line}${"x".repeat(length - line.length - 4)}\r\n\r\n`;
    for (const step of [1, 7, size * 2]) {
      assert.equal(collect(head(size), step, size).problem, undefined);
      assert.equal(collect(head(size + 1), step, size).problem?.code, "HEAD_TOO_LARGE");
      assert.equal(collect(`${head(size)}${"b".repeat(size)}`, step, size).problem, undefined);
    }
  });
}

const refused: readonly (readonly [sentence: string, kind: HeadKind, text: string, reason: RegExp])[] = [
  ["two empty lines before a request", "request", `\r\n\r\n${HEAD}`, /start of a request/],
  ["an empty line before a response", "response", "\r\nHTTP/1.1 200 OK\r\n\r\n", /start of a response/],
  ["a bare line feed before a request", "request", `\n${HEAD}`, /start of a request/],
  ["a carriage return before a request", "request", `\r${HEAD}`, /carriage return|0x0d/],
  ["a blank before a request", "request", ` ${HEAD}`, /start of a request/],
  ["a TLS handshake", "request", "\x16\x03\x01\x02\x00", /TLS handshake/],
  ["a link's first byte", "request", "\0\0\0\x01", /0x00/],
  ["an answer that is not HTTP", "response", "SSH-2.0-x\r\n", /"S" at the start of a response/],
];

for (const [sentence, kind, text, reason] of refused) {
  test(`refused at once: ${sentence}`, () => {
    for (const step of [1, 1000]) {
      const collector = collect(text, step, 1000, kind);
      assert.match(collector.problem?.reason ?? "", reason);
      assert.equal(collector.problem?.code, kind === "request" ? "BAD_REQUEST" : "TARGET_PROTOCOL");
    }
  });
}

test("a head of bare line feeds is refused without waiting for more", () => {
  const collector = new HeadCollector(1000);
  assert.equal(collector.push(bytes("GET / HTTP/1.1\nHost: a\n\n")), true);
  assert.match(collector.problem?.reason ?? "", /bare line feed/);
});

test("a response head that is too large is the app's fault", () => {
  const collector = collect(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(200)}`, 50, 100, "response");
  assert.equal(collector.problem?.code, "TARGET_PROTOCOL");
});

function collect(text: string, step: number, bytesMax: number, kind: HeadKind = "request"): HeadCollector {
  const collector = new HeadCollector(bytesMax, kind);
  const input = bytes(text);
  for (let at = 0; at < input.length; at += step) {
    if (collector.push(input.subarray(at, at + step))) break;
  }
  return collector;
}

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
