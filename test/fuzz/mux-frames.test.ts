/**
 * Invariant: no bytes of a peer crash, hang or grow a session; they work, or they close it with GoAway 1 (or with 0 where
 * the peer itself ended the session), and they mean the same whole, byte by byte and cut anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { frame, MuxRecorder } from "../support/mux-recorder.ts";
import { Random } from "../support/random.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const SEQUENCES = 10_000;
const FLAGS = ["-", "SYN", "ACK", "FIN", "RST", "SYN|FIN", "ACK|FIN", "SYN|RST", "SYN|ACK", "FIN|RST"];

function randomFrame(random: Random): Buffer {
  const kind = random.below(24);
  const id = random.pick([1, 3, 5, 7, 7, 2, 4, 9, 0xffff_ffff]);
  if (kind < 6) return hex(frame("DATA", "SYN", 1 + 2 * random.below(20), text(random)));
  if (kind < 14) return hex(frame("DATA", random.pick(["-", "-", "-", "FIN", "ACK", "RST"]), id, text(random)));
  if (kind < 17) return hex(frame("WINDOW", random.pick(FLAGS), id, random.pick([0, 1, 262_144, 0xffff_ffff])));
  if (kind < 19)
    return hex(frame("PING", random.pick(["SYN", "SYN", "ACK", "-"]), random.oneIn(20) ? 1 : 0, random.below(99)));
  if (kind === 19 && random.oneIn(4)) return hex(frame("GOAWAY", "-", 0, random.below(4)));
  if (kind === 20 && random.oneIn(4))
    return hex(frame("DATA", "-", id, random.pick([262_145, 9_000_000, 0xffff_ffff])));
  if (kind === 21 && random.oneIn(4)) return random.bytes(random.below(40));
  return hex(frame("DATA", random.pick(FLAGS), random.below(12), text(random)));
}

function sequence(random: Random): Buffer {
  const bytes = Buffer.concat(Array.from({ length: 1 + random.below(25) }, () => randomFrame(random)));
  // Some are damaged on the way.
  if (random.oneIn(3))
    for (let each = random.below(4); each > 0; each--) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

function text(random: Random): string {
  return "abcdefghij".repeat(random.pick([1, 1, 2, 40])).slice(random.below(10));
}

function hex(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

interface Outcome {
  readonly events: readonly string[];
  readonly frames: readonly string[];
  readonly streamsOpen: number;
}

/** Feeds the chunks to a fresh session that has a stream of its own under way. */
function outcomeOf(chunks: Iterable<Buffer>): Outcome {
  const server = new MuxRecorder({
    limits: { peerStreamsMax: 8, peerResetsPerSecondMax: 6, peerPingsPerSecondMax: 6, streamWindowMax: 1024 * 1024 },
  });
  server.payloadShownMax = Number.MAX_SAFE_INTEGER;
  const own = server.open();
  own.writeLatin1("ours");
  const frames = server.flush();
  for (const chunk of chunks) server.session.receive(chunk, 0);
  // Flushed once: how frames are gathered depends on when, and is not what is compared here.
  frames.push(...server.flush());
  return { events: joinSlices(server.taken()), frames, streamsOpen: server.session.streamsOpen };
}

/** Slices of one payload may come apart; what they say together may not differ. */
function joinSlices(events: readonly string[]): string[] {
  const joined: string[] = [];
  for (const event of events) {
    const match = /^(data \d+ )(.*)$/s.exec(event);
    const last = joined.at(-1);
    if (match !== null && last?.startsWith(match[1]!) === true) joined[joined.length - 1] = last + match[2]!;
    else joined.push(event);
  }
  return joined;
}

function* cut(bytes: Buffer, size: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const take = size();
    yield bytes.subarray(at, at + take);
    at += take;
  }
}

for (let first = 0; first < SEQUENCES; first += 2_500) {
  test(`hostile frames, sequences ${first} to ${first + 2_499}`, { timeout: 60_000 }, () => {
    for (let seed = first; seed < first + 2_500; seed++) {
      const random = new Random(seed);
      const bytes = sequence(random);
      const whole = outcomeOf([bytes]);
      const about = `seed ${seed}`;
      const closed = whole.events.filter((event) => event.startsWith("closed "));
      assert.ok(closed.length <= 1, about);
      if (closed.length === 1) {
        assert.equal(whole.events.at(-1), closed[0], `nothing after the end; ${about}`);
        assert.equal(whole.streamsOpen, 0, about);
        const code = closed[0]!.includes("the peer closed the session") ? 0 : 1;
        assert.equal(whole.frames.at(-1), `GOAWAY - 0 ${code}`, about);
        assert.match(closed[0]!, /^closed LINK_(PROTOCOL|LIMIT): /);
      } else {
        assert.ok(whole.streamsOpen <= 9, about);
        assert.ok(!whole.frames.some((sent) => sent.startsWith("GOAWAY")), about);
      }
      assert.deepEqual(outcomeOf(cut(bytes, () => 1)), whole, `byte by byte; ${about}`);
      assert.deepEqual(outcomeOf(cut(bytes, () => 1 + random.below(30))), whole, `cut anywhere; ${about}`);
    }
  });
}

test("most sequences work, and each way of closing is among the rest: the inputs reach the code", () => {
  const ends = new Set<string>();
  let open = 0;
  for (let seed = 0; seed < 2_000; seed++) {
    const { events } = outcomeOf([sequence(new Random(seed))]);
    const last = events.at(-1) ?? "";
    if (last.startsWith("closed ")) ends.add(last.replaceAll(/\d+/g, "N").replaceAll(/0x\w+/g, "N").slice(0, 60));
    else open++;
  }
  assert.ok(open > 200, `${open} of 2000 stay open`);
  assert.ok(ends.size >= 12, [...ends].join("\n"));
});

test("a session that is attacked for long grows nothing", { timeout: 60_000 }, () => {
  const server = new MuxRecorder({
    limits: { peerResetsPerSecondMax: Number.MAX_SAFE_INTEGER, peerPingsPerSecondMax: Number.MAX_SAFE_INTEGER },
  });
  const attack = (from: number, streams: number): void => {
    for (let id = from; id < from + streams * 2; id += 2) {
      server.receive(
        frame("DATA", "SYN", id, "x".repeat(2_000)),
        frame("PING", "SYN", 0, id),
        frame("WINDOW", id % 4 === 1 ? "RST" : "FIN", id, 0),
        frame("DATA", "-", id - 1000 > 0 ? id - 1000 : 1, ""),
      );
      server.session.streams.get(id)?.end();
      if (id % 64 === 1) server.flush();
    }
    server.flush();
  };
  attack(1, 5_000);
  const before = heapUsed();
  attack(100_001, 40_000);
  const grown = heapUsed() - before;
  assert.equal(server.session.streamsOpen, 0);
  assert.ok(grown < 8 * 1024 * 1024, `the heap grew by ${grown} bytes`);
});

test("a peer that opens, feeds and resets while it reads nothing leaves nothing behind", { timeout: 60_000 }, () => {
  const server = new MuxRecorder({
    limits: { peerResetsPerSecondMax: Number.MAX_SAFE_INTEGER },
    opened: (stream) => {
      // An app that answers more than a queue takes, and consumes what comes.
      stream.sink = {
        data: (chunk) => stream.consumed(chunk.length),
        end: () => {},
        reset: () => {},
        drain: () => {},
      };
      stream.write(Buffer.alloc(8_192));
    },
  });
  server.outcome = "full";
  server.session.ping(0);
  server.flush();
  const half = Buffer.alloc(128 * 1024);
  const attack = (from: number, streams: number): void => {
    for (let id = from; id < from + streams * 2; id += 2) {
      const open = Buffer.from(frame("DATA", "SYN", id, half.length), "hex");
      server.session.receive(open, 0);
      server.session.receive(half, 0);
      server.session.receive(Buffer.from(frame("WINDOW", "RST", id, 0), "hex"), 0);
    }
    server.events.length = 0;
  };
  attack(1, 2_000);
  const before = heapUsed();
  attack(100_001, 20_000);
  const grown = heapUsed() - before;
  assert.equal(server.session.closed, false);
  assert.ok(grown < 4 * 1024 * 1024, `the heap grew by ${grown} bytes`);
});

function heapUsed(): number {
  collectGarbage();
  // The memory of dead buffers is given back by another thread, in its own time; the next collection waits for it.
  collectGarbage();
  const { heapUsed: heap, arrayBuffers } = process.memoryUsage();
  return heap + arrayBuffers;
}
