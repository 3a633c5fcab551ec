/** The link protocol promises that any yamux library will do. Held against one that is not ours, in both roles. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { Random } from "../support/random.ts";
import { type ForeignStream, YamuxPair } from "../support/yamux-peer.ts";

const STREAMS = 200;
const BULK_BYTES = 6 * 1024 * 1024;
const options = { timeout: 20_000 };
const gone = new PolarityError("CLIENT_GONE", "the client went away");

/** What arrives on a stream of ours, up to its end. */
class Collector implements ByteSink {
  stream: ByteStream | undefined;
  readonly #chunks: Buffer[] = [];
  readonly #result = Promise.withResolvers<Buffer>();
  drained: () => void = () => {};

  get whole(): Promise<Buffer> {
    return this.#result.promise;
  }
  data(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.stream?.consumed(chunk.length);
  }
  end(): void {
    this.#result.resolve(Buffer.concat(this.#chunks));
  }
  reset(error: PolarityError): void {
    this.#result.reject(error);
  }
  drain(): void {
    this.drained();
  }
}

/** What arrives on a stream of theirs, up to its end. */
async function readAll(stream: ForeignStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk.subarray());
  return Buffer.concat(chunks);
}

/** A service of ours: reads to the end, then answers with what it read, in capitals, and ends at once. */
function shout(stream: ByteStream): ByteSink {
  const collector = new Collector();
  collector.stream = stream;
  void collector.whole.then(
    (heard) => {
      stream.write(Buffer.from(heard.toString("latin1").toUpperCase(), "latin1"));
      stream.end();
    },
    () => {},
  );
  return collector;
}

function openOurs(pair: YamuxPair): { readonly stream: ByteStream; readonly sink: Collector } {
  const sink = new Collector();
  const stream = pair.session.open(sink);
  assert.ok(stream !== undefined);
  sink.stream = stream;
  return { stream, sink };
}

async function nextForeignStream(pair: YamuxPair): Promise<ForeignStream> {
  return await new Promise((resolve) => {
    pair.theirs.addEventListener("stream", ({ detail }) => resolve(detail), { once: true });
  });
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

for (const role of ["client", "server"] as const) {
  test(`as ${role}: they open ${STREAMS} streams, half-close, and get whole answers`, options, async () => {
    const pair = new YamuxPair(role, shout);
    const answers = await Promise.all(
      Array.from({ length: STREAMS }, async (_, index) => {
        const stream = await pair.theirs.createStream();
        const answer = readAll(stream);
        stream.send(Buffer.from(`question ${index}`));
        await stream.close();
        return (await answer).toString();
      }),
    );
    assert.deepEqual(
      answers,
      answers.map((_, index) => `QUESTION ${index}`),
    );
    assert.equal(pair.session.streamsOpen, 0);
  });

  test(`as ${role}: we open ${STREAMS} streams, and what we send right before an end is read`, options, async () => {
    const pair = new YamuxPair(role, shout);
    pair.theirs.addEventListener("stream", ({ detail }) => {
      void readAll(detail).then(async (heard) => {
        detail.send(Buffer.from(`heard ${heard.toString()}`));
        await detail.close();
      });
    });
    const answers = await Promise.all(
      Array.from({ length: STREAMS }, async (_, index) => {
        const { stream, sink } = openOurs(pair);
        stream.writeLatin1(`question ${index}`);
        stream.end();
        return (await sink.whole).toString();
      }),
    );
    assert.deepEqual(
      answers,
      answers.map((_, index) => `heard question ${index}`),
    );
    assert.equal(pair.session.streamsOpen, 0);
  });

  test(`as ${role}: megabytes both ways at once on one stream, past the first window`, options, async () => {
    const pair = new YamuxPair(role, shout);
    const ours = new Random(1).bytes(BULK_BYTES);
    const back = new Random(2).bytes(BULK_BYTES);
    const arrived = nextForeignStream(pair);
    const { stream, sink } = openOurs(pair);
    let sent = 0;
    sink.drained = () => {
      while (sent < ours.length) {
        const chunk = ours.subarray(sent, sent + 50_000);
        sent += chunk.length;
        if (!stream.write(chunk) && sent < ours.length) return;
      }
      stream.end();
    };
    sink.drained();
    const theirs = await arrived;
    const heardByThem = readAll(theirs);
    theirs.send(back);
    await Promise.all([theirs.close(), heardByThem, sink.whole]);
    assert.equal(digest(await heardByThem), digest(ours));
    assert.equal(digest(await sink.whole), digest(back));
  });

  test(`as ${role}: a reset of ours is a reset for them, and the session lives on`, options, async () => {
    const pair = new YamuxPair(role, shout);
    const arrived = nextForeignStream(pair);
    const { stream } = openOurs(pair);
    stream.writeLatin1("half a");
    const theirs = await arrived;
    const closed = new Promise<Error | undefined>((resolve) => {
      theirs.addEventListener("close", (event) => resolve(event.error));
    });
    stream.reset(gone);
    assert.equal((await closed)?.name, "StreamResetError");
    assert.ok((await pair.theirs.ping()) >= 0);
  });

  test(`as ${role}: a reset of theirs reaches our sink`, options, async () => {
    const pair = new YamuxPair(role, shout);
    const arrived = nextForeignStream(pair);
    const { stream, sink } = openOurs(pair);
    stream.writeLatin1("half a");
    (await arrived).abort(new Error("enough"));
    await assert.rejects(sink.whole, { code: "LINK_LOST" });
    assert.equal(pair.session.streamsOpen, 0);
  });

  test(`as ${role}: pings are answered both ways`, options, async () => {
    const pair = new YamuxPair(role, shout);
    assert.ok((await pair.theirs.ping()) >= 0);
    pair.session.ping(performance.now());
    // Their answer to a later question comes behind the answer to our ping.
    const arrived = nextForeignStream(pair);
    const { stream, sink } = openOurs(pair);
    stream.writeLatin1("?");
    const theirs = await arrived;
    theirs.send(Buffer.from("!"));
    await theirs.close();
    await sink.whole;
    assert.ok(pair.session.roundTripMs !== undefined);
    stream.reset(gone);
  });

  test(`as ${role}: their GoAway stops our opening`, options, async () => {
    const pair = new YamuxPair(role, shout);
    await pair.theirs.close();
    await pair.goingAway.promise;
    assert.equal(pair.session.open(new Collector()), undefined);
  });

  test(`as ${role}: our end closes theirs`, options, async () => {
    const pair = new YamuxPair(role, shout);
    const stream = await pair.theirs.createStream();
    const closed = new Promise<void>((resolve) => {
      stream.addEventListener("close", () => resolve());
    });
    pair.session.close(gone);
    await closed;
    assert.equal(pair.theirs.status, "closed");
    assert.equal((await pair.end.promise).code, "CLIENT_GONE");
  });
}
