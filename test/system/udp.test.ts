/** Datagrams through real sockets and links. */
import assert from "node:assert/strict";
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import type { PolarityNode } from "../../src/node/node.ts";
import { offered, portOf, type Router, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { DatagramClient, type DatagramApp, echoDatagrams, silentApp, startDatagramApp } from "../support/datagrams.ts";
import { until } from "../support/patience.ts";

type ListenerInput = NonNullable<Parameters<typeof startRouter>[1]>[number];
type UdpInput = NonNullable<ListenerInput["udp"]>;

const listener = (udp: UdpInput = {}, rest: Partial<ListenerInput> = {}): ListenerInput => ({
  url: "udp://127.0.0.1:0",
  service: "app",
  udp,
  ...rest,
});

/** A router with a udp listener, and a connector that offers the app. */
async function startWay(
  context: TestContext,
  app: DatagramApp,
  udp: UdpInput = {},
  rest: Partial<ListenerInput> = {},
): Promise<Router & { readonly connector: PolarityNode }> {
  const router = await startRouter(context, [listener(udp, rest)]);
  const connector = await startConnector(context, router.link, { app: { target: app.url } }, { name: "shed" });
  await offered(router.node, "app");
  return { ...router, connector };
}

const datagramsOf = ({ node }: { readonly node: PolarityNode }) => node.view().listeners[0]!.datagrams!;

test("datagrams cross a link and come back, as they were: empty ones, small ones and the largest", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app, { amplification: 0 });
  const client = await DatagramClient.open(context, router.port);
  for (const bytes of [0, 1, 2, 511, 1472, 9000, 65_506, 65_507]) {
    const datagram = Buffer.alloc(bytes, bytes);
    assert.deepEqual(await client.ask(datagram), datagram, `${bytes} bytes`);
  }
  assert.equal(app.clients.size, 1, "the app sees one client");
  const { inTotal, outTotal, dropped } = datagramsOf(router);
  assert.deepEqual({ inTotal, outTotal, dropped }, { inTotal: 8, outTotal: 8, dropped: {} });
});

test("a listener and a target of one node need no link", async (context) => {
  const app = await echoDatagrams(context);
  const node = await startNode(context, { listeners: [listener()], services: { app: { target: app.url } } });
  const client = await DatagramClient.open(context, portOf(node.addresses.listeners[0]!));
  assert.equal(String(await client.ask("hello")), "hello");
  const [service] = node.view().services;
  assert.deepEqual(service?.datagrams, { inTotal: 1, outTotal: 1, dropped: {} });
});

test("many datagrams sent at once are neither merged nor split, and come in order", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app);
  const client = await DatagramClient.open(context, router.port);
  const texts = Array.from({ length: 200 }, (_, index) => `${index} ${"x".repeat(index)}`);
  for (const text of texts) client.send(text);
  await client.gets(texts.length);
  assert.deepEqual(client.texts, texts);
});

test("a thousand clients at once each have an association of their own, and their own answers", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app);
  const clients = await Promise.all(Array.from({ length: 1000 }, () => DatagramClient.open(context, router.port)));
  for (let at = 0; at < clients.length; at += 50) {
    const some = clients.slice(at, at + 50);
    await Promise.all(some.map((client, index) => client.ask(`client ${at + index}`)));
  }
  for (const [index, client] of clients.entries()) assert.deepEqual(client.texts, [`client ${index}`]);
  assert.equal(app.clients.size, 1000);
  const { connectionsOpen, connectionsTotal } = router.node.view().listeners[0]!;
  assert.deepEqual([connectionsOpen, connectionsTotal], [1000, 1000]);
});

test("an app may send whenever it likes, once it knows a client", async (context) => {
  const app = await silentApp(context);
  const router = await startWay(context, app, { amplification: 0 });
  const client = await DatagramClient.open(context, router.port);
  client.send("here I am");
  await until("the app heard of the client", () => app.received.length === 1);
  for (const text of ["one", "two", "three"]) app.sendAll(text);
  await client.gets(3);
  assert.deepEqual(client.texts, ["one", "two", "three"]);
});

test("an association that nothing passes on is over, on both sides of the link, and the client begins another", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app, { idleTimeout: "300ms" });
  const client = await DatagramClient.open(context, router.port);
  await client.ask("one");
  await until("the association ended", () => router.node.view().listeners[0]!.connectionsOpen === 0);
  await until("no stream is left", () => router.node.view().totals.streamsOpen === 0);
  assert.equal(String(await client.ask("two")), "two");
  assert.equal(app.clients.size, 2, "the app sees another port");
  assert.deepEqual(router.node.view().listeners[0]!.errors, {});
});

test("a client that nobody answers is forgotten sooner", async (context) => {
  const app = await silentApp(context);
  const router = await startWay(context, app, { idleTimeout: "1h", unansweredTimeout: "200ms" });
  const client = await DatagramClient.open(context, router.port);
  client.send("is anybody there?");
  await until("the app heard it", () => app.received.length === 1);
  await until("the association ended", () => router.node.view().listeners[0]!.connectionsOpen === 0);
});

test("a service's own idle timeout closes the app's socket, whatever the listener's node does", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startRouter(context, [listener({ idleTimeout: "1h" })]);
  await startConnector(context, router.link, { app: { target: app.url, udp: { idleTimeout: "200ms" } } });
  await offered(router.node, "app");
  const client = await DatagramClient.open(context, router.port);
  await client.ask("one");
  await until("the association ended", () => router.node.view().listeners[0]!.connectionsOpen === 0);
  assert.equal(String(await client.ask("two")), "two");
});

test("a connector that restarts is found again by the next datagrams, without the client doing anything", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app);
  const client = await DatagramClient.open(context, router.port);
  await client.ask("before");
  await router.connector.stop();
  await startConnector(context, router.link, { app: { target: app.url } }, { name: "shed" });
  await client.persist("after");
  assert.equal(client.texts.at(-1), "after");
});

test("a connector that drains hands its associations over to another, and drains at once", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app);
  const client = await DatagramClient.open(context, router.port);
  await client.ask("before");
  await startConnector(context, router.link, { app: { target: app.url } }, { name: "other" });
  await offered(router.node, "app", 2);
  for (const { node } of router.node.view().sessions) assert.equal(node, "shed");
  assert.deepEqual(await router.connector.drain(), { cutOff: 0 });
  await client.persist("after");
  assert.deepEqual(
    router.node.view().sessions.map(({ node }) => node),
    ["other"],
  );
});

test("a listener that drains begins no association, ends those that have fallen silent, and counts what it drops", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startWay(context, app);
  const [known, late] = [
    await DatagramClient.open(context, router.port),
    await DatagramClient.open(context, router.port),
  ];
  await known.ask("one");
  const drained = router.node.drain();
  late.send("too late");
  await until("the late one was dropped", () => datagramsOf(router).dropped["draining"] === 1);
  assert.deepEqual(await drained, { cutOff: 0 });
  assert.deepEqual(late.texts, []);
});

test("an app that is not there is counted and found once it is, by the same association", async (context) => {
  const gone = await echoDatagrams(context);
  gone.close();
  const router = await startWay(context, gone);
  const client = await DatagramClient.open(context, router.port);
  await until("refusals are counted", () => {
    client.send("hello?");
    return (router.connector.view().services[0]?.datagrams?.dropped["refused"] ?? 0) > 2;
  });
  await startDatagramApp(context, (datagram) => [datagram], { port: gone.port });
  await client.persist("hello!");
  assert.equal(router.node.view().listeners[0]!.connectionsTotal, 1);
});

test("IPv6 works from end to end, and an empty host takes clients of both families", async (context) => {
  const app = await startDatagramApp(context, (datagram) => [datagram], { host: "::1" });
  const router = await startWay(context, app, {}, { url: "udp://:0" });
  for (const host of ["127.0.0.1", "::1"]) {
    const client = await DatagramClient.open(context, router.port, host);
    assert.equal(String(await client.ask(`from ${host}`)), `from ${host}`);
  }
  const clients = router.node.view().sessions.map(({ client }) => client.replace(/\d+$/, "PORT"));
  assert.deepEqual(clients.toSorted(), ["127.0.0.1:PORT", "[::1]:PORT"]);
});

/** Gives out one file as a TFTP server does: each transfer from a port of its own, the next block when the last was confirmed. */
async function startTransferServer(context: TestContext, blocks: readonly string[]) {
  const server = createSocket("udp4");
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  /** Where a transfer's answers go: the address that the server takes for its client. */
  const clients: RemoteInfo[] = [];
  server.on("message", (_request, client) => {
    clients.push(client);
    const transfer = createSocket("udp4");
    context.after(() => transfer.close());
    let sent = 0;
    const next = (): void => {
      if (sent < blocks.length) transfer.send(`${++sent} ${blocks[sent - 1]}`, client.port, client.address);
    };
    transfer.on("message", (text) => {
      if (String(text) === `ack ${sent}`) next();
    });
    transfer.bind(0, "127.0.0.1", next);
  });
  return { url: `udp://127.0.0.1:${server.address().port}`, clients };
}

test("a server that answers from another port is heard there, and told the rest there, where the target says so", async (context) => {
  const blocks = ["first", "second", "third"];
  const server = await startTransferServer(context, blocks);
  const router = await startRouter(context, [listener({}, { service: "files" }), listener({}, { service: "strict" })]);
  const connector = await startConnector(context, router.link, {
    files: { target: server.url, udp: { replies: "any-port" } },
    strict: { target: server.url },
  });
  await offered(router.node, "files");
  await offered(router.node, "strict");
  const [port, strict] = router.node.addresses.listeners.map(portOf);
  for (const client of [await DatagramClient.open(context, port!), await DatagramClient.open(context, port!)]) {
    for (const [index, block] of blocks.entries()) {
      const said = index === 0 ? "read" : `ack ${index}`;
      assert.equal(String(await client.ask(Buffer.from(said))), `${index + 1} ${block}`);
    }
  }
  // Whoever else is on the app's machine, and finds the port, is not heard.
  const client = await DatagramClient.open(context, port!);
  assert.equal(String(await client.ask(Buffer.from("read"))), "1 first");
  const stranger = createSocket("udp4");
  context.after(() => stranger.close());
  stranger.send("forged", server.clients.at(-1)!.port, "127.0.0.1");
  await once(stranger, "listening");
  assert.equal(String(await client.ask(Buffer.from("ack 1"))), "2 second");
  assert.deepEqual(client.texts, ["1 first", "2 second"]);
  const dropped = () => connector.view().services.find(({ name }) => name === "files")?.datagrams?.dropped["stranger"];
  await until("the stranger's is counted", () => dropped() === 1);

  const unheard = await DatagramClient.open(context, strict!);
  unheard.send("read");
  await until("the server was asked", () => server.clients.length === 4);
  assert.deepEqual(unheard.texts, []);
});
