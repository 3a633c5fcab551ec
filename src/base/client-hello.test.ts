import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientHelloReader, HELLO_BYTES_MAX, HELLO_RECORDS_BYTES_MAX, type HelloReading } from "./client-hello.ts";
import { extension, handshake, hello, records, serverName } from "../../test/support/client-hellos.ts";

function read(bytes: Buffer): HelloReading {
  return new ClientHelloReader().push(bytes);
}

function nameIn(bytes: Buffer): string {
  const reading = read(bytes);
  return reading.kind === "hello" ? reading.name : reading.kind;
}

test("the name is found among extensions that are not known, in lower case", () => {
  const grease = extension(0x2a2a, Buffer.alloc(0));
  const ech = extension(0xfe0d, Buffer.alloc(200, 7));
  const bytes = records(hello([grease, ech, serverName("App.Example.COM"), extension(16, Buffer.from("x"))]));
  assert.equal(nameIn(bytes), "app.example.com");
  assert.equal(nameIn(records(hello([grease, ech]))), "", "none is asked for");
  assert.equal(nameIn(records(hello(undefined))), "", "no extensions at all");
});

test("a hello may come byte by byte, and in records of any size", () => {
  const message = hello([serverName("a.test"), extension(21, Buffer.alloc(3000))]);
  for (const recordBytes of [1, 2, 3, 4, 5, 511, 16_384]) {
    const bytes = records(message, recordBytes);
    assert.equal(nameIn(bytes), "a.test", `records of ${recordBytes}`);
    const reader = new ClientHelloReader();
    for (let at = 0; at < bytes.length; at++) {
      const reading = reader.push(bytes.subarray(at, at + 1));
      assert.equal(reading.kind, at === bytes.length - 1 ? "hello" : "more");
    }
  }
});

test("what follows the hello, such as early data, is not looked at", () => {
  assert.equal(nameIn(Buffer.concat([records(hello([serverName("a.test")])), Buffer.alloc(100, 0xff)])), "a.test");
});

test("what is no TLS is told from TLS that is broken", () => {
  const cases: readonly [Buffer, boolean][] = [
    [Buffer.from("GET / HTTP/1.1\r\n"), false],
    [Buffer.from([0x80, 0x2e, 0x01, 0x00, 0x02]), false],
    [Buffer.from([0x16, 0x02, 0x00]), true],
    [Buffer.from([0x16, 0x03, 0x01, 0x00, 0x00]), true],
    [Buffer.from([0x16, 0x03, 0x01, 0x40, 0x01]), true],
    [records(handshake(2, Buffer.alloc(40))), true],
    [Buffer.concat([records(Buffer.from([1])), Buffer.from([0x17, 3, 3, 0, 1, 0])]), true],
  ];
  for (const [bytes, isTls] of cases) {
    const reading = read(bytes);
    assert.ok(reading.kind === "invalid", bytes.toString("hex"));
    assert.equal(reading.isTls, isTls, bytes.toString("hex"));
  }
});

test("a hello that two could read in two ways is refused", () => {
  const good = hello([serverName("a.test")]);
  const name = Buffer.from("a.test");
  const entry = Buffer.concat([Buffer.from([0, 0, name.length]), name]);
  const list = (content: Buffer): Buffer => extension(0, Buffer.concat([Buffer.from([0, content.length]), content]));
  const malformed: readonly Buffer[] = [
    hello([serverName("a.test"), serverName("b.test")]),
    hello([extension(10, Buffer.alloc(2)), extension(10, Buffer.alloc(2))]),
    hello([list(Buffer.concat([entry, entry]))]),
    hello([list(Buffer.alloc(0))]),
    hello([list(Buffer.from([1, 0, 1, 97]))]),
    hello([extension(0, Buffer.concat([Buffer.from([0, entry.length]), entry, Buffer.from([0])]))]),
    ...["", ".a", "a.", "a..b", "a b", "a\0b", "ä.test", "a/b", "x".repeat(256)].map((odd) => hello([serverName(odd)])),
    handshake(1, good.subarray(4, -1)),
    handshake(1, Buffer.concat([good.subarray(4), Buffer.from([0])])),
    handshake(1, Buffer.alloc(0)),
    handshake(1, Buffer.alloc(34)),
  ];
  for (const message of malformed) {
    const reading = read(records(message));
    assert.ok(reading.kind === "invalid" && reading.isTls, `${message.toString("latin1")} was read as ${reading.kind}`);
  }
});

test("a hello is bounded, and so are the records that it comes in", () => {
  const long = Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0x40, 0x01]);
  assert.match(
    (read(long) as { reason?: string }).reason ?? "",
    new RegExp(`its hello has ${HELLO_BYTES_MAX + 1} bytes`),
  );
  const whole = hello([serverName("a.test"), extension(21, Buffer.alloc(HELLO_BYTES_MAX - 120))]);
  assert.equal(nameIn(records(whole)), "a.test");
  const reader = new ClientHelloReader();
  const crumbs = records(whole, 1);
  let sent = 0;
  let reading: HelloReading = { kind: "more" };
  while (reading.kind === "more") reading = reader.push(crumbs.subarray(sent, (sent += 1000)));
  assert.equal(reading.kind, "invalid");
  assert.ok(sent <= HELLO_RECORDS_BYTES_MAX + 1000);
});
