import assert from "node:assert/strict";
import { test } from "node:test";

import { Random } from "../../test/support/random.ts";

import { LineSplitter } from "./line-splitter.ts";
import { StreamRequest } from "../base/upstream.ts";
import { parsePreamble, PreambleReader } from "./preamble.ts";

const text = "one\n\ntwo and a half\nthree\nunfinished";

test("lines are the same however the bytes are split", () => {
  for (let size = 1; size <= text.length; size++) {
    const splitter = new LineSplitter(100);
    const lines: string[] = [];
    for (let start = 0; start < text.length; start += size) {
      assert.ok(splitter.push(Buffer.from(text.slice(start, start + size)), (line) => lines.push(line.toString())));
    }
    assert.deepEqual(lines, ["one", "", "two and a half", "three"], `pieces of ${size}`);
  }
});

test("a line of the longest length passes and one byte more does not, whole or in pieces", () => {
  for (const pieces of [1, 7]) {
    for (const [length, fits] of [
      [1_000, true],
      [1_001, false],
    ] as const) {
      const splitter = new LineSplitter(1_000);
      const line = Buffer.from(`${"x".repeat(length)}\n`);
      const size = Math.ceil(line.length / pieces);
      let ok = true;
      for (let start = 0; start < line.length; start += size) {
        ok = ok && splitter.push(line.subarray(start, start + size), () => {});
      }
      assert.equal(ok, fits);
    }
  }
});

test("a long line byte by byte is put together once", () => {
  const splitter = new LineSplitter(64 * 1024);
  const lines: Buffer[] = [];
  const line = Buffer.from(`${"ab".repeat(20_000)}\n`);
  for (const byte of line) splitter.push(Buffer.from([byte]), (bytes) => lines.push(bytes));
  assert.deepEqual(lines, [line.subarray(0, -1)]);
});

test("a preamble is read once for every client that repeats it, and UTF-8 is understood", () => {
  const reader = new PreambleReader();
  const bytes = Buffer.from('xx{"service":"söme","protocol":"tcp","client":"a:1","more":1}yy');
  const first = reader.read(bytes, 2, bytes.length - 2);
  assert.deepEqual(first, {
    service: "söme",
    protocol: "tcp",
    client: "a:1",
    relay: false,
    node: undefined,
    via: [],
    waitMs: 5_000,
    confirm: false,
  });
  assert.equal(reader.read(bytes, 2, bytes.length - 2), first);
});

test("a preamble is read right whatever thousands of others were read in between", () => {
  const reader = new PreambleReader();
  const used = Buffer.from('{"service":"used","protocol":"tcp"}');
  const first = reader.read(used, 0, used.length);
  for (let index = 0; index < 5_000; index++) {
    const other = Buffer.from(`{"service":"s","protocol":"tcp","client":"c:${index}"}`);
    assert.equal(reader.read(other, 0, other.length).client, `c:${index}`);
    assert.deepEqual(reader.read(other, 0, other.length), parsePreamble(String(other)));
    if (index % 100 === 0) assert.deepEqual(reader.read(used, 0, used.length), first);
  }
});

test("a reader of preambles takes what JSON takes, and means the same", () => {
  const random = new Random(8);
  const reader = new PreambleReader();
  const parts = [
    [
      '{"service":"a","protocol":"tcp"',
      '{"service":"b","protocol":"http/1.1","relay":true',
      '{"protocol":"udp","service":"c"',
    ],
    [
      "",
      ',"client":"x:1"',
      ',"client":"x\\"y"',
      ',"client":"ö"',
      ',"client":""',
      ',"labels":{"client":"n"}',
      '"',
      "}",
      ",",
    ],
    [
      "",
      "}",
      ',"client":"z:2"}',
      ',"client":"z\u0001"}',
      ',"more":{"a":1,"client":"m"}}',
      ',"client":"l"}}',
      ',"client" :"s"}',
    ],
  ] as const;
  const outcomeOf = (read: () => unknown): unknown => {
    try {
      return read();
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  let good = 0;
  for (let round = 0; round < 3_000; round++) {
    const line = parts.map((choices) => random.pick(choices)).join("");
    const bytes = Buffer.from(`<${line}>`);
    const expected = outcomeOf(() => parsePreamble(line));
    assert.deepEqual(
      outcomeOf(() => reader.read(bytes, 1, bytes.length - 1)),
      expected,
      line,
    );
    if (typeof expected === "object") good++;
  }
  assert.ok(good > 200 && good < 2_800, `${good} are good`);
});

test("what a request to relay says is what its opener wrote, and a wait has a limit", () => {
  const request = new StreamRequest("db", "tcp", "", "phone0", 30_000);
  const { relay, node, waitMs } = parsePreamble(request.ask("i", 2_000).preamble);
  assert.deepEqual([relay, node, waitMs], [true, "phone0", 2_000]);
  assert.equal(request.preamble, '{"service":"db","protocol":"tcp"}\n', "others need not know");
  assert.equal(parsePreamble('{"service":"a","protocol":"tcp","relay":true,"wait":1e9}').waitMs, 60_000);
});

test("a stream carries whom it has passed, each once", () => {
  const request = new StreamRequest("db", "tcp", "", undefined, 0, "done", ["a"]);
  const { via, node, waitMs } = parsePreamble(request.onward("b", "shed").preamble);
  assert.deepEqual([via, node, waitMs], [["a", "b"], "shed", 0]);
  assert.equal(request.onward("b", "shed"), request.onward("b", "shed"));
  assert.notEqual(request.onward("b", "shed"), request.onward("b", "other"));
});

for (const line of [
  "",
  '{"service":"a","protocol":"tcp","via":"a"}',
  '{"service":"a","protocol":"tcp","via":[""]}',
  `{"service":"a","protocol":"tcp","via":["${'a","'.repeat(16)}a"]}`,
  "nonsense",
  "null",
  "[]",
  '"text"',
  "{}",
  '{"service":"","protocol":"tcp"}',
  '{"service":"a"}',
  '{"service":"a","protocol":"h9"}',
  '{"service":1,"protocol":"tcp"}',
  '{"service":"a","protocol":"tcp","client":7}',
  `{"service":"${"a".repeat(254)}","protocol":"tcp"}`,
  '{"service":"two\\nlines","protocol":"tcp"}',
  '{"service":"a","protocol":"tcp","client":"two\\nlines"}',
  '{"service":"a","protocol":"tcp","relay":"yes"}',
  '{"service":"a","protocol":"tcp","node":""}',
  '{"service":"a","protocol":"tcp","wait":-1}',
]) {
  test(`is no preamble: ${line.slice(0, 40)}`, () => {
    assert.throws(() => parsePreamble(line), { code: "PREAMBLE_INVALID" });
  });
}
