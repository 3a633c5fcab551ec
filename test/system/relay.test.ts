/** Nodes that reach one another's services through a router: forwarded listeners, and streams that a program opens. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import type { LogFields, Logger } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import type { PolarityNode } from "../../src/node/node.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import {
  configOf,
  offered,
  portOf,
  type RawConfig,
  startConnector,
  startNode,
  startRouter,
} from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { joinAs, StreamReader } from "../support/link-node.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

type Listener = NonNullable<RawConfig["listeners"]>[number];

/** A node that dials `links` and listens for what their routers find; its port. */
async function startForward(
  context: TestContext,
  links: readonly string[],
  listener: Partial<Listener>,
  logger?: Logger,
): Promise<{ readonly node: PolarityNode; readonly port: number }> {
  const node = await startNode(
    context,
    {
      node: { name: "desk" },
      links: { dial: links.map((url) => ({ url })) },
      listeners: [{ url: "tcp://127.0.0.1:0", ...listener }],
    },
    logger,
  );
  return { node, port: portOf(node.addresses.listeners[0] ?? "") };
}

/** A router without listeners, and an echo app at the connector `shed` behind it. */
async function startEcho(context: TestContext) {
  const router = await startRouter(context, []);
  const app = await startRawApp(context, (socket) => socket.pipe(socket));
  const connector = await startConnector(context, router.link, { echo: { target: app.url } }, { name: "shed" });
  await offered(router.node, "echo");
  return { router, connector };
}

/** A raw app that says its name to whoever connects, and nothing more. */
async function startNamed(context: TestContext, link: string, name: string, cost = 0): Promise<void> {
  const app = await startRawApp(context, (socket) => socket.end(name));
  await startConnector(context, link, { who: { target: app.url } }, { name, cost });
}

function linkOf(node: PolarityNode): string {
  return node.addresses.links[0] ?? "";
}

/** Collects warnings, as the log of a node. */
function warnings(): { readonly logger: Logger; readonly texts: string[] } {
  const texts: string[] = [];
  return { logger: { ...silentLogger, warn: (_fields: LogFields, text: string) => void texts.push(text) }, texts };
}

test("bytes pass a forwarded port, the router and the connector, and so does the half-close", async (t) => {
  const { router } = await startEcho(t);
  const { port } = await startForward(t, [router.link], { service: "echo" });
  const client = new WireClient(t, port);
  assert.equal(await client.send("to and fro").read(10), "to and fro");
  client.send("the rest").halfClose();
  assert.equal(await client.readAll(), "the rest");
  assert.equal(await client.ended, "end");
});

test("megabytes pass both ways unchanged, through two links", async (t) => {
  const { router } = await startEcho(t);
  const { port } = await startForward(t, [router.link], { service: "echo" });
  const sent = randomBytes(8 * 1024 * 1024);
  const client = new WireClient(t, port);
  const received = createHash("sha256");
  let bytes = 0;
  client.socket.removeAllListeners("data").on("data", (chunk: Buffer) => {
    received.update(chunk);
    bytes += chunk.length;
  });
  client.socket.end(sent);
  assert.equal(await soon("the end of the echo", client.ended), "end");
  assert.equal(bytes, sent.length);
  assert.equal(received.digest("hex"), createHash("sha256").update(sent).digest("hex"));
});

test("a server that speaks first is heard through a relay", async (t) => {
  const router = await startRouter(t, []);
  const app = await startRawApp(t, (socket) => socket.write("220 ready\r\n"));
  await startConnector(t, router.link, { mail: { target: app.url } });
  const { port } = await startForward(t, [router.link], { service: "mail" });
  assert.equal(await new WireClient(t, port).readTo("\r\n"), "220 ready\r\n");
});

test("a service that breaks under a relayed stream breaks it for the client, and a client that leaves is no failure", async (t) => {
  const router = await startRouter(t, []);
  const connected = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const app = await startRawApp(t, (socket) => {
    socket.once("data", (chunk) => {
      if (chunk.toString() === "break") socket.resetAndDestroy();
      else connected.resolve();
    });
    socket.once("close", () => left.resolve());
  });
  await startConnector(t, router.link, { fragile: { target: app.url } });
  const { port } = await startForward(t, [router.link], { service: "fragile" });
  const leaving = new WireClient(t, port).send("stay");
  await soon("the app's connection", connected.promise);
  leaving.socket.resetAndDestroy();
  await soon("the end of the app's connection", left.promise);
  assert.equal(await soon("a reset", new WireClient(t, port).send("break").ended), "reset");
  const row = router.node.view().listeners.find(({ url }) => url === "relay");
  assert.equal(row?.errors["CLIENT_GONE"], 1);
  assert.equal(
    Object.values(row.errors).reduce((sum, count) => sum + count, 0),
    2,
  );
});

test("HTTP passes a forwarded listener, with bodies, keep-alive and the forwarding fields of one proxy", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("x-via", request.headers.via ?? "");
      response.end(`${request.method} ${request.url} ${Buffer.concat(chunks).length}`);
    });
  });
  const router = await startRouter(t, []);
  await startConnector(t, router.link, { web: { target: app.url } });
  const { port } = await startForward(t, [router.link], { url: "http://127.0.0.1:0", service: "web" });
  const agent = keepAliveAgent(t, 1);
  const first = await ask(port, { path: "/hello?x=1", agent });
  assert.deepEqual([first.status, first.text, first.headers["x-via"]], [200, "GET /hello?x=1 0", "1.1 desk"]);
  const upload = await ask(port, { method: "POST", body: Buffer.alloc(1_000_000), agent });
  assert.deepEqual([upload.status, upload.text], [200, "POST / 1000000"]);
  const requests = router.node.view().services.find(({ name }) => name === "web")?.requestsTotal;
  assert.equal(requests, 2, "the router counts what it relays");
});

test("routes of a forwarding listener lead through the router as well", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("api"));
  const router = await startRouter(t, []);
  await startConnector(t, router.link, { api: { target: app.url } });
  const routes = [{ path: "/api", service: "api" }];
  const { port } = await startForward(t, [router.link], { url: "http://127.0.0.1:0", routes });
  assert.equal((await ask(port, { path: "/api/x" })).text, "api");
});

test("an app that cannot be reached is a 502 that names the connector, not a wait", async (t) => {
  const router = await startRouter(t, []);
  await startConnector(t, router.link, { web: { target: "http://127.0.0.1:1" } }, { name: "shed" });
  await offered(router.node, "web");
  const { port } = await startForward(t, [router.link], {
    url: "http://127.0.0.1:0",
    service: "web",
    waitForOffer: "10m",
  });
  const { status, text, headers } = await ask(port);
  assert.deepEqual([status, headers["x-polarity-error"]], [502, "TARGET_UNREACHABLE"]);
  assert.match(text, /shed/);
});

test("node.service reaches that node's and no other", async (t) => {
  const router = await startRouter(t, []);
  await startNamed(t, router.link, "phone0");
  await startNamed(t, router.link, "phone1", 5);
  await offered(router.node, "who", 2);
  for (const node of ["phone1", "phone0"]) {
    const { port } = await startForward(t, [router.link], { service: "who", node });
    for (let round = 0; round < 3; round++) assert.equal(await new WireClient(t, port).readAll(), node);
  }
});

test("what the router offers itself is not asked for by way of a relay", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("own"));
  const router = await startRouter(t, [], { services: { own: { target: app.url } } });
  const { node, port } = await startForward(t, [router.link], { service: "own" });
  await offered(node, "own", 2);
  assert.equal(await new WireClient(t, port).readAll(), "own");
  assert.deepEqual(
    node
      .view()
      .services[0]?.offers.map(({ relay, requestsTotal }) => [relay, requestsTotal])
      .sort(),
    [
      [false, 1],
      [true, 0],
    ],
  );
});

test("a client waits for the connector that joins later, and for the router that starts later", async (t) => {
  const { router } = await startEcho(t);
  const { port } = await startForward(t, [router.link], { service: "late" });
  const client = new WireClient(t, port).send("early");
  await until("the router to be asked", () => router.node.view().totals.waiting === 1);
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  await startConnector(t, router.link, { late: { target: app.url } });
  assert.equal(await client.read(5), "early");
});

test("a service that nobody offers ends in a reset and a reason, after the wait and no later", async (t) => {
  const { router } = await startEcho(t);
  const log = warnings();
  const { port } = await startForward(t, [router.link], { service: "nope", waitForOffer: "200ms" }, log.logger);
  assert.equal(await soon("the reset", new WireClient(t, port).send("?").ended, 4_000), "reset");
  const reason = 'node "edge": no offer for service "nope" (no connector has offered it)';
  await until("the reason", () => log.texts.includes(reason));
});

test("where one router finds nobody, the next is asked", async (t) => {
  const { router } = await startEcho(t);
  const other = await startRouter(t, [], { node: { name: "elsewhere" } });
  const { node, port } = await startForward(t, [other.link, router.link], { service: "echo", waitForOffer: "400ms" });
  // Either may be asked, and the second has named the connector behind it.
  await offered(node, "echo", 3);
  // Often enough that both were asked first.
  const said = Array.from({ length: 8 }, () => new WireClient(t, port).send("x").read(1));
  assert.deepEqual(
    await Promise.all(said),
    Array.from({ length: 8 }, () => "x"),
  );
});

test("a router that does not relay is not asked, and refuses who asks all the same", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const links = { accept: [{ url: "tcp://127.0.0.1:0", relay: false }] };
  const router = await startRouter(t, [], { links });
  await startConnector(t, router.link, { echo: { target: app.url } });
  await offered(router.node, "echo");
  const { node, port } = await startForward(t, [router.link], { service: "echo", waitForOffer: "100ms" });
  await until("the link", () => node.view().totals.linksUp === 1);
  assert.deepEqual(node.view().services[0]?.offers, []);
  assert.equal(await new WireClient(t, port).ended, "reset");

  const link = await joinAs(t, "stubborn", router.link);
  const reader = new StreamReader();
  link.open(new StreamRequest("echo", "tcp", "").ask("stubborn-1", 1_000), "", "", reader);
  const { code, message } = await soon("the refusal", reader.reason());
  assert.deepEqual([code, message], ["SERVICE_UNKNOWN", 'node "edge": there is no service "echo"']);
});

test("which listeners for links relay is said for each", async (t) => {
  const accept = [{ url: "tcp://127.0.0.1:0", relay: false }, { url: "tcp://127.0.0.1:0" }];
  const node = await startNode(t, { node: { name: "edge" }, links: { accept } });
  const [forConnectors = "", forPeople = ""] = node.addresses.links;
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  await startConnector(t, forConnectors, { echo: { target: app.url } });
  const { port } = await startForward(t, [forPeople], { service: "echo" });
  assert.equal(await new WireClient(t, port).send("x").read(1), "x");
  const other = await startForward(t, [forConnectors], { service: "echo", waitForOffer: "100ms" });
  assert.equal(await new WireClient(t, other.port).ended, "reset");
});

test("two routers that would relay to each other do not send a request in circles", async (t) => {
  const accept = [{ url: "tcp://127.0.0.1:0" }];
  const listeners: Listener[] = [{ url: "tcp://127.0.0.1:0", service: "ball", waitForOffer: "300ms" }];
  const first = await startNode(t, { node: { name: "first" }, links: { accept } });
  const joinFirst = { accept, dial: [{ url: linkOf(first) }] };
  const second = await startNode(t, { node: { name: "second" }, links: joinFirst, listeners });
  const joinSecond = { accept, dial: [{ url: linkOf(second) }] };
  await first.reload(configOf({ node: { name: "first" }, links: joinSecond, listeners }));
  await offered(first, "ball");
  await offered(second, "ball");
  const client = new WireClient(t, portOf(first.addresses.listeners[0] ?? "")).send("?");
  assert.equal(await soon("the reset", client.ended, 4_000), "reset");
  const relayed = [first, second].map(
    (node) => node.view().listeners.find(({ url }) => url === "relay")?.requestsTotal ?? 0,
  );
  assert.deepEqual(relayed, [0, 1]);
});

test("peers that ask for what nobody offers take none of the places of a router's own clients", async (t) => {
  const router = await startRouter(t, [{ url: "tcp://127.0.0.1:0", service: "db", waitForOffer: "10s" }]);
  const link = await joinAs(t, "greedy", router.link);
  const readers = Array.from({ length: 12_000 }, () => {
    const reader = new StreamReader();
    assert.ok(link.open(new StreamRequest("nothing", "tcp", "").ask("greedy-1", 60_000), "", "", reader) !== undefined);
    return reader;
  });
  await until("all to wait", () => router.node.view().totals.waiting === readers.length);
  const client = new WireClient(t, router.port).send("hello");
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  await startConnector(t, router.link, { db: { target: app.url } });
  assert.equal(await client.read(5), "hello");
});

test("a drain waits for what is relayed, shows it meanwhile, and takes nothing new", async (t) => {
  const { router } = await startEcho(t);
  const { node, port } = await startForward(t, [router.link], { service: "echo", waitForOffer: "0s" });
  await offered(node, "echo", 2);
  const client = new WireClient(t, port);
  assert.equal(await client.send("before").read(6), "before");
  const [session] = router.node.view().sessions;
  assert.deepEqual(
    [session?.listener, session?.service, session?.node, session?.bytesIn],
    ["relay", "echo", "shed", 6],
  );
  assert.equal(router.node.view().totals.connectionsOpen, 1);
  const drained = router.node.drain();
  assert.equal(await client.send("during").read(6), "during");
  assert.equal(await new WireClient(t, port).send("new").ended, "reset");
  client.halfClose();
  assert.equal(await client.readAll(), "");
  assert.deepEqual(await soon("the drain", drained), { cutOff: 0 });
});

test("what is still relayed at the end of a drain is cut and counted", async (t) => {
  const router = await startRouter(t, [], { node: { name: "edge", drainTimeout: "100ms" } });
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  await startConnector(t, router.link, { echo: { target: app.url } });
  const { port } = await startForward(t, [router.link], { service: "echo" });
  const client = new WireClient(t, port);
  assert.equal(await client.send("x").read(1), "x");
  const { cutOff } = await soon("the drain", router.node.drain());
  assert.ok(cutOff >= 1, `cut off: ${cutOff}`);
  assert.equal(await soon("the reset", client.ended), "reset");
});

test("a router that restarts within the wait is bridged", async (t) => {
  const { router } = await startEcho(t);
  const { node, port } = await startForward(t, [router.link], { service: "echo", waitForOffer: "10s" });
  assert.equal(await new WireClient(t, port).send("x").read(1), "x");
  await router.node.stop();
  await until("the link's end", () => node.view().totals.links === 0);
  const client = new WireClient(t, port).send("early");
  await until("the client to wait", () => node.view().totals.waiting === 1);
  await startRouter(t, [], { links: { accept: [{ url: router.link }] } });
  assert.equal(await client.read(5), "early");
});

test("a node's own service is never asked for elsewhere", async (t) => {
  const { router } = await startEcho(t);
  const app = await startRawApp(t, (socket) => socket.end("mine"));
  const node = await startNode(t, {
    links: { dial: [{ url: router.link }] },
    services: { echo: { target: app.url } },
    listeners: [{ url: "tcp://127.0.0.1:0", service: "echo" }],
  });
  await offered(router.node, "echo", 2);
  assert.equal(await new WireClient(t, portOf(node.addresses.listeners[0] ?? "")).readAll(), "mine");
  assert.deepEqual(
    node.view().services[0]?.offers.map(({ relay }) => relay),
    [false],
  );
});
