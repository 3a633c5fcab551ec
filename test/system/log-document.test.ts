/** docs/LOGS.md shows what is written. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { combinedLine, jsonLine } from "../../src/http/access-line.ts";

const DOCUMENT = readFileSync(new URL("../../docs/LOGS.md", import.meta.url), "utf8");
const ENTRY = {
  time: Date.UTC(2026, 10, 21, 7, 5, 9, 42),
  client: "203.0.113.9",
  peer: "10.0.0.1:5501",
  listener: "http://0.0.0.0:8001",
  protocol: "HTTP/1.1",
  method: "GET",
  host: "app.example.com",
  path: "/cart?id=7",
  referer: "https://app.example.com/?token=s3cret",
  userAgent: 'curl/8 "x"',
  status: 200,
  bytesIn: 0,
  bytesOut: 2326,
  service: "web",
  node: "shed",
  attempts: 1,
  requestId: "k3v9-1",
  error: "",
  headMs: 0,
  offerMs: 0.021,
  firstByteMs: 3.25,
  responseMs: 0.1,
  totalMs: 3.371,
};

test("the lines in the document are lines as they are written", () => {
  assert.ok(DOCUMENT.includes(jsonLine(ENTRY, "redact")));
  assert.ok(DOCUMENT.includes(combinedLine(ENTRY, "redact")));
});

test("the document explains every key, in order", () => {
  const explained = [...DOCUMENT.matchAll(/^\| `(\w+)` /gm)].map((match) => match[1]);
  assert.deepEqual(explained, Object.keys(JSON.parse(jsonLine(ENTRY, "redact")) as object));
});
