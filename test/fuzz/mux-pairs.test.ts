/**
 * Invariant: whatever two users do with their streams and however the network cuts and delays, bytes arrive in order and
 * once, the end behind all of them, a reset is the last word, nothing deadlocks once readers read, nobody goes past the
 * resets that the other takes, and everything is given back at the end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import type { ByteSink } from "../../src/base/byte-stream.ts";
import { PolarityError } from "../../src/base/errors.ts";
import type { MuxStream } from "../../src/mux/mux-stream.ts";
import { Random } from "../support/random.ts";
import { VirtualNetwork, type VirtualSide } from "../support/virtual-network.ts";

const RUNS = 250;
const STEPS_MAX = 400_000;
const QUEUE_BYTES_MAX = 64 * 1024;
const WRITE_BYTES_MAX = 96 * 1024;
const gone = new PolarityError("CLIENT_GONE", "the user reset the stream");

/** The byte that stands at an offset of a stream's direction; streams and directions differ. */
function byteAt(id: number, fromOpener: boolean, offset: number): number {
  return (offset * 31 + (offset >>> 8) * 7 + id * 13 + (fromOpener ? 5 : 0)) & 0xff;
}

class User implements ByteSink {
  readonly stream: MuxStream;
  readonly side: VirtualSide;
  written = 0;
  received = 0;
  unconsumed = 0;
  maySendMore = true;
  ended = false;
  peerEnded = false;
  over = false;
  peer: User | undefined;
  readonly #random: Random;
  readonly #resets: boolean;

  constructor(stream: MuxStream, side: VirtualSide, random: Random, resets: boolean) {
    this.stream = stream;
    this.side = side;
    this.#random = random;
    this.#resets = resets;
    stream.sink = this;
  }

  data(chunk: Buffer): void {
    assert.equal(this.over, false, "data after a reset");
    assert.equal(this.peerEnded, false, "data after the end");
    for (let at = 0; at < chunk.length; at++) {
      if (chunk[at] !== byteAt(this.stream.id, !this.stream.openedLocally, this.received + at)) {
        assert.fail(`stream ${this.stream.id}: another byte at ${this.received + at}`);
      }
    }
    this.received += chunk.length;
    this.unconsumed += chunk.length;
    assert.ok(this.unconsumed <= this.stream.receiveWindowBytes, "more unconsumed bytes than the window");
    if (this.#random.oneIn(3)) this.consume();
    if (this.#random.oneIn(30)) this.act();
  }

  end(): void {
    assert.equal(this.over, false, "an end after a reset");
    assert.equal(this.peerEnded, false, "two ends");
    this.peerEnded = true;
    assert.equal(this.received, this.peer?.written, "an end before the last byte");
    if (this.#random.oneIn(2)) this.act();
  }

  reset(): void {
    assert.equal(this.over, false, "two resets");
    this.over = true;
  }

  drain(): void {
    assert.equal(this.over, false, "drain after a reset");
    assert.equal(this.maySendMore, false, "drain without a false write");
    this.maySendMore = true;
    if (this.#random.oneIn(2)) this.act();
  }

  get finished(): boolean {
    return this.over || (this.ended && this.peerEnded);
  }

  consume(): void {
    const bytes = this.unconsumed;
    this.unconsumed = 0;
    if (bytes > 0) this.stream.consumed(bytes);
  }

  /** One random thing that a user may do. */
  act(): void {
    if (this.over) return;
    const choice = this.#random.below(20);
    if (choice < 12) this.#write();
    else if (choice < 16) this.consume();
    else if (choice === 16) this.finish();
    else if (choice === 17 && this.#resets && this.#random.oneIn(4)) this.abort();
  }

  finish(): void {
    this.ended = true;
    this.stream.end();
  }

  abort(): void {
    this.over = true;
    this.stream.reset(gone);
  }

  #write(): void {
    if (this.ended || !this.maySendMore) return;
    const length = this.#random.pick([1, 3, 100, 4096, 4097, 65_536, WRITE_BYTES_MAX]);
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; at++)
      bytes[at] = byteAt(this.stream.id, this.stream.openedLocally, this.written + at);
    this.written += length;
    this.maySendMore =
      length <= 4096 && this.#random.oneIn(2)
        ? this.stream.writeLatin1(bytes.toString("latin1"))
        : this.stream.write(bytes);
    assert.ok(this.stream.queuedBytes <= QUEUE_BYTES_MAX + WRITE_BYTES_MAX, "the queue is bounded");
  }
}

function run(seed: number): void {
  const random = new Random(seed);
  const users: User[] = [];
  const resets = random.oneIn(2);
  const nodeBudgetBytes = random.pick([0, 1024 * 1024, 64 * 1024 * 1024]);
  const socketBytes = random.pick([1, 10_000, 400_000]);
  // Few enough that most resets have to be held.
  const resetsPerSecond = random.oneIn(3) ? random.pick([1, 2, 9]) : 1_000_000;
  const network = new VirtualNetwork({
    random,
    latencyMs: random.pick([0, 1, 40]),
    readBytesMax: random.pick([1, 12, 1000, 65_536, 65_536]),
    socketBytes,
    nodeBudgetBytes,
    limits: { linkWindowBudget: 2 * 1024 * 1024, peerResetsPerSecondMax: resetsPerSecond },
    opened: (side, stream) => {
      const opener = users.find((user) => user.side !== side && user.stream.id === stream.id);
      const user = new User(stream, side, random, resets);
      user.peer = opener;
      if (opener !== undefined) opener.peer = user;
      users.push(user);
      if (random.oneIn(4)) user.act();
    },
  });
  for (const { session } of network.sides) {
    session.ping(0);
    session.paceResets(resetsPerSecond);
  }

  // Any order of anything.
  const actions = network.sides.length * random.pick([20, 100, 300]);
  for (let each = 0; each < actions; each++) {
    if (users.length < 12 && random.oneIn(8)) {
      const side = random.pick(network.sides);
      const stream = side.session.open(idleSink);
      if (stream !== undefined) users.push(new User(stream, side, random, resets));
    }
    if (users.length > 0) random.pick(users).act();
    const steps = random.below(12);
    for (let step = 0; step < steps; step++) network.step();
  }

  // Then everyone ends and reads, and all of it must come to rest.
  for (const user of users) if (!user.over && !user.ended) user.finish();
  network.readBytesMax = 65_536;
  let steps = 0;
  const isHeld = ({ session }: VirtualSide): boolean => session.streamsOpen > 0;
  while (!network.quiet || users.some((user) => !user.finished) || network.sides.some(isHeld)) {
    assert.ok(steps++ < STEPS_MAX, `no rest after ${STEPS_MAX} steps: ${describe(users)}`);
    network.step();
    for (const user of users) {
      user.consume();
      // A stream may have been opened by what the network brought only now.
      if (!user.over && !user.ended) user.finish();
    }
  }

  for (const side of network.sides) {
    assert.equal(side.closedBy, undefined);
    assert.equal(side.session.streamsOpen, 0);
    assert.equal(side.budget.freeBytes, nodeBudgetBytes);
    assert.equal(side.session.output.bytes, 0);
    // One flush at most is written beyond what fills a transport: 256 KiB of queues, 64 KiB of direct writes, a frame, control.
    assert.ok(side.wireBytesMost <= socketBytes + 600_000, `${side.wireBytesMost} bytes in the transport`);
  }
  for (const { over, peer, received, written } of users) {
    if (over) continue;
    assert.equal(received, peer?.written ?? 0);
    // Who has ended both ways may not hear that the other one threw the last bytes away.
    if (peer?.over !== true) assert.equal(written, peer?.received ?? 0);
  }
}

function describe(users: readonly User[]): string {
  return users
    .filter((user) => !user.finished)
    .map((user) => `${user.side.name} ${user.stream.id} ${user.stream.state} ${user.received}/${user.peer?.written}`)
    .join(", ");
}

const idleSink: ByteSink = { data: () => {}, end: () => {}, reset: () => {}, drain: () => {} };

for (let first = 1; first <= RUNS; first += 50) {
  test(`random users over random networks, seeds ${first} to ${first + 49}`, { timeout: 60_000 }, () => {
    for (let seed = first; seed < first + 50; seed++) {
      try {
        run(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}

test("one stream fills a long path: windows grow by the round trip, within the budget, and are given back", () => {
  const random = new Random(7);
  const budget = 16 * 1024 * 1024;
  let received = 0;
  const network = new VirtualNetwork({
    random,
    latencyMs: 25,
    readBytesMax: 65_536,
    socketBytes: 8 * 1024 * 1024,
    nodeBudgetBytes: budget,
    opened: (_side, stream) => {
      stream.sink = {
        data: (chunk) => {
          received += chunk.length;
          stream.consumed(chunk.length);
        },
        end: () => stream.end(),
        reset: () => {},
        drain: () => {},
      };
    },
  });
  for (const side of network.sides) side.session.ping(0);
  const total = 48 * 1024 * 1024;
  const chunk = Buffer.alloc(64 * 1024);
  let written = 0;
  let more = true;
  const stream = network.client.session.open({ ...idleSink, drain: () => (more = true) })!;
  let widest = 0;
  for (let steps = 0; network.client.session.streamsOpen > 0; steps++) {
    assert.ok(steps < STEPS_MAX, "the transfer stalls");
    while (more && written < total) {
      written += chunk.length;
      more = stream.write(chunk);
      if (written >= total) stream.end();
    }
    network.step();
    widest = Math.max(widest, network.server.session.streams.get(stream.id)?.receiveWindowBytes ?? 0);
  }
  assert.equal(received, total);
  assert.equal(widest, 8 * 1024 * 1024);
  assert.ok(
    network.now < 5_000,
    `${network.now} ms of virtual time: a fixed window would need ${(total / 262_144) * 50}`,
  );
  assert.equal(network.server.budget.freeBytes, budget);
});
