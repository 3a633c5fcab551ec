import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyReader, ChunkedDecoder } from "./body-framing.ts";

test("a message without a body takes nothing", () => {
  const reader = new BodyReader("BAD_REQUEST");
  reader.start("none");
  assert.equal(reader.done, true);
  assert.equal(reader.take(bytes("GET /")), 0);
});

test("a length is counted over chunks, and what follows is left", () => {
  const reader = new BodyReader("BAD_REQUEST");
  reader.start("length", 10);
  assert.equal(reader.take(bytes("12345")), 5);
  assert.equal(reader.done, false);
  assert.equal(reader.mayEnd, false);
  assert.equal(reader.take(bytes("67890GET")), 5);
  assert.equal(reader.done, true);
  assert.equal(reader.take(bytes("GET")), 0);
});

test("a body without an end takes everything and may end at any time", () => {
  for (const kind of ["close", "tunnel"] as const) {
    const reader = new BodyReader("TARGET_PROTOCOL");
    reader.start(kind);
    assert.equal(reader.take(bytes("0\r\n\r\n")), 5);
    assert.equal(reader.done, false);
    assert.equal(reader.mayEnd, true);
  }
});

test("one reader serves one body after another, whatever became of the last", () => {
  const reader = new BodyReader("BAD_REQUEST");
  reader.start("chunked");
  reader.take(bytes("zz"));
  assert.notEqual(reader.problem, undefined);
  reader.start("chunked");
  assert.equal(reader.problem, undefined);
  assert.equal(reader.take(bytes("5;a\r\n12")), 7);
  reader.start("chunked");
  assert.equal(reader.take(bytes("1\r\nx\r\n0\r\nA: b\r\n\r\nrest")), 17);
  assert.equal(reader.done, true);
  reader.start("length", 1);
  assert.equal(reader.done, false);
});

const accepted: readonly (readonly [sentence: string, body: string, payload: string])[] = [
  ["an empty body", "0\r\n\r\n", ""],
  ["one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["several chunks", "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", "hello world"],
  ["sizes in hexadecimal, any case", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"],
  ["leading zeros", "0000000000000005\r\nhello\r\n000\r\n\r\n", "hello"],
  ["payload that looks like framing", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"],
  ["an extension", "5;name\r\nhello\r\n0\r\n\r\n", "hello"],
  ["an extension with a value", "5;name=value\r\nhello\r\n0;last=1\r\n\r\n", "hello"],
  ["several extensions", "5;a;b=c;d\r\nhello\r\n0\r\n\r\n", "hello"],
  ["a quoted value", '5;a="b;c \\"d\\" \t\xe9"\r\nhello\r\n0\r\n\r\n', "hello"],
  ["more behind a quoted value", '5;a="";b="x"\r\nhello\r\n0\r\n\r\n', "hello"],
  ["trailers", "5\r\nhello\r\n0\r\nX-Checksum: abc\r\nServer-Timing: x\r\n\r\n", "hello"],
  ["an empty trailer value", "0\r\nX:\r\n\r\n", ""],
];

/** What goes on of a body that comes a byte at a time, behind each of its bytes. */
function stepsOf(body: string, code: "BAD_REQUEST" | "TARGET_PROTOCOL"): string[] {
  const reader = new BodyReader(code);
  reader.start("chunked");
  let passed = "";
  return Array.from(bytes(body), (byte) => {
    const chunk = Buffer.of(byte);
    reader.take(chunk);
    if (reader.problem === undefined) passed += reader.goingOn(chunk).toString("latin1");
    return passed;
  });
}

test("a trailer line goes on when it is whole, and not a byte of it before", () => {
  const last = "0\r\n";
  const lines = ["A: b\r\n", "Count:3\r\n", "\r\n"];
  const steps = stepsOf(last + lines.join(""), "BAD_REQUEST").slice(last.length);
  let whole = last;
  for (const line of lines) {
    const held = steps.splice(0, line.length);
    const goesOn = held.pop();
    assert.deepEqual(new Set(held), new Set([whole]));
    whole += line;
    assert.equal(goesOn, whole);
  }
});

test("of a trailer line that is refused nothing goes on, wherever it is wrong", () => {
  for (const wrong of [
    "\rGET /smug HTTP/1.0\r\r",
    "A: \0",
    "A: b\rC",
    "A b",
    ": b",
    " A",
    "Content-Length: 1\r\n",
    "A\n",
  ]) {
    assert.equal(stepsOf(`0\r\n${wrong}\r\n\r\n`, "BAD_REQUEST").at(-1), "0\r\n", JSON.stringify(wrong));
    assert.equal(stepsOf(`0\r\nX: y\r\n${wrong}\r\n\r\n`, "TARGET_PROTOCOL").at(-1), "0\r\nX: y\r\n");
  }
});

test("blanks before the colon of an answer's trailer are taken out, and everything beside them goes on as it came", () => {
  const body = "2\r\nok\r\n0\r\nA: b\r\nC \t:  d \r\nE:f\r\n\r\n";
  const mended = body.replace("C \t:", "C:");
  assert.equal(stepsOf(body, "TARGET_PROTOCOL").at(-1), mended);
  for (let at = 0; at < body.length; at++) {
    const reader = new BodyReader("TARGET_PROTOCOL");
    reader.start("chunked");
    let passed = "";
    for (const part of [bytes(body.slice(0, at)), bytes(body.slice(at))]) {
      reader.take(part);
      passed += reader.goingOn(part).toString("latin1");
    }
    assert.equal(passed, mended, `cut at ${at}`);
    assert.equal(reader.done, true);
  }
});

test("a trailer in the spelling with a blank is one that is forbidden, too", () => {
  assert.match(readAll(bytes("0\r\nContent-Length : 5\r\n\r\n"), 1000, "TARGET_PROTOCOL").reason, /the trailer field/);
});

for (const [sentence, body, payload] of accepted) {
  test(`chunked: ${sentence}`, () => {
    const input = bytes(`${body}GET / HTTP/1.1\r\n`);
    for (const step of [1, 2, 3, 1000]) {
      const read = readAll(input, step);
      assert.equal(read.reason, "");
      assert.equal(read.taken, body.length);
      assert.equal(read.done, true);
      assert.equal(read.payload, payload);
    }
  });
}

const refused: readonly (readonly [sentence: string, body: string, reason: RegExp])[] = [
  ["an empty size", "\r\nhello", /0x0d in a chunk size/],
  ["a size with a prefix", "0x5\r\nhello", /"x" in a chunk size/],
  ["a size with a plus", "+5\r\nhello", /"\+" in a chunk size/],
  ["a size with a minus", "-5\r\nhello", /"-" in a chunk size/],
  ["a blank before the size", " 5\r\nhello", /0x20 in a chunk size/],
  ["a blank after the size", "5 \r\nhello", /0x20 in a chunk size/],
  ["a tab after the size", "5\t\r\nhello", /0x09 in a chunk size/],
  ["a blank before an extension", "5 ;a\r\nhello", /0x20 in a chunk size/],
  ["an underscore in a size", "1_0\r\nhello", /"_" in a chunk size/],
  ["a letter beyond f", "5g\r\nhello", /"g" in a chunk size/],
  ["a comma", "5,5\r\nhello", /"," in a chunk size/],
  ["a quoted size", '"5"\r\nhello', /in a chunk size/],
  ["NUL in a size", "5\0\r\nhello", /0x00 in a chunk size/],
  ["a byte above ASCII", "\xb2\r\nhello", /0xb2 in a chunk size/],
  ["a bare line feed after a size", "5\nhello", /0x0a in a chunk size/],
  ["a bare carriage return after a size", "5\rhello", /"h" after the carriage return of a chunk size/],
  ["CR CR LF after a size", "5\r\r\nhello", /0x0d after the carriage return of a chunk size/],
  ["a size of 2^53", "20000000000000\r\n", /beyond 2\^53/],
  ["a size of 2^64 + 5", "10000000000000005\r\n", /beyond 2\^53|more than 16/],
  ["a size of 17 digits", "00000000000000005\r\n", /more than 16 digits/],
  ["a size without end", "0".repeat(500), /more than 16 digits/],
  ["data shorter than its size", "5\r\nhell\r\n0\r\n\r\n", /after the data of a chunk|after the carriage/],
  ["data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", /"!" after the data/],
  ["data that ends with a bare line feed", "5\r\nhello\n0\r\n\r\n", /0x0a after the data/],
  ["data that ends with a bare carriage return", "5\r\nhello\r0\r\n\r\n", /"0" after the carriage return of a chunk/],
  ["an empty extension", "5;\r\nhello", /0x0d in a chunk extension/],
  ["two semicolons", "5;;a\r\nhello", /";" in a chunk extension/],
  ["an extension without a name", "5;=a\r\nhello", /"=" in a chunk extension/],
  ["an extension without a value", "5;a=\r\nhello", /0x0d in a chunk extension/],
  ["a blank in an extension", "5; a\r\nhello", /0x20 in a chunk extension/],
  ["a bare line feed in an extension", "5;a\nhello", /0x0a in a chunk extension/],
  ["a bare line feed in a quoted value", '5;a="\n"\r\nhello', /0x0a in a chunk extension/],
  ["CRLF in a quoted value", '5;a="\r\n"\r\nhello', /0x0d in a chunk extension/],
  ["an escaped line feed", '5;a="\\\n"\r\nhello', /0x0a in a chunk extension/],
  ["NUL in a quoted value", '5;a="\0"\r\nhello', /0x00 in a chunk extension/],
  ["text behind a quoted value", '5;a="b"c\r\nhello', /"c" in a chunk extension/],
  ["a quote within a token", '5;a=b"c"\r\nhello', /in a chunk extension/],
  ["endless extensions", `5;${"a".repeat(1000)}`, /more than 256 bytes/],
  ["an endless quoted value", `5;a="${"b".repeat(1000)}`, /more than 256 bytes/],
  ["a bare line feed for the last line", "0\r\n\n", /0x0a/],
  ["a trailer that ends with a bare line feed", "0\r\nX: y\n\r\n", /trailer section/],
  [
    "a bare carriage return in a trailer",
    "0\r\nX: y\rZ: a\r\n\r\n",
    /"Z" after a carriage return in the trailer section/,
  ],
  ["a folded trailer", "0\r\nX: y\r\n z\r\n\r\n", /folded.*trailer/],
  ["a trailer without a colon", "0\r\nX\r\n\r\n", /trailer section/],
  ["a blank before a trailer's colon", "0\r\nX : y\r\n\r\n", /0x20 in the name of a field in the trailer/],
  ["NUL in a trailer", "0\r\nX: \0\r\n\r\n", /0x00.*trailer/],
  ["a request for a trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", /in the name/],
  ["an endless trailer", `0\r\nX: ${"y".repeat(9000)}`, /more than 8192 bytes/],
  ["endless trailers", `0\r\n${"X: y\r\n".repeat(2000)}`, /more than 8192 bytes/],
];

for (const [sentence, body, reason] of refused) {
  test(`refused in chunks: ${sentence}`, () => {
    for (const step of [1, 3, 10_000]) {
      const read = readAll(bytes(body), step);
      assert.match(read.reason, reason);
      assert.equal(read.done, false);
    }
  });
}

const forbidden = ["Content-Length", "Transfer-Encoding", "transfer_encoding", "Host", "Connection", "Trailer", "TE"];
for (const name of [
  ...forbidden,
  "Authorization",
  "Cookie",
  "Set-Cookie",
  "X-Forwarded-For",
  "X_Forwarded_Host",
  "Forwarded",
  "Proxy-Authorization",
  "X-Service-Id",
  "Content-Type",
]) {
  test(`refused in trailers: ${name}`, () => {
    assert.match(readAll(bytes(`0\r\n${name}: 5\r\n\r\n`), 1000).reason, /the trailer field/);
  });
}

test("a body that breaks the rules is the fault of who sent it", () => {
  for (const code of ["BAD_REQUEST", "TARGET_PROTOCOL"] as const) {
    const reader = new BodyReader(code);
    reader.start("chunked");
    reader.take(bytes("x"));
    assert.equal(reader.problem?.code, code);
    assert.equal(reader.done, false);
    assert.equal(reader.mayEnd, false);
  }
});

test("a payload beyond the limit is refused when it is announced", () => {
  const refusal = (kind: "length" | "chunked", length: number, body: string) => {
    const reader = new BodyReader("BAD_REQUEST", 10);
    reader.start(kind, length);
    reader.take(bytes(body));
    return reader.problem?.code;
  };
  assert.equal(refusal("length", 10, ""), undefined);
  assert.equal(refusal("length", 11, ""), "BODY_TOO_LARGE");
  assert.equal(refusal("chunked", 0, "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"), undefined);
  assert.equal(refusal("chunked", 0, "5\r\nhello\r\n6\r\nw"), "BODY_TOO_LARGE");
});

test("a size that is announced but not sent is noticed before its data", () => {
  const reader = new BodyReader("BAD_REQUEST", 10);
  reader.start("chunked");
  reader.take(bytes("ffffffff\r\n"));
  assert.equal(reader.problem?.code, "BODY_TOO_LARGE");
});

test("a large chunk is passed in slices without a copy", () => {
  const decoder = new ChunkedDecoder("TARGET_PROTOCOL");
  const payload: Buffer[] = [];
  const data = Buffer.alloc(100_000, "x");
  decoder.take(bytes("186a0\r\n"), payload);
  for (let at = 0; at < data.length; at += 40_000) decoder.take(data.subarray(at, at + 40_000), payload);
  decoder.take(bytes("\r\n0\r\n\r\n"), payload);
  assert.equal(decoder.done, true);
  assert.deepEqual(
    payload.map((slice) => slice.length),
    [40_000, 40_000, 20_000],
  );
  assert.equal(payload[0]?.buffer, data.buffer);
});

test("a decoder starts again after a reset", () => {
  const decoder = new ChunkedDecoder("TARGET_PROTOCOL");
  const payload: Buffer[] = [];
  decoder.take(bytes("z"), payload);
  assert.equal(decoder.problem?.code, "TARGET_PROTOCOL");
  decoder.reset();
  assert.equal(decoder.take(bytes("2\r\nab\r\n0\r\n\r\n"), payload), 12);
  assert.equal(Buffer.concat(payload).toString(), "ab");
});

/** Reads one chunked body with reader and decoder, in pieces of `step` bytes; they must agree. */
interface ReadAll {
  readonly taken: number;
  readonly done: boolean;
  readonly reason: string;
  readonly payload: string;
}

function readAll(input: Buffer, step: number, code: "BAD_REQUEST" | "TARGET_PROTOCOL" = "BAD_REQUEST"): ReadAll {
  const reader = new BodyReader(code);
  const decoder = new ChunkedDecoder(code);
  const payload: Buffer[] = [];
  reader.start("chunked");
  let taken = 0;
  for (let at = 0; at < input.length; at += step) {
    const piece = input.subarray(at, at + step);
    const count = reader.take(piece);
    assert.equal(decoder.take(piece, payload), count);
    taken += count;
    if (reader.done || reader.problem !== undefined) break;
  }
  assert.equal(decoder.done, reader.done);
  assert.equal(decoder.problem?.reason, reader.problem?.reason);
  const reason = reader.problem?.reason ?? "";
  return { taken, done: reader.done, reason, payload: Buffer.concat(payload).toString("latin1") };
}

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
