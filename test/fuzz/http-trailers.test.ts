// Invariant: of a trailer section only whole fields go on, however it is cut; no parser, strict or lenient, finds another message there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyReader } from "../../src/http/body-framing.ts";
import { cut, generator, mutated, type Random } from "./mutation.ts";
import { askServer } from "./node-parser.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_129);
const INPUTS = 4000;
const BATCH = 100;
const HEAD = "POST /own HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const LAST_CHUNK = "2\r\nok\r\n0\r\n";
const WHOLE_FIELDS = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*(?:\r\n)?$/;

test("what goes on of a request's trailers holds no other message, for the strictest parser and for the laxest", async () => {
  const random = generator(SEED);
  let wholeCount = 0;
  for (let start = 0; start < INPUTS; start += BATCH) {
    const inputs = Array.from({ length: BATCH }, () => section(random));
    const outcomes = await Promise.all(inputs.map((text) => judge(text, cut(Buffer.from(text, "latin1"), random))));
    wholeCount += outcomes.filter(Boolean).length;
  }
  assert.ok(wholeCount > INPUTS / 20, `${wholeCount} of ${INPUTS} inputs were whole`);
  assert.ok(wholeCount < INPUTS * 0.9, `${wholeCount} of ${INPUTS} inputs were whole`);
});

test("what goes on of trailers, both ways, is the same for any cuts, and made of whole fields at each of them", () => {
  const random = generator(SEED + 1);
  for (let count = 0; count < INPUTS; count++) {
    const text = section(random);
    const bytes = Buffer.from(text, "latin1");
    for (const code of ["BAD_REQUEST", "TARGET_PROTOCOL"] as const) {
      const whole = pass(code, [bytes]);
      for (const chunks of [Array.from(bytes, (byte) => Buffer.of(byte)), cut(bytes, random)]) {
        const pieces = pass(code, chunks);
        assert.equal(pieces.refused, whole.refused, describe(text));
        // What is refused in one piece goes on not at all; before it was refused in several, some of it had gone on.
        if (!whole.refused) assert.equal(pieces.passed, whole.passed, describe(text));
      }
    }
  }
});

async function judge(text: string, chunks: readonly Buffer[]): Promise<boolean> {
  const { passed, complete } = pass("BAD_REQUEST", chunks);
  for (const lenient of [false, true]) {
    const messages = await askServer(HEAD + passed, lenient);
    assert.ok(messages.length <= (complete ? 1 : 0), describe(text, JSON.stringify(messages)));
    if (complete) assert.deepEqual([messages[0]?.target, messages[0]?.body], ["/own", "ok"], describe(text));
  }
  return complete;
}

/** What goes on of a body, checked behind each chunk. */
function pass(
  code: "BAD_REQUEST" | "TARGET_PROTOCOL",
  chunks: readonly Buffer[],
): { passed: string; refused: boolean; complete: boolean } {
  const reader = new BodyReader(code);
  reader.start("chunked");
  let passed = "";
  for (const chunk of chunks) {
    if (reader.done) break;
    reader.take(chunk);
    if (reader.problem !== undefined) break;
    passed += reader.goingOn(chunk).toString("latin1");
    if (passed.length > LAST_CHUNK.length) assert.match(passed.slice(LAST_CHUNK.length), WHOLE_FIELDS);
  }
  return { passed, refused: reader.problem !== undefined, complete: reader.done };
}

/** A body whose trailer section is anything. */
function section(random: Random): string {
  const lines = Array.from({ length: random(4) }, () => LINES[random(LINES.length)] as string);
  const trailers = `${lines.join(random(6) === 0 ? ENDS[random(ENDS.length)] : "\r\n")}\r\n\r\n`;
  const changed = random(2) === 0 ? trailers : mutated([trailers], LINES, random);
  return LAST_CHUNK + (lines.length === 0 && random(2) === 0 ? "\r\n" : changed);
}

const ENDS: readonly string[] = ["\r", "\n", "\r\r", "\n\r", "\r\n\r\n", "\0"];
const LINES: readonly string[] = [
  "X: y",
  "X:",
  "x-y:  z ",
  "X : y",
  "X\t: y",
  " folded",
  "\rGET /smug HTTP/1.0\r\r",
  "GET /smug HTTP/1.1",
  "\nGET /smug HTTP/1.1\nHost: a\n\n",
  "Content-Length: 1",
  "Transfer-Encoding: chunked",
  "X: \0",
  "X: y\rZ: z",
  "0",
  ": y",
  "",
];

function describe(text: string, what = ""): string {
  return `seed ${SEED}: ${JSON.stringify(text)} ${what}`;
}
