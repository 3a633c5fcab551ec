/** What every link does, whatever carries it: one suite, run over each transport. */
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import { describe, test, type TestContext } from "node:test";

import { PolarityError } from "../../src/base/errors.ts";
import type { ByteStream } from "../../src/base/byte-stream.ts";
import { type Joining, type JoinOptions, MEDIA, type Medium } from "../support/link-media.ts";
import {
  announce,
  LinkNode,
  type LinkNodeOptions,
  openStream,
  readerOf,
  REFUSAL,
  type StreamReader,
  writeAll,
} from "../support/link-node.ts";

interface Pair {
  readonly router: LinkNode;
  readonly connector: LinkNode;
  readonly joining: Joining;
}

interface PairOptions extends JoinOptions {
  readonly router?: LinkNodeOptions;
  readonly connector?: LinkNodeOptions;
}

const TEST_OPTIONS = { timeout: 20_000 };

for (const medium of MEDIA) {
  describe(`a link over ${medium.name}`, { concurrency: false }, () => {
    test("both sides hear who joined, at what cost and with which offers", TEST_OPTIONS, async (t) => {
      const { router, connector } = await join(t, medium, {
        cost: 10,
        router: { offers: [announce("logs")] },
        connector: {
          offers: [announce("web", { weight: 3, protocol: "http/1.1", labels: { zone: "ä" } }), announce("db")],
        },
      });
      await router.until(() => router.offers.size === 2);
      await connector.until(() => connector.offers.size === 1);
      assert.deepEqual(router.heard, ["joined connector", "offered web", "offered db"]);
      assert.deepEqual(connector.heard, ["joined router", "offered logs"]);
      assert.deepEqual(router.offers.get("web"), {
        service: "web",
        weight: 3,
        protocol: "http/1.1",
        labels: { zone: "ä" },
        health: "up",
      });
      assert.equal(router.link.cost, 10);
      assert.equal(router.link.dialled, false);
      assert.equal(connector.link.dialled, true);
      assert.equal(router.link.peer.instance, "connector-1");
    });

    test("offers change and go while the link is up", TEST_OPTIONS, async (t) => {
      const { router, connector } = await join(t, medium);
      connector.link.offer(announce("web"));
      connector.link.offer(announce("web", { health: "down" }));
      connector.link.withdraw("web");
      connector.link.withdraw("never offered");
      router.link.offer(announce("logs"));
      await router.until(() => router.heard.includes("withdrawn web"));
      await connector.until(() => connector.offers.has("logs"));
      assert.deepEqual(router.heard, ["joined connector", "offered web", "offered web", "withdrawn web"]);
    });

    test("either side opens streams, and the first payload comes with the preamble", TEST_OPTIONS, async (t) => {
      const { router, connector } = await join(t, medium);
      for (const [opener, server] of [
        [router, connector],
        [connector, router],
      ] as const) {
        const { stream, reader } = openStream(opener.link, "söme service", "hello ", "203.0.113.9:55010");
        stream.writeLatin1("world");
        stream.end();
        assert.equal((await reader.whole()).toString(), "hello world");
        assert.ok(server.heard.includes("accepted söme service tcp 203.0.113.9:55010"));
      }
    });

    test("a half-close is carried, and what is sent after it still arrives", TEST_OPTIONS, async (t) => {
      const served = Promise.withResolvers<{ stream: ByteStream; reader: StreamReader }>();
      const { router } = await join(t, medium, {
        connector: { accept: (_preamble, stream) => served.resolve({ stream, reader: readerOf(stream) }) },
      });
      const opened = openStream(router.link, "db", "query");
      opened.stream.end();
      const { stream, reader } = await served.promise;
      assert.equal((await reader.whole()).toString(), "query");
      stream.writeLatin1("answer after the end of the question");
      stream.end();
      assert.equal((await opened.reader.whole()).toString(), "answer after the end of the question");
    });

    test("the serving side may end first", TEST_OPTIONS, async (t) => {
      const served = Promise.withResolvers<StreamReader>();
      const { connector } = await join(t, medium, {
        router: {
          accept: (_preamble, stream) => {
            served.resolve(readerOf(stream));
            stream.writeLatin1("greeting");
            stream.end();
          },
        },
      });
      const { stream, reader } = openStream(connector.link, "db");
      assert.equal((await reader.whole()).toString(), "greeting");
      stream.writeLatin1("late words");
      stream.end();
      assert.equal((await (await served.promise).whole()).toString(), "late words");
    });

    test("a reset is carried both ways", TEST_OPTIONS, async (t) => {
      const served: { stream: ByteStream; reader: StreamReader }[] = [];
      const { router, connector } = await join(t, medium, {
        connector: { accept: (_preamble, stream) => served.push({ stream, reader: readerOf(stream) }) },
      });
      const first = openStream(router.link, "db", "x");
      const second = openStream(router.link, "db", "y");
      await connector.until(() => served.length === 2);
      first.stream.reset(new PolarityError("CLIENT_GONE", "the client left"));
      assert.equal((await served[0]!.reader.reason()).code, "LINK_LOST");
      served[1]!.stream.reset(new PolarityError("TARGET_FAILED", "the app died"));
      assert.equal((await second.reader.reason()).code, "TARGET_FAILED");
    });

    test("a refusal arrives with its code, its words and who said it", TEST_OPTIONS, async (t) => {
      const { router } = await join(t, medium, { connector: { accept: (_preamble, stream) => stream.reset(REFUSAL) } });
      const { reader } = openStream(router.link, "web", "GET / HTTP/1.1\r\n\r\n");
      const error = await reader.reason();
      assert.equal(error.code, "TARGET_UNREACHABLE");
      assert.equal(error.message, 'node "connector": connect ECONNREFUSED 127.0.0.1:3000');
    });

    test("a refusal keeps its code while another stream fills the link", TEST_OPTIONS, async (t) => {
      let bulk: ByteStream | undefined;
      const { router, connector } = await join(t, medium, {
        connector: {
          accept: (preamble, stream) => {
            readerOf(stream);
            if (preamble.service === "bulk") {
              bulk = stream;
              return;
            }
            for (let index = 0; index < 8; index++) bulk?.write(Buffer.alloc(32 * 1024));
            stream.reset(REFUSAL);
          },
        },
      });
      const slow = openStream(router.link, "bulk", "x");
      await connector.until(() => bulk !== undefined);
      const { reader } = openStream(router.link, "web", "x");
      assert.equal((await reader.reason()).code, "TARGET_UNREACHABLE");
      await slow.reader.until(() => slow.reader.bytes === 8 * 32 * 1024);
    });

    test("8 MiB each way arrive whole though both readers are slow", TEST_OPTIONS, async (t) => {
      const { router } = await join(t, medium);
      const { stream, reader } = openStream(router.link, "echo");
      slowDown(reader, stream);
      const sent = createHash("sha256");
      const chunk = randomFillSync(Buffer.alloc(8 * 1024 * 1024));
      sent.update(chunk);
      const pieces = Array.from({ length: 83 }, (_, index) => chunk.subarray(index * 101_777, (index + 1) * 101_777));
      assert.equal(
        pieces.reduce((sum, piece) => sum + piece.length, 0),
        chunk.length,
      );
      await writeAll(stream, reader, pieces);
      const received = await reader.whole();
      assert.equal(received.length, chunk.length);
      assert.equal(createHash("sha256").update(received).digest("hex"), sent.digest("hex"));
    });

    test("200 streams at once each get their own bytes", TEST_OPTIONS, async (t) => {
      const { router, connector } = await join(t, medium);
      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const { stream, reader } = openStream((index % 2 === 0 ? router : connector).link, `service ${index}`);
          await writeAll(stream, reader, [Buffer.alloc(1_000 + index, index)]);
          return reader.whole();
        }),
      );
      for (const [index, answer] of answers.entries()) {
        assert.deepEqual(answer, Buffer.alloc(1_000 + index, index));
      }
      // The last acknowledgements may still be on their way to whoever did not open the stream.
      assert.ok(router.link.statistics().streamsTotal >= 200);
    });

    test("a drained link takes no new streams, finishes those under way, and closes", TEST_OPTIONS, async (t) => {
      const { router, connector } = await join(t, medium);
      const link = connector.link;
      const far = router.link;
      const { stream, reader } = openStream(far, "echo", "before ");
      await reader.until(() => reader.bytes > 0);
      link.drain();
      assert.equal(link.state, "draining");
      assert.throws(() => openStream(link, "echo"), /draining/);
      await router.until(() => router.heard.includes("draining"));
      stream.writeLatin1("and after");
      stream.end();
      assert.equal((await reader.whole()).toString(), "before and after");
      await router.until(() => router.ends.length === 1);
      await connector.until(() => connector.ends.length === 1);
      assert.deepEqual([router.ends[0]!.code, connector.ends[0]!.code], ["LINK_DRAINING", "LINK_DRAINING"]);
      assert.equal(link.state, "closed");
    });

    test("a stream that was opened before the drain was heard is served", TEST_OPTIONS, async (t) => {
      const { router, connector } = await join(t, medium);
      const far = router.link;
      connector.link.drain();
      // Nothing has crossed yet: the router knows of no drain.
      const { stream, reader } = openStream(far, "echo", "just in time");
      stream.end();
      assert.equal((await reader.whole()).toString(), "just in time");
      await connector.until(() => connector.ends.length === 1);
      assert.equal(connector.ends[0]!.code, "LINK_DRAINING");
    });

    test("a token makes the identity, and a wrong one is rejected", TEST_OPTIONS, async (t) => {
      const tokens = { phone0: "right token", phone1: "another" };
      const { router } = await join(t, medium, { tokens, token: "right token" });
      assert.equal(router.link.peer.identity, "phone0");

      const strict = new LinkNode("router");
      const stranger = new LinkNode("stranger");
      const joining = await medium.join(strict, stranger, { tokens, token: "wrong" });
      t.after(() => joining.close());
      await eventually(() => joining.failure() !== undefined);
      assert.match(joining.failure() ?? "", /rejected the link: the token is not known here/);
      assert.deepEqual([strict.heard, stranger.heard], [[], []]);
    });

    test("a connection that breaks closes the link and resets its streams on both sides", TEST_OPTIONS, async (t) => {
      const served = Promise.withResolvers<StreamReader>();
      const { router, connector, joining } = await join(t, medium, {
        connector: { accept: (_preamble, stream) => served.resolve(readerOf(stream)) },
      });
      const link = router.link;
      const { reader } = openStream(link, "db", "begin");
      const far = await served.promise;
      joining.cut();
      assert.equal((await reader.reason()).code, "LINK_LOST");
      assert.equal((await far.reason()).code, "LINK_LOST");
      await router.until(() => router.ends.length === 1);
      await connector.until(() => connector.ends.length === 1);
      assert.equal(link.state, "closed");
      assert.throws(() => openStream(link, "db"), /closed/);
    });

    // Real silence takes real time, so it is kept once; what counts as silence is the mux's and tested there.
    if (medium.name === "tcp") {
      test("a peer that hangs is suspect and gets no streams until it says something", TEST_OPTIONS, async (t) => {
        const { router, joining } = await join(t, medium);
        joining.freeze!();
        const { stream, reader } = openStream(router.link, "echo", "are you there?");
        stream.end();
        await router.until(() => router.heard.includes("suspect"));
        assert.throws(() => openStream(router.link, "echo"), /suspect/);
        joining.thaw();
        assert.equal((await reader.whole()).toString(), "are you there?");
        await router.until(() => router.heard.includes("up"));
        assert.deepEqual(router.heard, ["joined connector", "suspect", "up"]);
      });
    }

    if (medium.redials) {
      test("the dialler is back by itself when the listener is", TEST_OPTIONS, async (t) => {
        const { router, connector, joining } = await join(t, medium, { connector: { offers: [announce("web")] } });
        await router.until(() => router.offers.has("web"));
        await joining.restart!();
        await connector.until(() => connector.heard.filter((event) => event === "joined router").length === 2);
        await router.until(() => router.heard.filter((event) => event === "offered web").length === 2);
        const { stream, reader } = openStream(router.link, "echo", "again");
        stream.end();
        assert.equal((await reader.whole()).toString(), "again");
      });

      test("a link that the acceptor drains is replaced before it stops", TEST_OPTIONS, async (t) => {
        const { router, connector } = await join(t, medium);
        const old = connector.link;
        const { stream, reader } = openStream(router.link, "echo", "still ");
        await reader.until(() => reader.bytes > 0);
        router.link.drain();
        await connector.until(() => old.state === "draining");
        assert.equal(connector.links.size, 2);
        assert.equal(connector.link.state, "up");
        stream.writeLatin1("served");
        stream.end();
        assert.equal((await reader.whole()).toString(), "still served");
        await connector.until(() => old.state === "closed");
        await router.until(() => router.links.size === 1);
        assert.equal(router.link.state, "up");
      });

      test("a link that runs out of stream ids is replaced without losing a request", TEST_OPTIONS, async (t) => {
        // The warning comes two million ids before the end; the first stream crosses it.
        const { router } = await join(t, medium, { router: { firstStreamId: 0xffff_fffe - 2_000_000 } });
        const worn = router.link;
        const answers: Promise<Buffer>[] = [];
        while (worn.state === "up") {
          const { stream, reader } = openStream(worn, "echo", "request");
          stream.end();
          answers.push(reader.whole());
          await answers.at(-1);
        }
        assert.deepEqual(router.heard.filter((event) => !event.startsWith("accepted")).slice(0, 3), [
          "joined connector",
          "joined connector",
          "draining",
        ]);
        assert.notEqual(router.link, worn);
        assert.equal(router.link.state, "up");
        for (const answer of await Promise.all(answers)) assert.equal(answer.toString(), "request");
        await router.until(() => worn.state === "closed");
      });
    }
  });
}

/** Two nodes that have joined; closed when the test is over. */
async function join(t: TestContext, medium: Medium, options: PairOptions = {}): Promise<Pair> {
  const router = new LinkNode("router", options.router);
  const connector = new LinkNode("connector", options.connector);
  const joining = await medium.join(router, connector, options);
  t.after(() => joining.close());
  await Promise.all([router.joinedOnce(), connector.joinedOnce()]);
  return { router, connector, joining };
}

/** Gives credit back in later turns, a little at a time, and stops altogether for a while now and then. */
function slowDown(reader: StreamReader, stream: ByteStream): void {
  let owed = 0;
  let turning = false;
  let turn = 0;
  const pay = (): void => {
    turn++;
    if (turn % 50 !== 0) {
      const bytes = Math.min(owed, 64 * 1024);
      owed -= bytes;
      stream.consumed(bytes);
    }
    turning = owed > 0;
    if (turning) setImmediate(pay);
  };
  reader.consume = (bytes) => {
    owed += bytes;
    if (turning) return;
    turning = true;
    setImmediate(pay);
  };
}

/** For the few conditions that no event announces. */
async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
