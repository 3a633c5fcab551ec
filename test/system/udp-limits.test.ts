/** What a udp listener lets nobody do, and what it says of those who try. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { NO_SINK } from "../../src/base/byte-stream.ts";
import { forEachDatagram, frameInto, frameRoom } from "../../src/base/datagram-frames.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import { configOf, offered, portOf, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { DatagramClient, echoDatagrams, silentApp, startDatagramApp } from "../support/datagrams.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { freePort } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

type ListenerInput = NonNullable<Parameters<typeof startRouter>[1]>[number];

/** Collects what a node logs. */
function recorder() {
  const lines: string[] = [];
  const keep = (_: unknown, message: string): void => void lines.push(message);
  return { lines, logger: { debug: () => {}, info: () => {}, warn: keep, error: keep } };
}

/** A node with a udp listener before its own app. */
async function startLocal(
  context: TestContext,
  target: string,
  udp: NonNullable<ListenerInput["udp"]>,
  rest: Partial<ListenerInput> = {},
) {
  const { lines, logger } = recorder();
  const config = {
    listeners: [{ url: "udp://127.0.0.1:0", service: "app", udp, ...rest }],
    services: { app: { target } },
  };
  const node = await startNode(context, config, logger);
  const port = portOf(node.addresses.listeners[0]!);
  const datagrams = () => node.view().listeners[0]!.datagrams!;
  const dropped = (reason: string): number => datagrams().dropped[reason] ?? 0;
  return { node, port, lines, datagrams, dropped, config };
}

test("a client gets twenty times what it sent, headers included, and no more, until it has gone on after three answers", async (context) => {
  // Answers with as many bytes as it is told.
  const app = await startDatagramApp(context, (datagram) => [Buffer.alloc(Number(datagram.toString().split(" ")[0]))]);
  const { port, dropped, lines } = await startLocal(context, app.url, {});
  const client = await DatagramClient.open(context, port);
  const most = 20 * (10 + 28) - 28;
  client.send(`${most + 1} `.padEnd(10));
  await until("the large answer is dropped", () => dropped("amplification") === 1);
  const other = await DatagramClient.open(context, port);
  assert.equal((await other.ask(`${most} `.padEnd(10))).length, most);
  assert.match(
    lines.join("\n"),
    /^an answer to 127\.0\.0\.1:\d+ was dropped: it would be sent more than 20 times what it sent \(udp\.amplification\)$/,
  );
  for (let turn = 0; turn < 2; turn++) await other.ask("0");
  assert.equal((await other.ask("60000")).length, 60_000);
  assert.deepEqual(client.texts, []);
});

test("with no turns the limit never goes, and with no factor there is none", async (context) => {
  const app = await startDatagramApp(context, () => [Buffer.alloc(2000)]);
  const held = await startLocal(context, app.url, { amplification: 50, amplificationTurns: 0 });
  const client = await DatagramClient.open(context, held.port);
  for (let turn = 0; turn < 10; turn++) await client.ask(Buffer.alloc(13));
  client.send("");
  await until("an answer is dropped", () => held.dropped("amplification") === 1);
  const open = await startLocal(context, app.url, { amplification: 0 });
  assert.equal((await (await DatagramClient.open(context, open.port)).ask("")).length, 2000);
});

test("more associations than there may be are dropped, counted and told once, and those there are go on", async (context) => {
  const app = await echoDatagrams(context);
  const { node, port, dropped, lines } = await startLocal(context, app.url, { associations: 3 });
  const clients = await Promise.all(Array.from({ length: 6 }, () => DatagramClient.open(context, port)));
  for (const client of clients.slice(0, 3)) await client.ask("one");
  for (const client of clients.slice(3)) client.send("one too many");
  await until("they were dropped", () => dropped("associations") === 3);
  for (const client of clients.slice(0, 3)) await client.ask("two");
  const view = node.view().listeners[0]!;
  assert.deepEqual([view.connectionsOpen, view.connectionsTotal, view.connectionsRefusedTotal], [3, 3, 3]);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /as there are as many associations as there may be \(udp\.associations\)/);
});

test("one address has no more than its share", async (context) => {
  const app = await echoDatagrams(context);
  const { port, dropped } = await startLocal(context, app.url, { associationsPerClient: 2 }, { url: "udp://:0" });
  const clients = await Promise.all(Array.from({ length: 3 }, () => DatagramClient.open(context, port)));
  await clients[0]!.ask("one");
  await clients[1]!.ask("one");
  clients[2]!.send("one too many");
  await until("it was dropped", () => dropped("client-associations") === 1);
  const other = await DatagramClient.open(context, port, "::1");
  assert.equal(String(await other.ask("of another address")), "of another address");
});

test("associations begin no faster than they may; those there are send as they like", async (context) => {
  const app = await echoDatagrams(context);
  const limits = { rate: { requests: 1, per: "1h" } };
  const { port, dropped } = await startLocal(context, app.url, {}, { limits });
  const [first, second] = [await DatagramClient.open(context, port), await DatagramClient.open(context, port)];
  for (let sent = 0; sent < 50; sent++) await first.ask(`${sent}`);
  second.send("too soon");
  await until("it was dropped", () => dropped("rate") === 1);
});

test("a client that begins too many uses up nothing of what all of them may begin", async (context) => {
  const app = await echoDatagrams(context);
  const limits = { rate: { requests: 1, per: "1h" }, connectionRate: 2 };
  const { port, dropped } = await startLocal(context, app.url, {}, { url: "udp://:0", limits });
  const [first, second] = [await DatagramClient.open(context, port), await DatagramClient.open(context, port)];
  await first.ask("one");
  for (let sent = 0; sent < 20; sent++) second.send("too soon");
  await until("they were dropped", () => dropped("rate") === 20);
  const other = await DatagramClient.open(context, port, "::1");
  assert.equal(String(await other.ask("of another address")), "of another address");
});

test("what a stuck way does not take is dropped beyond the queue, and it flows again when it is taken", async (context) => {
  const router = await startRouter(context, [
    { url: "udp://127.0.0.1:0", service: "app", udp: { queue: "64KiB", queueDatagrams: 20 } },
  ]);
  const connector = await startNode(context, { node: { name: "stuck" }, links: { dial: [{ url: router.link }] } });
  let arrived = 0;
  let taking = false;
  let take = (): void => {};
  connector.serve(
    { name: "app", protocol: "udp", weight: 1, labels: {} },
    {
      url: "stuck",
      active: 0,
      accept: (stream) => {
        const data = (chunk: Buffer): void => {
          if (taking) stream.consumed(chunk.length);
          else arrived += chunk.length;
        };
        stream.sink = { ...NO_SINK, data };
        take = () => stream.consumed(arrived);
      },
      sweep: () => {},
      close: () => {},
    },
  );
  await offered(router.node, "app");
  const client = await DatagramClient.open(context, router.port);
  const dropped = (): number => router.node.view().listeners[0]!.datagrams!.dropped["queue"] ?? 0;
  const passed = (): number => router.node.view().listeners[0]!.datagrams!.inTotal;
  await until("datagrams are dropped", () => {
    client.send(Buffer.alloc(8000));
    return dropped() > 50;
  });
  // A window of the link, what its stream queues, and the association's own queue.
  assert.ok(passed() * 8000 < 1024 * 1024, `${passed()} datagrams passed`);
  taking = true;
  take();
  const before = passed();
  await until("datagrams pass again", () => {
    client.send("on");
    return passed() > before + 50;
  });
});

test("a service that is offered as something else is refused with who offers it, both ways", async (context) => {
  const app = await silentApp(context);
  const { lines, logger } = recorder();
  const tcpPort = await freePort();
  const node = await startNode(
    context,
    {
      node: { name: "edge" },
      links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
      listeners: [
        { url: "udp://127.0.0.1:0", service: "web", waitForOffer: "50ms" },
        { url: "tcp://127.0.0.1:0", service: "dns", waitForOffer: "50ms" },
        { url: "http://127.0.0.1:0", service: "dns", waitForOffer: "50ms" },
      ],
    },
    logger,
  );
  const link = `tcp://127.0.0.1:${portOf(node.addresses.links[0]!)}`;
  const services = { web: { target: `tcp://127.0.0.1:${tcpPort}` }, dns: { target: app.url } };
  await startConnector(context, link, services, { name: "shed" });
  await offered(node, "dns");
  const [udp, tcp, http] = node.addresses.listeners.map(portOf);
  const client = await DatagramClient.open(context, udp!);
  client.send("hello?");
  await until("the refusal is said", () => lines.some((line) => line.includes("not as udp")));
  assert.deepEqual(lines.at(-1), 'no offer for service "web" (offered as tcp by node "shed", not as udp)');
  assert.equal(node.view().listeners[0]!.datagrams!.dropped["unserved"], 1);
  await new WireClient(context, tcp!).ended;
  assert.deepEqual(lines.at(-1), 'no offer for service "dns" (offered as udp by node "shed", not as tcp)');
  const response = await ask(http!);
  assert.equal(response.status, 503);
  assert.match(response.text, /offered as udp by node .*shed.*, not as http\/1\.1/);
});

test("a reload changes what new associations may do, and a listener that goes gives its port up", async (context) => {
  const app = await echoDatagrams(context);
  const port = await freePort();
  const { node, dropped } = await startLocal(context, app.url, { associations: 1 }, { url: `udp://127.0.0.1:${port}` });
  const first = await DatagramClient.open(context, port);
  await first.ask("one");
  const second = await DatagramClient.open(context, port);
  second.send("too many");
  await until("it was dropped", () => dropped("associations") === 1);
  const again = (listeners: ListenerInput[]) =>
    configOf({ node: { name: node.view().node.name }, listeners, services: { app: { target: app.url } } });
  await node.reload(again([{ url: `udp://127.0.0.1:${port}`, service: "app", udp: { associations: 2 } }]));
  await second.ask("now");
  await first.ask("two");
  assert.equal(app.clients.size, 2, "those under way went on");
  // Every address of the port, which the old listener's socket holds a part of.
  await node.reload(again([{ url: `udp://0.0.0.0:${port}`, service: "app" }]));
  await first.persist("three");
  await node.reload(again([]));
  await until("the listener is gone", () => node.view().listeners.length === 0);
  await until("its port is free", async () => {
    const rival = await startDatagramApp(context, () => [], { port }).catch(() => undefined);
    return rival !== undefined;
  });
});

test("a port of datagrams and one of streams are not in each other's way", async (context) => {
  const [app, port] = [await echoDatagrams(context), await freePort()];
  const node = await startNode(context, {
    listeners: [
      { url: `udp://127.0.0.1:${port}`, service: "app" },
      { url: `http://127.0.0.1:${port}`, service: "web" },
    ],
    services: { app: { target: app.url } },
  });
  assert.equal(node.addresses.listeners.length, 2);
  const client = await DatagramClient.open(context, port);
  assert.equal(String(await client.ask("hello")), "hello");
});

test("a port that is taken is said with its address", async (context) => {
  const app = await silentApp(context);
  const listeners = [{ url: app.url, service: "app" }];
  await assert.rejects(startNode(context, { listeners }), (error: Error) => {
    assert.match(error.message, new RegExp(`^cannot listen on ${app.url}: .*EADDRINUSE`));
    return "code" in error && error.code === "ADDRESS_IN_USE";
  });
});

test("an app that cannot be reached is not looked for with each datagram of a client in haste", async (context) => {
  // Never a name, says RFC 6761.
  const { node, port, dropped } = await startLocal(context, "udp://nobody.invalid:53", {});
  const client = await DatagramClient.open(context, port);
  let sent = 0;
  const startedAt = performance.now();
  await until("hundreds are dropped", () => {
    for (let each = 0; each < 10; each++, sent++) client.send("?");
    return dropped("unserved") > 500;
  });
  const { connectionsTotal, errors } = node.view().listeners[0]!;
  const most = 2 + (performance.now() - startedAt) / 200;
  assert.ok(connectionsTotal <= most, `${connectionsTotal} associations, at most ${most}`);
  assert.ok((errors["TARGET_UNREACHABLE"] ?? 0) > 0);
});

test("an address that the system does not let us send to is said to be unreachable", async (context) => {
  const { node, port, lines } = await startLocal(context, "udp://255.255.255.255:9", { amplification: 0 });
  const client = await DatagramClient.open(context, port);
  client.send("to everybody?");
  await until("the reason is said", () => lines.length > 0);
  assert.match(lines[0]!, /^cannot reach udp:\/\/255\.255\.255\.255:9: .*EACCES/);
  assert.deepEqual(node.view().listeners[0]!.errors, { TARGET_UNREACHABLE: 1 });
});

test("frames that no network carries are dropped at the target, and the next ones pass", async (context) => {
  const app = await echoDatagrams(context);
  const { node } = await startLocal(context, app.url, {});
  const heard: string[] = [];
  const sink = {
    ...NO_SINK,
    data: (chunk: Buffer): void => {
      forEachDatagram(chunk, (datagram) => heard.push(datagram.toString()));
      stream.consumed(chunk.length);
    },
  };
  const stream = node.dial(new StreamRequest("app", "udp", "", undefined, 1000), sink);
  stream.write(frameInto(frameRoom(), Buffer.alloc(65_535)));
  stream.write(frameInto(frameRoom(), Buffer.from("small")));
  await until("the small one is answered", () => heard.length === 1);
  assert.deepEqual(heard, ["small"]);
  assert.deepEqual(node.view().services[0]!.datagrams!.dropped, { "too-large": 1 });
  // The beginning of a datagram that never comes.
  stream.write(Buffer.from([0, 5, 1]));
  stream.end();
  await until("its socket is closed", () => node.view().services[0]!.requestsActive === 0);
});
