import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FooScanner, type FooType } from "./foo-scanner.ts";

const TYPES = ["REQ", "ACK", "NAK"];

/** What the scanner says of the pieces: `REQ 1` for a message, `-` for another line. */
function scan(pieces: readonly Buffer[]): string[] {
  const said: string[] = [];
  const scanner = new FooScanner({
    message: (type: FooType, seq: number) => said.push(`${TYPES[type]} ${seq === 0 ? 0 : seq}`),
    other: () => said.push("-"),
  });
  for (const piece of pieces) {
    // Lent: whoever kept it would see this.
    const lent = Buffer.from(piece);
    scanner.push(lent);
    lent.fill(0x0a);
  }
  scanner.end();
  return said;
}

/** The same by a line at a time, with everything kept. */
function expected(bytes: Buffer): string[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
    lines.push(bytes.subarray(from, at));
    from = at + 1;
  }
  const said = lines.map((line) => {
    const text = line.toString("latin1");
    const match = /^(REQ|ACK|NAK)[ \t\v\f\r]+([+-]?[0-9]+)(?:[ \t\v\f\r]([^]*))?$/.exec(text);
    if (match === null || !isText(Buffer.from(match[3] ?? "", "latin1"))) return "-";
    const seq = Number(match[2]);
    return `${match[1]} ${Number.isSafeInteger(seq) ? seq + 0 : Number.NaN}`;
  });
  return from < bytes.length ? [...said, "-"] : said;
}

function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

for (const [line, says] of [
  ["REQ 1 Hey\n", "REQ 1"],
  ["ACK 1 f2e400a9bdc463dc10aa3596e0fe036a\n", "ACK 1"],
  ["NAK 0 ERRDECODE\n", "NAK 0"],
  ["REQ 7\n", "REQ 7"],
  ["REQ 7 \n", "REQ 7"],
  ["REQ 7\r\n", "REQ 7"],
  ["REQ\t \t-12\tdata with  blanks \n", "REQ -12"],
  ["REQ +3 x\n", "REQ 3"],
  ["REQ 0003 x\n", "REQ 3"],
  ["REQ 99999999999999999999 x\n", "REQ NaN"],
  ["REQ 1 Grüße 日本 👋\n", "REQ 1"],
  ["REQ 1 \0\n", "REQ 1"],
  ["x\n", "-"],
  ["\n", "-"],
  ["req 1 Hey\n", "-"],
  ["REQ1 Hey\n", "-"],
  ["REQ \n", "-"],
  ["REQ x1\n", "-"],
  ["REQ 1x\n", "-"],
  ["REQ - 1\n", "-"],
  [" REQ 1\n", "-"],
  ["REQS 1\n", "-"],
  ["RCK 1\n", "-"],
  ["REQ 1", "-"],
] as const) {
  test(`${JSON.stringify(line)} is ${says === "-" ? "no message" : says}`, () => {
    assert.deepEqual(scan([Buffer.from(line)]), [says]);
  });
}

test("data that is not UTF-8 makes no message", () => {
  for (const hex of ["ff", "c0af", "eda080", "f4908080", "e282", "80"]) {
    assert.deepEqual(
      scan([Buffer.concat([Buffer.from("REQ 1 a"), Buffer.from(hex, "hex"), Buffer.from("\nREQ 2\n")])]),
      ["-", "REQ 2"],
    );
  }
});

const words = fc.oneof(
  fc.constantFrom(
    "REQ ",
    "ACK\t",
    "NAK ",
    "1",
    "-7",
    " ",
    "\n",
    "\r\n",
    "Hey",
    "é",
    "👋",
    "x",
    "REQ 5 Hey\n",
    "ACK 12 ü\n",
  ),
  fc.integer().map(String),
);
const streams = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: words.map((word) => Buffer.from(word)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)) },
    ),
    { maxLength: 60 },
  )
  .map((parts) => Buffer.concat(parts));

test("however a stream is cut, it says what its lines say", () => {
  fc.assert(
    fc.property(streams, fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
      const says = expected(bytes);
      assert.deepEqual(scan([bytes]), says);
      assert.deepEqual(scan([...bytes].map((byte) => Buffer.of(byte))), says);
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      assert.deepEqual(scan(places.slice(1).map((place, index) => bytes.subarray(places[index], place))), says);
    }),
    { numRuns: 500 },
  );
});

test("long data with characters of every length is the same whole and cut anywhere", () => {
  const bytes = Buffer.from(`REQ 1 ${"abc é 日 👋 ".repeat(40)}\nNAK 2 ${"👋".repeat(100)}\n`);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(scan([bytes.subarray(0, cut), bytes.subarray(cut)]), ["REQ 1", "NAK 2"]);
  }
});

const usual = fc
  .tuple(fc.constantFrom(...TYPES), fc.nat(), fc.integer({ min: 0, max: 90 }))
  .map(([type, seq, length]) => `${type} ${seq} ${"d".repeat(length)}\n`);
const odd = fc.constantFrom(
  "x\n",
  "\n",
  "REQ 1 é\n",
  "ACK 2\r\n",
  "NAK\t3\n",
  "REQ 99999999999999999 x\n",
  `REQ 4 ${"é".repeat(200)}\n`,
);

test("many lines at once say what they say one by one, odd ones among them too", () => {
  const lines = fc.array(fc.oneof({ weight: 20, arbitrary: usual }, { weight: 1, arbitrary: odd }), { maxLength: 400 });
  fc.assert(
    fc.property(lines, fc.nat(), (lines, cut) => {
      const bytes = Buffer.from(lines.join(""));
      const says = expected(bytes);
      assert.deepEqual(scan([bytes]), says);
      const place = cut % (bytes.length + 1);
      assert.deepEqual(scan([bytes.subarray(0, place), bytes.subarray(place)]), says);
    }),
    { numRuns: 60 },
  );
});
