/**
 * Invariant: whatever bytes begin a TLS connection, the reader decides the same about them whole, byte by byte and cut
 * anywhere, within its bound, and it never throws. A name that it finds is a plain host name.
 */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { ClientHelloReader, HELLO_RECORDS_BYTES_MAX, type HelloReading } from "../../src/base/client-hello.ts";
import { extension, hello, records, serverName } from "../support/client-hellos.ts";
import { Random } from "../support/random.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_121);
const INPUTS = 10_000;

test("whatever begins a connection is read the same however it is cut", async () => {
  const random = new Random(SEED);
  const real = await realHello();
  assert.deepEqual(readInPieces(real, () => 7)[0], { kind: "hello", name: "real.test" });
  const kinds = { more: 0, hello: 0, invalid: 0 };
  for (let input = 0; input < INPUTS; input++) {
    const bytes = mutated(random, random.oneIn(3) ? real : made(random));
    const [whole] = readInPieces(bytes, () => bytes.length);
    kinds[whole.kind]++;
    if (whole.kind === "hello") assert.match(whole.name, /^[a-z0-9_.-]*$/);
    for (const size of [() => 1, () => 1 + random.below(40)]) {
      const [reading, at] = readInPieces(bytes, size);
      assert.deepEqual(reading, whole, bytes.toString("hex"));
      assert.ok(reading.kind !== "more" || at <= HELLO_RECORDS_BYTES_MAX + 40, "an endless hello");
    }
  }
  for (const [kind, count] of Object.entries(kinds)) assert.ok(count > INPUTS / 20, `${count} inputs were ${kind}`);
});

function readInPieces(bytes: Buffer, size: () => number): [HelloReading, number] {
  const reader = new ClientHelloReader();
  for (let at = 0; ;) {
    const next = Math.min(bytes.length, at + size());
    const reading = reader.push(bytes.subarray(at, next));
    at = next;
    if (reading.kind !== "more" || at === bytes.length) return [reading, at];
  }
}

function made(random: Random): Buffer {
  const extensions = [serverName(random.pick(["a.test", "B.Test", "x_y.z-1"])), extension(0x0a0a, random.bytes(4))];
  for (let more = random.below(4); more > 0; more--) {
    extensions.push(extension(random.below(60), random.bytes(random.below(30))));
  }
  return records(hello(random.oneIn(8) ? undefined : extensions), random.pick([1, 3, 50, 16_384]));
}

function mutated(random: Random, original: Buffer): Buffer {
  let bytes = Buffer.from(original);
  for (let rounds = random.below(3); rounds > 0; rounds--) {
    const at = random.below(bytes.length);
    const kind = random.below(4);
    if (kind === 0) bytes[at] = random.below(256);
    else if (kind === 1) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    else if (kind === 2) bytes = bytes.subarray(0, Math.max(1, at));
    else bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(3)), bytes.subarray(at)]);
  }
  return bytes;
}

/** What Node's own TLS says first. */
function realHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const medium = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        done();
        resolve(chunk);
        setImmediate(() => client.destroy());
      },
    });
    const client = connect({ socket: medium, servername: "real.test", ALPNProtocols: ["h2", "http/1.1"] });
    client.on("error", () => {});
  });
}
