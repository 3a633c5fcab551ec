import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "./crc32c.ts";
import { encodeProxyV1, encodeProxyV2, type ProxyAddresses } from "./proxy-header.ts";
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from "./proxy-header-reader.ts";

const TCP4: ProxyAddresses = {
  family: "inet",
  transport: "stream",
  source: { host: "192.0.2.7", port: 56324 },
  destination: { host: "198.51.100.1", port: 443 },
};
const TCP6: ProxyAddresses = {
  family: "inet6",
  transport: "stream",
  source: { host: "2001:db8::7", port: 1 },
  destination: { host: "::1", port: 65_535 },
};
const UNIX: ProxyAddresses = { family: "unix", transport: "datagram", source: "/run/a.sock", destination: "" };
const FIXED = "0d0a0d0a000d0a515549540a";

function v1(line: string): ReturnType<typeof readProxyHeader> {
  return readProxyHeader(Buffer.from(line, "latin1"));
}

function v2(rest: string): ReturnType<typeof readProxyHeader> {
  return readProxyHeader(Buffer.from(FIXED + rest.replaceAll(" ", ""), "hex"));
}

function refusal(reading: ReturnType<typeof readProxyHeader>): string {
  return reading.kind === "invalid"
    ? reading.reason
    : assert.fail(`expected a refusal, got ${JSON.stringify(reading)}`);
}

test("version 1 is written and read back", () => {
  const line = encodeProxyV1(TCP4).toString();
  assert.equal(line, "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
  assert.deepEqual(v1(`${line}GET / HTTP/1.1\r\n`), {
    kind: "header",
    bytes: line.length,
    header: { version: 1, command: "proxy", addresses: TCP4, extras: {} },
  });
  assert.equal(encodeProxyV1(TCP6).toString(), "PROXY TCP6 2001:db8::7 ::1 1 65535\r\n");
  assert.equal(encodeProxyV1(UNIX).toString(), "PROXY UNKNOWN\r\n");
  assert.equal(encodeProxyV1(undefined).toString(), "PROXY UNKNOWN\r\n");
});

test("version 1 UNKNOWN says nothing, whatever stands behind it, up to 107 bytes in all", () => {
  for (const rest of ["", " ", " a b c", ` ${"f".repeat(107 - "PROXY UNKNOWN ".length - 2)}`]) {
    const reading = v1(`PROXY UNKNOWN${rest}\r\nX`);
    assert.ok(reading.kind === "header" && reading.header.addresses === undefined, rest);
    assert.equal(reading.bytes, 15 + rest.length);
  }
  assert.match(refusal(v1(`PROXY UNKNOWN ${"f".repeat(107 - "PROXY UNKNOWN ".length - 1)}\r\n`)), /longer than 107/);
});

test("version 1 takes nothing that is only nearly right", () => {
  const wrong = [
    "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
    "PROXY TCP4 192.0.2.7\r198.51.100.1 56324 443\r\n",
    "PROXY TCP4  192.0.2.7 198.51.100.1 56324 443\r\n",
    "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
    "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
    "PROXY TCP4 192.0.2.07 198.51.100.1 56324 443\r\n",
    "PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
    "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
    "PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n",
    "PROXY TCP4 ::1 ::1 1 2\r\n",
    "PROXY TCP6 192.0.2.7 ::1 1 2\r\n",
    "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
    "PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
    "PROXY\tTCP4 192.0.2.7 198.51.100.1 1 2\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY \r\n",
    "proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
    " PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
    "GET / HTTP/1.1\r\n",
    "\x16\x03\x01",
  ];
  for (const line of wrong) refusal(v1(line));
});

test("version 2 is written and read back, for each family", () => {
  for (const addresses of [TCP4, TCP6, UNIX, { ...TCP4, transport: "datagram" } as const]) {
    for (const checksum of [false, true]) {
      const bytes = encodeProxyV2(addresses, { checksum });
      const reading = readProxyHeader(Buffer.concat([bytes, Buffer.from("rest")]));
      assert.ok(reading.kind === "header");
      assert.equal(reading.bytes, bytes.length);
      assert.deepEqual(reading.header.addresses, addresses);
    }
  }
  assert.equal(encodeProxyV2(TCP4).toString("hex"), `${FIXED}2111000cc0000207c6336401dc0401bb`);
  assert.equal(encodeProxyV2(undefined).toString("hex"), `${FIXED}21000000`);
  assert.equal(encodeProxyV2(TCP4, { command: "local" }).toString("hex"), `${FIXED}20000000`);
});

test("version 2 LOCAL, and what is not specified, tells no address whatever follows", () => {
  for (const rest of [
    "20000000",
    "2011000c c0000207c6336401dc0401bb",
    "20ff0002 0000",
    "21000003 ffffff",
    "21100002 0102",
    "21010000",
  ]) {
    const reading = v2(`${rest} 4745`);
    assert.ok(reading.kind === "header", rest);
    assert.equal(reading.header.addresses, undefined);
    assert.equal(reading.bytes, 16 + Number.parseInt(rest.slice(4, 8), 16));
  }
});

test("version 2 with another version, command, family or protocol, or too few bytes for it, is refused", () => {
  for (const start of ["11", "31", "22", "2f", "2141", "2113", "211f", "21f1"]) refusal(v2(start));
  assert.match(refusal(v2("2111000b")), /11 bytes/);
  assert.match(refusal(v2("21210023")), /35 bytes/);
  assert.match(refusal(v2("213100d7")), /215 bytes/);
  assert.match(refusal(v2("2111ffff")), new RegExp(`more than ${PROXY_HEADER_BYTES_MAX}`));
  assert.equal(v2("2111000c c0000207").kind, "more");
});

test("extensions are read, and those that nobody knows are passed over", () => {
  const uniqueId = Buffer.from("0102", "hex");
  const tls = { client: 7, verified: true, version: "TLSv1.3", commonName: "crème", cipher: "X" };
  const extras = { alpn: "h2", authority: "app.example.com", uniqueId, tls, namespace: "blue" };
  for (const checksum of [false, true]) {
    const bytes = encodeProxyV2(TCP6, { extras, checksum });
    const reading = readProxyHeader(bytes);
    assert.ok(reading.kind === "header");
    assert.deepEqual(reading.header.extras, extras);
  }
  // NOOP twice, a type of the range for applications, an empty one.
  assert.equal(v2("21110016 c0000207c6336401dc0401bb 04000100 040000 e0 0000").kind, "header");
});

test("a checksum that is there must be right", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe306_9283);
  const bytes = encodeProxyV2(TCP4, { checksum: true, extras: { authority: "a" } });
  for (let at = 13; at < bytes.length; at++) {
    if (at === 14 || at === 15) continue;
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1;
    assert.notEqual(readProxyHeader(damaged).kind === "header" && at >= 16, true, `byte ${at}`);
  }
  assert.equal(refusal(v2("20000007 030004 00000000")), "its checksum is wrong", "of LOCAL too");
});

test("extensions that are broken or contradict one another are refused", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["01", /beyond its end/],
    ["0100", /beyond its end/],
    ["010005 61", /beyond its end/],
    ["010001 61 010001 62", /stands twice/],
    ["030003 000000", /instead of 4/],
    [`050081 ${"00".repeat(129)}`, /unique id/],
    ["200004 00000000", /fewer than 5/],
    ["200006 0000000000 21", /in its TLS extension/],
  ];
  for (const [tlvs, reason] of wrong) {
    const block = `c0000207c6336401dc0401bb${tlvs}`.replaceAll(" ", "");
    const length = (block.length / 2).toString(16).padStart(4, "0");
    assert.match(refusal(v2(`2111${length}${block}`)), reason, tlvs);
  }
});

test("a beginning that no header has is refused with its first byte", () => {
  assert.equal(v1("").kind, "more");
  for (const [text, kind] of [
    ["P", "more"],
    ["PR", "more"],
    ["PO", "invalid"],
    ["\r", "more"],
    ["\r\n\r\n", "more"],
    ["\r\r", "invalid"],
    ["G", "invalid"],
  ] as const) {
    assert.equal(v1(text).kind, kind, JSON.stringify(text));
  }
});
