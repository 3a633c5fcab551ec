import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { createByteStreamPair } from "../base/byte-stream-pair.ts";
import { type ByteSink, type ByteStream, NO_SINK } from "../base/byte-stream.ts";
import { FrameAligner, forEachDatagram, frameInto, frameRoom } from "../base/datagram-frames.ts";
import { DEFAULT_DATAGRAM_FAN_OUT, type FanOutPolicy } from "../base/fan-out-policy.ts";
import { PolarityError } from "../base/errors.ts";
import { StreamRequest, type Upstream } from "../base/upstream.ts";
import { ServerTallies } from "../registry/server-tallies.ts";
import { FanOutSession } from "./fan-out-session.ts";

const framed = (text: string): Buffer => Buffer.from(frameInto(frameRoom(), Buffer.from(text)));

/** Writes bytes in pieces, as a link would deliver them. */
function inPieces(random: Random, stream: ByteStream, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(6);
    stream.write(bytes.subarray(at, at + length));
    at += length;
  }
}

/** A far end that collects datagrams, and takes them or not. */
class End implements ByteSink {
  readonly heard: string[] = [];
  readonly stream: ByteStream;
  readonly #aligner = new FrameAligner({
    frames: (run) => forEachDatagram(run, (datagram) => this.heard.push(datagram.toString())),
  });
  takes = true;
  #owed = 0;

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.sink = this;
  }

  data(chunk: Buffer): void {
    this.#aligner.push(chunk);
    this.#owed += chunk.length;
    this.take();
  }

  take(): void {
    if (!this.takes) return;
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.stream.consumed(owed);
  }

  end(): void {}
  reset(): void {}
  drain(): void {}
}

class Server extends End implements Upstream {
  readonly node: string;
  readonly #near: ByteStream;

  constructor(node: string) {
    const [near, far] = createByteStreamPair();
    near.sink = NO_SINK;
    super(far);
    this.node = node;
    this.#near = near;
  }

  open(_: StreamRequest, __: string, ___: string, sink: ByteSink): ByteStream {
    this.#near.sink = sink;
    return this.#near;
  }
}

function setUp(policy: Partial<FanOutPolicy>, servers: readonly Server[]) {
  const [near, far] = createByteStreamPair();
  const client = new End(near);
  const tallies = new ServerTallies();
  const session = new FanOutSession({
    client: far,
    request: new StreamRequest("bus", "udp", ""),
    policy: { mode: "full-duplex", ...DEFAULT_DATAGRAM_FAN_OUT, ...policy },
    clock: { now: () => 0 },
    tallies,
    finished: () => {},
  });
  const join = (server: Server): void => void session.add({ name: server.node, upstream: server });
  for (const server of servers) join(server);
  session.begin();
  return { client, session, tallies, join };
}

test("datagrams of a client and of several servers stay whole, however their streams cut them", () => {
  const random = new Random(17);
  for (let run = 0; run < 100; run++) {
    const servers = ["a", "b", "c"].map((name) => new Server(name));
    const { client } = setUp({}, servers);
    const sent: string[] = [];
    const said = new Map<string, string[]>(servers.map(({ node }) => [node, []]));
    // What of each stream has not been delivered yet.
    const ways = [client, ...servers].map((end) => ({ end, bytes: [] as number[] }));
    for (let step = 0; step < 200; step++) {
      const way = random.pick(ways);
      if (random.oneIn(4)) {
        const text = `${way.end instanceof Server ? way.end.node : ""}${"x".repeat(random.below(9))}`;
        (way.end instanceof Server ? said.get(way.end.node)! : sent).push(text);
        way.bytes.push(...framed(text));
      } else way.end.stream.write(Buffer.from(way.bytes.splice(0, 1 + random.below(5))));
    }
    for (const { end, bytes } of ways) if (bytes.length > 0) inPieces(random, end.stream, Buffer.from(bytes));
    for (const server of servers) {
      assert.deepEqual(server.heard, sent);
      assert.deepEqual(
        client.heard.filter((text) => text.startsWith(server.node)),
        said.get(server.node),
      );
    }
    assert.equal(client.heard.length, [...said.values()].flat().length);
  }
});

test("the beginning of a datagram latches nobody, and the first whole one does", () => {
  const [hasty, quick] = [new Server("hasty"), new Server("quick")];
  const { client } = setUp({ mode: "half-duplex" }, [hasty, quick]);
  const early = framed("early");
  hasty.stream.write(early.subarray(0, 5));
  quick.stream.write(framed("first"));
  hasty.stream.write(early.subarray(5));
  client.stream.write(framed("thanks"));
  assert.deepEqual(client.heard, ["first"]);
  assert.deepEqual([hasty.heard, quick.heard], [[], ["thanks"]]);
});

test("a server that takes nothing misses whole datagrams beyond the buffer, and hears those that come once it takes some", () => {
  const [fast, slow] = [new Server("fast"), new Server("slow")];
  const { client, session, tallies } = setUp({ bufferBytes: 10_000 }, [fast, slow]);
  slow.takes = false;
  const texts = Array.from({ length: 100 }, (_, index) => `${index} `.padEnd(5000, "."));
  for (const text of texts) client.stream.write(framed(text));
  assert.deepEqual(fast.heard, texts);
  const heard = slow.heard.length;
  assert.ok(heard > 50 && heard < 60, `${heard}: what streams in memory hold, and the buffer`);
  assert.deepEqual(slow.heard, texts.slice(0, heard));
  slow.takes = true;
  slow.take();
  client.stream.write(framed("again"));
  assert.equal(slow.heard.at(-1), "again");
  session.abort(new PolarityError("CLIENT_GONE", "the test is over"));
  assert.equal(tallies.of("slow").datagramsMissed, 100 - heard);
  assert.equal(tallies.of("fast").datagramsMissed, 0);
});

test("who joins late hears what comes from then on, and its bytes count from there", () => {
  const [first, late] = [new Server("first"), new Server("late")];
  const { client, session, join } = setUp({}, [first]);
  client.stream.write(framed("one"));
  assert.equal(session.admission, "welcome");
  join(late);
  client.stream.write(framed("two"));
  assert.deepEqual([first.heard, late.heard], [["one", "two"], ["two"]]);
  assert.deepEqual(
    session.sides.map(({ bytesIn }) => bytesIn),
    [10, 5],
  );
});

test("who joins while another is behind, with slowest: wait, begins at the next datagram, and nobody hears one twice", () => {
  const [slow, late] = [new Server("slow"), new Server("late")];
  const { client, join } = setUp({ slowest: "wait", bufferBytes: 1_000_000 }, [slow]);
  slow.takes = false;
  const texts = Array.from({ length: 80 }, (_, index) => `${index} `.padEnd(5000, "."));
  for (const text of texts.slice(0, 60)) client.stream.write(framed(text));
  join(late);
  for (const text of texts.slice(60)) client.stream.write(framed(text));
  slow.takes = true;
  slow.take();
  assert.deepEqual(slow.heard, texts);
  assert.deepEqual(late.heard, texts.slice(60));
});

test("nobody joins where that is not wanted, nor once somebody has answered in half duplex", () => {
  assert.equal(setUp({ join: false }, [new Server("a")]).session.admission, "closed");
  const server = new Server("a");
  const { session } = setUp({ mode: "half-duplex" }, [server]);
  assert.equal(session.admission, "welcome");
  server.stream.write(framed("me"));
  assert.equal(session.admission, "closed");
});
