/** A node that does what its clients and apps make it do never goes past what its peer takes; one that floods does. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { PolarityError } from "../../src/base/errors.ts";
import { JoinedLink } from "../../src/link/joined-link.ts";
import { createMemoryTransportPair } from "../../src/link/transport-memory.ts";
import { type Medium, MEDIA } from "../support/link-media.ts";
import {
  announce,
  echo,
  LinkNode,
  type LinkNodeOptions,
  type OpenedStream,
  openStream,
  readerOf,
  REFUSAL,
} from "../support/link-node.ts";
import { until } from "../support/patience.ts";
import { describeFrames, frame } from "../support/mux-recorder.ts";

const FULL = process.env["POLARITY_TEST_FULL"] === "1";
const TEST_OPTIONS = { timeout: 60_000 };
const gone = new PolarityError("CLIENT_GONE", "the client went away");
const FEW_LINES = { controlLinesBurst: 40, controlLinesPerSecond: 100 };

async function join(
  t: TestContext,
  medium: Medium,
  router: LinkNodeOptions,
  connector: LinkNodeOptions,
): Promise<{ router: LinkNode; connector: LinkNode }> {
  const pair = { router: new LinkNode("router", router), connector: new LinkNode("connector", connector) };
  const joining = await medium.join(pair.router, pair.connector);
  t.after(() => joining.close());
  await Promise.all([pair.router.joinedOnce(), pair.connector.joinedOnce()]);
  return pair;
}

const [memory] = MEDIA;
const tcp = MEDIA.find(({ name }) => name === "tcp");
const ws = MEDIA.find(({ name }) => name === "ws");

for (const medium of [memory!, tcp!, ws!]) {
  test(
    `over ${medium.name}: streams that are cancelled all at once end at a peer that takes few resets, and nothing else does`,
    TEST_OPTIONS,
    async (t) => {
      let opened = 0;
      let cancelled = 0;
      const { router } = await join(
        t,
        medium,
        {},
        {
          muxLimits: { peerResetsPerSecondMax: FULL ? 5_000 : 16 },
          accept: (preamble, stream) => {
            if (preamble.service === "echo") return echo(stream);
            opened++;
            const reader = readerOf(stream);
            void reader.reason().then(() => cancelled++);
          },
        },
      );
      const count = FULL ? 12_000 : 36;
      const neighbour = openStream(router.link, "echo", "before ");
      await neighbour.reader.until(() => neighbour.reader.text === "before ");
      const streams = Array.from({ length: count }, () => openStream(router.link, "hang", "x"));
      for (const { stream } of streams) stream.reset(gone);
      neighbour.stream.writeLatin1("after");
      neighbour.stream.end();
      assert.equal((await neighbour.reader.whole()).toString(), "before after");
      assert.ok(cancelled < count, "the rest is to come");
      // A stream of which nothing had left when it was cancelled is one that the peer never hears of.
      await until("all have ended", () => router.link.statistics().streamsOpen === 0 && cancelled === opened, 30_000);
      assert.ok(opened > count / 4, `${opened} of ${count}`);
      assert.deepEqual(router.ends, []);
    },
  );

  test(
    `over ${medium.name}: an app that refuses any number of streams costs its link nothing, and each opener hears why`,
    TEST_OPTIONS,
    async (t) => {
      const accept: LinkNodeOptions["accept"] = (preamble, stream) =>
        preamble.service === "echo" ? echo(stream) : stream.reset(REFUSAL);
      const { router, connector } = await join(t, medium, { limits: FEW_LINES }, { limits: FEW_LINES, accept });
      const neighbour = openStream(router.link, "echo", "before ");
      for (let round = 0; round < (FULL ? 100 : 10); round++) {
        const refused = Array.from({ length: 100 }, () => openStream(router.link, "down", "x"));
        for (const { reader } of refused) assert.equal((await reader.reason()).code, "TARGET_UNREACHABLE");
      }
      neighbour.stream.end();
      assert.equal((await neighbour.reader.whole()).toString(), "before ");
      assert.deepEqual([router.ends, connector.ends], [[], []]);
    },
  );
}

test("refusals that cross the cancelling of their streams count for nobody", TEST_OPTIONS, async (t) => {
  const { router, connector } = await join(
    t,
    tcp!,
    { limits: FEW_LINES },
    {
      accept: (preamble, stream) => {
        if (preamble.service === "echo") echo(stream);
        else
          readerOf(stream)
            .until(() => false)
            .catch(() => {});
        if (preamble.service === "down") setImmediate(() => stream.reset(REFUSAL));
      },
    },
  );
  for (let round = 0; round < 5; round++) {
    const streams: OpenedStream[] = [];
    for (let index = 0; index < 100; index++) streams.push(openStream(router.link, "down", "x"));
    await connector.until(() => connector.heard.length >= 100 * (round + 1));
    for (const { stream } of streams) stream.reset(gone);
  }
  const { stream, reader } = openStream(router.link, "echo", "still here");
  stream.end();
  assert.equal((await reader.whole()).toString(), "still here");
  assert.deepEqual([router.ends, connector.ends], [[], []]);
});

test(
  "offers that all change at once, again and again, come at the pace that the peer takes, and the last word counts",
  TEST_OPTIONS,
  async (t) => {
    const services = Array.from({ length: 300 }, (_, index) => `service-${index}`);
    const { router, connector } = await join(
      t,
      tcp!,
      { limits: { controlLinesBurst: 400, controlLinesPerSecond: 1_000 } },
      {
        offers: services.map((service) => announce(service)),
      },
    );
    await router.until(() => router.offers.size === 300);
    for (let round = 0; round < 20; round++) {
      const health = round % 2 === 0 ? "down" : "up";
      for (const service of services) connector.link.offer(announce(service, { health }));
    }
    for (const service of services.slice(100)) connector.link.withdraw(service);
    connector.link.setCost(7);
    for (let cost = 1_000; cost > 7; cost--) connector.link.setCost(cost);
    connector.link.setCost(7);
    await router.until(() => router.offers.size === 100 && router.link.cost === 7);
    assert.ok([...router.offers.values()].every(({ health }) => health === "up"));
    assert.deepEqual(router.ends, []);
  },
);

/** A raw peer that joins `router`, tells no limits, and speaks for itself; `sent` is what the router sends it. */
async function joinOld(router: LinkNode): Promise<{ write(hex: string): void; sent: Buffer[] }> {
  const [near, far] = createMemoryTransportPair();
  const owner = { joined: () => {}, replace: () => {}, closed: () => {} };
  const side = { kind: "acceptor", authenticate: () => "anonymous" } as const;
  new JoinedLink(near, side, router.context, owner, 5_000).start();
  const sent: Buffer[] = [];
  far.start({ received: (chunk) => void sent.push(Buffer.from(chunk)), drained: () => {}, closed: () => {} });
  const write = (hex: string): void => void far.write([Buffer.from(hex, "hex")]);
  const hello = { type: "hello", protocol: 1, node: "phone0", instance: "7f3a" };
  write(frame("DATA", "SYN", 1, `${JSON.stringify(hello)}\n`));
  await router.joinedOnce();
  return { write, sent };
}

test(
  "a peer that tells no limits gets no more resets and lines than the first version takes, whatever it asks for",
  TEST_OPTIONS,
  async () => {
    const router = new LinkNode("router", { accept: (_preamble, stream) => stream.reset(REFUSAL) });
    const peer = await joinOld(router);
    peer.write(frame("WINDOW", "-", 1, 64 * 1024 * 1024));
    const count = 14_000;
    for (let stream = 3; stream < 2 * count; stream += 2) {
      peer.write(frame("DATA", "SYN", stream, '{"service":"down","protocol":"tcp"}\n'));
    }
    await router.until(() => router.heard.length >= count);
    const resets = (): number =>
      describeFrames(Buffer.concat(peer.sent)).filter((word) => word.startsWith("WINDOW RST")).length;
    await until("as many resets as it takes", () => resets() === 5_000);
    const lines = Buffer.concat(peer.sent).toString("latin1").split('{"type":"error"').length - 1;
    assert.ok(lines > 6_000 && lines <= 10_000, `${lines} lines`);
    assert.equal(router.link.statistics().streamsOpen, count - 1 - 5_000);
    router.link.close(new PolarityError("NODE_STOPPED", "the test is over"));
  },
);

test("a peer that floods with errors of streams that were never opened is cut off", TEST_OPTIONS, async () => {
  const router = new LinkNode("router", { limits: FEW_LINES });
  const peer = await joinOld(router);
  for (let stream = 2; stream < 200; stream += 2) {
    const fields = { type: "error", code: "TARGET_FAILED", message: "x", stream };
    peer.write(frame("DATA", "-", 1, `${JSON.stringify(fields)}\n`));
  }
  await router.until(() => router.ends.length === 1);
  assert.equal(router.ends[0]!.code, "LINK_LIMIT");
  assert.match(router.ends[0]!.message, /control lines a second/);
});
