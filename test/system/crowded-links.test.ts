/** One link carries many services: whoever takes most of it, or makes most trouble on it, is the one who feels it. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import { PolarityError } from "../../src/base/errors.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import type { Link } from "../../src/link/link.ts";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { http2Session } from "../support/http2-client.ts";
import { joinAs, type OpenedStream, StreamReader } from "../support/link-node.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

const FULL = process.env["POLARITY_TEST_FULL"] === "1";
/** How long thousands of requests may take to be asked, or to end, on a machine that has other things to do. */
const CROWD_MS = 60_000;
const gone = new PolarityError("CLIENT_GONE", "the client went away");
const HANGING = "GET /hang HTTP/1.1\r\nHost: busy\r\n\r\n";

/** A connector with the services `busy`, of which requests hang, and `calm`, on one link with so many streams. */
async function startCrowd(t: TestContext, streams: number, resets = 5_000, extraLinks = 0) {
  const hanging = new Set<ServerResponse>();
  const app = await startHttpApp(t, (request, response) => {
    if (request.url !== "/hang") {
      response.end("here");
      return;
    }
    hanging.add(response);
    response.on("close", () => hanging.delete(response));
  });
  const router = await startRouter(t);
  const services = { busy: { target: app.url }, calm: { target: app.url } };
  const rest = { limits: { streams, resets }, links: { dial: [{ url: router.link, extraLinks }] } };
  await startConnector(t, router.link, services, { name: "shed", rest });
  await offered(router.node, "busy");
  await offered(router.node, "calm");
  const link = () => router.node.view().links.find(({ node }) => node === "shed");
  const linkId = link()?.id;
  const calm = { path: "/hang", headers: { Host: "calm" } };
  return {
    router,
    hanging,
    /** Asks something of the other service, and finds the link as it was. */
    async unharmed(): Promise<void> {
      assert.equal((await ask(router.port, { headers: { Host: "calm" } })).text, "here");
      assert.equal(link()?.id, linkId, "the link is the same");
    },
    /** A request that hangs until it is answered on purpose, and must survive whatever others do. */
    async neighbour(): Promise<() => Promise<void>> {
      const before = new Set(hanging);
      const answer = ask(router.port, calm);
      const own = await until("the neighbour's request", () => [...hanging].find((one) => !before.has(one)));
      return async () => {
        own.end("at last");
        assert.equal((await soon("the neighbour's answer", answer)).text, "at last");
      };
    },
    streamsOpen: () => link()?.streamsOpen ?? -1,
  };
}

/** A request that hangs, asked of the router by a node that has joined it. */
function relayTo(peer: Link, service: string): OpenedStream {
  const reader = new StreamReader();
  const request = new StreamRequest(service, "http/1.1", "", undefined, 0, "ask");
  const stream = peer.open(request, HANGING, "", reader);
  assert.ok(stream);
  return { stream, reader };
}

test("HTTP/2 connections of hanging requests leave streams to the other services of a link, and are told whose share is used up", async (t) => {
  const streams = FULL ? 4_096 : 256;
  const it = await startCrowd(t, streams);
  const neighbour = await it.neighbour();
  const refused: string[] = [];
  const perConnection = FULL ? 318 : 60;
  for (let wanted = 0; wanted < streams + perConnection; wanted += perConnection) {
    const session = http2Session(t, it.router.port);
    for (let index = 0; index < perConnection; index++) {
      const stream = session.request({ ":method": "POST", ":path": "/hang", ":authority": "busy" });
      stream.on("error", () => {}).write("x");
      stream.setEncoding("utf8").on("data", (text: string) => refused.push(text));
    }
  }
  await until("some are refused", () => refused.length > 0, CROWD_MS);
  await it.unharmed();
  const text = refused[0]!;
  assert.match(text, /"code":"SHARE_USED_UP"/);
  assert.match(
    text,
    /link to node \\"shed\\" is nearly full, and \d+ of its \d+ streams are for the client 127\.0\.0\.1/,
  );
  assert.ok(it.streamsOpen() < (streams * 7) / 8, `${it.streamsOpen()} of ${streams}`);
  await neighbour();
});

test("a peer that relays takes no more than its share: clients of the router are served, also by the same service", async (t) => {
  const it = await startCrowd(t, 256);
  const peer = await joinAs(t, "phone", it.router.link);
  const reasons: string[] = [];
  for (let index = 0; index < 300; index++) {
    const { reader } = relayTo(peer, "busy");
    void reader.reason().then(({ message }) => reasons.push(message));
  }
  await until("the last are refused", () => reasons.length > 50);
  assert.match(reasons[0]!, /node "shed" is nearly full, and \d+ of its 256 streams are for the nodes at 127\.0\.0\.1/);
  assert.equal((await ask(it.router.port, { headers: { Host: "busy" } })).text, "here");
  await it.unharmed();
});

test("a client that is killed with all of its requests waiting costs the link nothing", async (t) => {
  // Each takes five descriptors of this process.
  const it = await startCrowd(t, FULL ? 4_096 : 512, FULL ? 1_000 : 40);
  const neighbour = await it.neighbour();
  const count = FULL ? 2_500 : 60;
  const clients = Array.from({ length: count }, () => new WireClient(t, it.router.port).send(HANGING));
  await until("all of them wait", () => it.hanging.size === count + 1, CROWD_MS);
  for (const client of clients) client.socket.resetAndDestroy();
  await it.unharmed();
  await until("the app has heard of the end of each", () => it.hanging.size === 1, CROWD_MS);
  await neighbour();
  await it.unharmed();
  await until("no stream is left", () => it.streamsOpen() === 0);
});

test("HTTP/2 requests that are all taken back, and streams that three peers reset, cost the link nothing", async (t) => {
  const it = await startCrowd(t, 1_024, 60);
  const neighbour = await it.neighbour();
  const sessions = [http2Session(t, it.router.port), http2Session(t, it.router.port)];
  const requests = sessions.flatMap((session) =>
    Array.from({ length: 30 }, () => session.request({ ":path": "/hang", ":authority": "busy" }).on("error", () => {})),
  );
  const peers = await Promise.all(["one", "two", "three"].map((name) => joinAs(t, name, it.router.link)));
  const relayed = peers.flatMap((peer) => Array.from({ length: 20 }, () => relayTo(peer, "busy")));
  await until("all of them wait", () => it.hanging.size === 121);
  for (const request of requests) request.close(8);
  for (const { stream } of relayed) stream.reset(gone);
  await it.unharmed();
  await until("the app has heard of the end of each", () => it.hanging.size === 1, CROWD_MS);
  await neighbour();
  await it.unharmed();
});

test("a link that is half used is joined by another, where that is wanted, and the other takes the work that comes", async (t) => {
  const it = await startCrowd(t, 64, 5_000, 2);
  const links = () => it.router.node.view().links.filter(({ node }) => node === "shed");
  const clients = Array.from({ length: 33 }, () => new WireClient(t, it.router.port).send(HANGING));
  await until("a second link", () => links().length === 2);
  await offered(it.router.node, "busy", 2);
  clients.push(...Array.from({ length: 33 }, () => new WireClient(t, it.router.port).send(HANGING)));
  await until("all of them wait", () => it.hanging.size === 66);
  const open = links().map(({ streamsOpen }) => streamsOpen);
  assert.ok(
    open.every((count) => count >= 30 && count < 48),
    `${open.join(" and ")} streams`,
  );
  await until("a third", () => links().length === 3);
  await it.unharmed();
});
