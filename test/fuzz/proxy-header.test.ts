/**
 * Invariant: whatever bytes begin a connection, the reader decides the same about them whole, byte by byte and cut anywhere,
 * within its bound, and what it reads is what an encoder writes and it reads again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeProxyV1, encodeProxyV2, type ProxyAddresses } from "../../src/base/proxy-header.ts";
import { PROXY_HEADER_BYTES_MAX, type ProxyReading, readProxyHeader } from "../../src/base/proxy-header-reader.ts";
import { Random } from "../support/random.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_121);
const INPUTS = 20_000;

test("whatever begins a connection is read the same however it is cut", () => {
  const random = new Random(SEED);
  const kinds = { more: 0, header: 0, invalid: 0 };
  for (let input = 0; input < INPUTS; input++) {
    const bytes = beginning(random);
    const whole = readProxyHeader(bytes);
    kinds[whole.kind]++;
    for (const step of [1, 0]) {
      const [reading, at] = readInPieces(bytes, step === 1 ? () => 1 : () => 1 + random.below(30));
      assert.equal(reading.kind, whole.kind, bytes.toString("hex"));
      if (reading.kind === "header") assert.deepEqual(reading, whole);
      if (step === 1 && reading.kind === "header") assert.equal(at, reading.bytes, "decided with its last byte");
      assert.ok(reading.kind !== "more" || at <= PROXY_HEADER_BYTES_MAX, "an endless header");
    }
    if (whole.kind === "header") survivesRewriting(whole);
  }
  for (const [kind, count] of Object.entries(kinds)) assert.ok(count > INPUTS / 20, `${count} inputs were ${kind}`);
});

function readInPieces(bytes: Buffer, size: () => number): [ProxyReading, number] {
  for (let at = 0; ;) {
    at = Math.min(bytes.length, at + size());
    const reading = readProxyHeader(bytes.subarray(0, at));
    if (reading.kind !== "more" || at === bytes.length) return [reading, at];
  }
}

function survivesRewriting({ header }: ProxyReading & { kind: "header" }): void {
  const { addresses, extras } = header;
  // A path that is not UTF-8 comes back as what stands for it.
  if (addresses?.family === "unix") return;
  const again = readProxyHeader(encodeProxyV2(addresses, { checksum: true, extras: { uniqueId: extras.uniqueId } }));
  assert.ok(again.kind === "header");
  assert.deepEqual(again.header.addresses, addresses);
  const line = readProxyHeader(encodeProxyV1(addresses));
  assert.ok(line.kind === "header" && line.bytes <= 107);
  if (addresses?.transport === "stream") assert.deepEqual(line.header.addresses, addresses);
}

function beginning(random: Random): Buffer {
  const addresses = randomAddresses(random);
  const header = random.oneIn(2)
    ? encodeProxyV1(addresses)
    : encodeProxyV2(addresses, {
        command: random.oneIn(8) ? "local" : "proxy",
        checksum: random.oneIn(2),
        extras: {
          ...(random.oneIn(3) ? { alpn: "h2" } : {}),
          ...(random.oneIn(3) ? { authority: "a".repeat(random.below(40)) } : {}),
          ...(random.oneIn(4) ? { uniqueId: random.bytes(random.below(132)) } : {}),
        },
      });
  const bytes = Buffer.concat([header, random.bytes(random.below(20))]);
  if (random.oneIn(2)) for (let times = random.below(4); times > 0; times--) damage(bytes, random);
  return random.oneIn(6) ? bytes.subarray(0, 1 + random.below(bytes.length)) : bytes;
}

function damage(bytes: Buffer, random: Random): void {
  const at = random.below(bytes.length);
  bytes[at] = random.oneIn(2) ? bytes[at]! ^ (1 << random.below(8)) : random.pick([0, 10, 13, 32, 48, 57, 255]);
}

function randomAddresses(random: Random): ProxyAddresses | undefined {
  const transport = random.oneIn(5) ? "datagram" : "stream";
  const port = (): number => random.below(65_536);
  switch (random.below(4)) {
    case 0:
      return undefined;
    case 1: {
      const host = (): string => [0, 0, 0, 0].map(() => random.below(256)).join(".");
      return {
        family: "inet",
        transport,
        source: { host: host(), port: port() },
        destination: { host: host(), port: port() },
      };
    }
    case 2: {
      const host = (): string =>
        Array.from({ length: 8 }, () => random.pick([0, 1, 0xffff, port()]).toString(16)).join(":");
      return {
        family: "inet6",
        transport,
        source: { host: host(), port: port() },
        destination: { host: host(), port: port() },
      };
    }
    default:
      return { family: "unix", transport, source: "/a".repeat(random.below(60)), destination: "" };
  }
}
