// Invariant: where we say that a body ends, Node's own parser says so too, in pipelines of any bodies cut anywhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkedBody, cut, generator, mutated, type Random } from "./mutation.ts";
import { compare } from "./request-comparison.ts";
import { outline, read } from "./request-reading.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_123);
const INPUTS = 6000;
const BATCH = 200;

test("pipelines of chunked, counted and empty bodies: what we accept, Node's parser reads as the same messages", async () => {
  const random = generator(SEED);
  let acceptedCount = 0;
  for (let start = 0; start < INPUTS; start += BATCH) {
    const inputs = Array.from({ length: BATCH }, () => pipeline(random));
    const outcomes = await Promise.all(inputs.map((input) => compare(input, describe)));
    acceptedCount += outcomes.filter(Boolean).length;
  }
  assert.ok(acceptedCount > INPUTS / 20, `${acceptedCount} of ${INPUTS} inputs were accepted`);
  assert.ok(acceptedCount < INPUTS * 0.9, `${acceptedCount} of ${INPUTS} inputs were accepted`);
});

test("pipelines read the same, whole, byte by byte and at random cuts", () => {
  const random = generator(SEED + 1);
  for (let count = 0; count < INPUTS; count++) {
    const text = pipeline(random);
    const input = Buffer.from(text, "latin1");
    const whole = outline(read([input]));
    assert.deepEqual(
      outline(read(Array.from(input, (byte) => Buffer.of(byte)))),
      whole,
      describe("byte by byte", text),
    );
    assert.deepEqual(outline(read(cut(input, random))), whole, describe("at random cuts", text));
  }
});

/** One to four requests, of which every other pipeline has one that is mutated. */
function pipeline(random: Random): string {
  const requests = Array.from({ length: 1 + random(4) }, () => request(random));
  if (random(2) === 0) {
    const at = random(requests.length);
    requests[at] = mutated([requests[at] as string], LINES, random);
  }
  return requests.join(random(8) === 0 ? "\r\n" : "");
}

function request(random: Random): string {
  const method = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"][random(6)] as string;
  const start = `${method} /${random(1000)} HTTP/1.1\r\nHost: a\r\n`;
  if (random(3) > 0) return `${start}Transfer-Encoding: chunked\r\n\r\n${chunkedBody(random)}`;
  const body = "GET /in HTTP/1.1\r\nHost: a\r\n\r\n".slice(0, random(40));
  return random(3) === 0 ? `${start}\r\n` : `${start}Content-Length: ${body.length}\r\n\r\n${body}`;
}

const LINES: readonly string[] = [
  "0",
  "",
  "5",
  "a;b",
  "X: y",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "GET / HTTP/1.1",
];

function describe(how: string, text: string): string {
  return `${how}, seed ${SEED}: ${JSON.stringify(text)}`;
}
