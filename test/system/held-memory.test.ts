/** Whoever does not read what it asked for is cut off when memory runs short; everybody else is served as before. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import type { Writable } from "node:stream";
import { test, type TestContext } from "node:test";
import type { LogFields, Logger } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/clock.ts";
import type { PolarityNode } from "../../src/node/node.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { offered, portOf, startConnector, startNode } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";

const HELD_MAX = 2 * 1024 * 1024;
const BIG = Buffer.alloc(600_000, "x");
const BLOCK = Buffer.alloc(1024 * 1024);
const ENHANCE_YOUR_CALM = 0xb;
/** Where the greedy ones come from; whoever is honest comes from 127.0.0.1. */
const GREEDY = "127.0.0.2";

/** However much the kernel takes for readers that do not read. */
function writeForEver(stream: Writable): void {
  const more = (): void => {
    while (!stream.destroyed && stream.write(BLOCK));
  };
  stream.on("drain", more);
  more();
}

interface World {
  readonly router: PolarityNode;
  readonly connector: PolarityNode;
  /** An http listener, and two of raw streams. */
  readonly web: number;
  readonly flood: number;
  readonly sink: number;
  readonly link: string;
  readonly warnings: { readonly fields: LogFields; readonly message: string }[];
}

async function startWorld(t: TestContext): Promise<World> {
  const app = await startHttpApp(t, (request, response) => response.end(request.url === "/big" ? BIG : "hello"));
  const flood = await startRawApp(t, writeForEver);
  const sink = await startRawApp(t, (socket) => socket.pause());
  const warnings: World["warnings"] = [];
  const logger: Logger = { ...silentLogger, warn: (fields, message) => void warnings.push({ fields, message }) };
  const limits = { held: "2MiB" };
  const router = await startNode(
    t,
    {
      node: { name: "edge" },
      links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
      listeners: [
        { url: "http://127.0.0.1:0", service: "web", waitForOffer: "0s" },
        { url: "tcp://127.0.0.1:0", service: "flood", waitForOffer: "0s" },
        { url: "tcp://127.0.0.1:0", service: "sink", waitForOffer: "0s" },
      ],
      limits,
    },
    logger,
  );
  const link = `tcp://127.0.0.1:${portOf(router.addresses.links[0]!)}`;
  const services = { web: { target: app.url }, flood: { target: flood.url }, sink: { target: sink.url } };
  const connector = await startConnector(t, link, services, { name: "shed", rest: { limits } });
  for (const service of Object.keys(services)) await offered(router, service);
  const [web, floodPort, sinkPort] = router.addresses.listeners.map(portOf);
  return { router, connector, web: web!, flood: floodPort!, sink: sinkPort!, link, warnings };
}

function rawClient(t: TestContext, port: number, localAddress = GREEDY): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {});
  socket.pause();
  t.after(() => socket.destroy());
  return socket;
}

function http2Client(t: TestContext, port: number, localAddress: string, windowBytes: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`, {
    settings: { initialWindowSize: windowBytes },
    createConnection: () => connect({ port, host: "127.0.0.1", localAddress }),
  });
  session.on("error", () => {});
  t.after(() => session.destroy());
  return session;
}

/** Requests that nobody reads; the codes with which they were reset. */
function unread(session: ClientHttp2Session, count: number): number[] {
  const codes: number[] = [];
  for (let at = 0; at < count; at++) {
    const stream = session.request({ ":path": "/big" });
    stream.on("error", () => {});
    stream.on("close", () => codes.push(stream.rstCode));
  }
  return codes;
}

async function served({ web }: Pick<World, "web">, times = 20): Promise<void> {
  for (let at = 0; at < times; at++) {
    const answer = await ask(web, { path: "/small" });
    assert.deepEqual([answer.status, answer.body.toString()], [200, "hello"]);
  }
}

const shedAt = (node: PolarityNode): number => node.view().totals.heldStreamsShedTotal;

test("a client with windows of zero is cut off with ENHANCE_YOUR_CALM, and a slow honest reader keeps its answer", async (t) => {
  const world = await startWorld(t);
  const honest = http2Client(t, world.web, "127.0.0.1", 0);
  const slow = honest.request({ ":path": "/big" });
  await soon("the slow reader's head", once(slow, "response"));
  const codes = unread(http2Client(t, world.web, GREEDY, 0), 30);
  await until("some are cut off", async () => {
    await served(world, 5);
    return codes.length > 0;
  });
  assert.ok(
    codes.every((code) => code === ENHANCE_YOUR_CALM),
    codes.join(),
  );
  await until("what is held is within its bound", () => world.router.view().totals.heldBytes < HELD_MAX);
  await served(world);
  honest.setLocalWindowSize(1 << 20);
  assert.equal(await wholeBody(slow, honest), BIG.length);
  const { totals, listeners } = world.router.view();
  assert.ok(totals.heldBytesShedTotal > HELD_MAX / 4);
  assert.equal(listeners[0]!.errors["OVER_SHARE"], totals.heldStreamsShedTotal);
  const words = world.warnings.filter(
    ({ fields, message }) => fields["code"] === "OVER_SHARE" && /limits\.held/.test(message),
  );
  assert.ok(
    words.some(({ message }) => message.includes(`of the client ${GREEDY}`)),
    words[0]?.message ?? "nothing was said",
  );
});

test("raw clients that do not read, each with a connection of its own, count together", async (t) => {
  const world = await startWorld(t);
  const honest = rawClient(t, world.flood, "127.0.0.1");
  let honestClosed = false;
  honest.on("close", () => (honestClosed = true));
  const clients = Array.from({ length: 16 }, () => rawClient(t, world.flood));
  let cut = 0;
  for (const client of clients) client.on("close", () => cut++);
  await until("some are cut off", async () => {
    await served(world, 2);
    // A paused socket hears of its end only when it is read.
    for (const client of clients) if (shedAt(world.router) > 0) client.resume();
    return cut > 0;
  });
  assert.equal(honestClosed, false);
  await served(world);
});

test("what a peer asks a router to relay and does not read counts for that peer", async (t) => {
  const world = await startWorld(t);
  const desk = await startNode(t, {
    node: { name: "desk" },
    links: { dial: [{ url: world.link }] },
    listeners: [{ url: "tcp://127.0.0.1:0", service: "flood" }],
  });
  for (let at = 0; at < 16; at++) rawClient(t, portOf(desk.addresses.listeners[0]!));
  await until("streams of the peer are cut off", async () => {
    await served(world, 2);
    return shedAt(world.router) > 0;
  });
  await served(world);
  const words = world.warnings.find(({ fields }) => fields["code"] === "OVER_SHARE" && "streams" in fields);
  assert.match(words!.message, /of the nodes at 127\.0\.0\.1/);
});

test("uploads that an app does not take are cut off at the connector, and its other services go on", async (t) => {
  const world = await startWorld(t);
  for (let at = 0; at < 16; at++) writeForEver(rawClient(t, world.sink));
  await until("uploads are cut off", async () => {
    await served(world, 2);
    return shedAt(world.connector) > 0;
  });
  await served(world);
  assert.equal(shedAt(world.router), 0, "the router held nothing that it could not pass on");
});

test("an app of the node itself, without a link between, and uploads over HTTP/2 count as well", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/upload") request.pause();
    else response.end(request.url === "/big" ? BIG : "hello");
  });
  const node = await startNode(t, {
    listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
    services: { web: { target: app.url } },
    limits: { held: "2MiB" },
  });
  const web = portOf(node.addresses.listeners[0]!);
  const codes = unread(http2Client(t, web, GREEDY, 0), 30);
  await until("answers are cut off", () => codes.length > 0);
  assert.ok(
    codes.every((code) => code === ENHANCE_YOUR_CALM),
    codes.join(),
  );
  await served({ web });
  const before = shedAt(node);
  const session = http2Client(t, web, "127.0.0.3", 1 << 16);
  for (let at = 0; at < 40; at++) {
    const upload = session.request({ ":method": "POST", ":path": "/upload" });
    upload.on("error", () => {});
    writeForEver(upload);
  }
  await until("uploads are cut off", () => shedAt(node) > before);
  await served({ web });
});

async function wholeBody(stream: ClientHttp2Stream, session: ClientHttp2Session): Promise<number> {
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
  session.settings({ initialWindowSize: 1 << 20 });
  await soon("the end of the answer", once(stream, "end"));
  return bytes;
}
