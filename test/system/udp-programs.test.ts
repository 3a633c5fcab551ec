/** Datagrams through the commands, with a resolver as the client. */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { offered, portOf, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { DatagramClient, echoDatagrams } from "../support/datagrams.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { temporaryFolder } from "../support/servers.ts";

const lookUp = (port: number, name: string): Promise<string[]> => {
  const resolver = new Resolver({ timeout: 500, tries: 20 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver.resolve4(name);
};

const startRouterProcess = async (context: TestContext, ...args: readonly string[]) => {
  const bind = ["--link", "tcp://127.0.0.1:0", "--admin", "http://127.0.0.1:0"];
  const process = new PolarityProcess(context, ["router", "--name", "edge", ...bind, ...args]);
  const { links, listeners, admin } = await process.ready();
  return { process, link: `tcp://127.0.0.1:${portOf(links[0]!)}`, port: portOf(listeners[0]!), admin: admin! };
};

test(
  "a resolver asks a name server behind a connector, through router and forward",
  { timeout: 60_000 },
  async (context) => {
    const server = await startDnsServer(context, "192.0.2.53");
    const router = await startRouterProcess(context, "--listen", "udp://127.0.0.1:0=dns");
    const args = ["--router", router.link, "--name", "shed"];
    await new PolarityProcess(context, ["connect", `dns=${server.url}`, ...args]).ready();
    assert.deepEqual(await lookUp(router.port, "app.example.com"), ["192.0.2.53"]);
    const forward = new PolarityProcess(context, ["forward", "udp://127.0.0.1:0=shed.dns", "--router", router.link]);
    const [near = ""] = (await forward.ready()).listeners;
    assert.deepEqual(await lookUp(portOf(near), "app.example.com"), ["192.0.2.53"]);
    const listeners = await run(context, ["get", "listeners", "--node", router.admin, "-o", "wide"]);
    assert.match(listeners.stdout, /DATAGRAMS IN +DATAGRAMS OUT +DROPPED/);
    assert.match(listeners.stdout, /udp:\/\/127\.0\.0\.1:\d+ +dns +listening/);
    const sessions = await run(context, ["get", "sessions", "--node", router.admin]);
    assert.match(sessions.stdout, / dns +127\.0\.0\.1:\d+ +udp:\/\/127\.0\.0\.1:\d+ +shed +udp /);
  },
);

test("a service of datagrams is registered and taken back at run time", { timeout: 60_000 }, async (context) => {
  const server = await startDnsServer(context, "192.0.2.54");
  const router = await startRouterProcess(context, "--listen", "udp://127.0.0.1:0=dns");
  const registered = await run(context, ["register", "dns", server.url, "--node", router.admin]);
  assert.equal(registered.code, 0, registered.stderr);
  assert.deepEqual(await lookUp(router.port, "a.example.com"), ["192.0.2.54"]);
  assert.equal((await run(context, ["unregister", "dns", "--node", router.admin])).code, 0);
});

test(
  "a connector that is killed and started again under traffic is found again",
  { timeout: 60_000 },
  async (context) => {
    const app = await echoDatagrams(context);
    const router = await startRouterProcess(context, "--listen", "udp://127.0.0.1:0=app");
    const connect = () => new PolarityProcess(context, ["connect", `app=${app.url}`, "--router", router.link]);
    const first = connect();
    const client = await DatagramClient.open(context, router.port);
    const traffic = setInterval(() => client.send("tick"), 20);
    context.after(() => clearInterval(traffic));
    await client.gets(10);
    first.signal("SIGKILL");
    await first.exited;
    connect();
    await client.gets(client.received.length + 10);
  },
);

test("a router that drains lets flows of datagrams move to another one, and does not wait for them", async (context) => {
  const app = await echoDatagrams(context);
  const edges = await Promise.all(["edge-1", "edge-2"].map((name) => startRouter(context, [], { node: { name } })));
  for (const { node, link } of edges) {
    await startConnector(context, link, { app: { target: app.url } });
    await offered(node, "app");
  }
  const laptop = await startNode(context, {
    links: { dial: edges.map(({ link }) => ({ url: link })) },
    listeners: [{ url: "udp://127.0.0.1:0", service: "app" }],
  });
  await until("both routers are joined", () => laptop.view().totals.linksUp === 2);
  const client = await DatagramClient.open(context, portOf(laptop.addresses.listeners[0]!));
  await client.persist("before");
  const used = laptop.view().sessions[0]!.node;
  const traffic = setInterval(() => client.send("tick"), 20);
  context.after(() => clearInterval(traffic));
  const [draining, other] = used === "edge-1" ? edges : edges.toReversed();
  assert.deepEqual(await draining!.node.drain(), { cutOff: 0 });
  await until("the other router carries it", () => other!.node.view().sessions.length === 1);
  await client.gets(client.received.length + 10);
});

test("a connector that drains alone waits for no flow that has fallen silent", async (context) => {
  const app = await echoDatagrams(context);
  const router = await startRouter(context, [{ url: "udp://127.0.0.1:0", service: "app" }]);
  const connector = await startConnector(context, router.link, { app: { target: app.url } });
  await offered(router.node, "app");
  await (await DatagramClient.open(context, router.port)).ask("one");
  const startedAt = performance.now();
  assert.deepEqual(await connector.drain(), { cutOff: 0 });
  assert.ok(performance.now() - startedAt < 15_000, "well before the 60 s that an association may be idle");
});

test(
  "a connector that freezes is left within a second or two, and one that wakes up serves again",
  { timeout: 60_000 },
  async (context) => {
    const app = await echoDatagrams(context);
    const router = await startRouter(context, [{ url: "udp://127.0.0.1:0", service: "app" }]);
    const args = [`app=${app.url}`, "--router", router.link];
    const frozen = new PolarityProcess(context, ["connect", ...args, "--name", "frozen"]);
    await offered(router.node, "app");
    const client = await DatagramClient.open(context, router.port);
    const traffic = setInterval(() => client.send("tick"), 20);
    context.after(() => clearInterval(traffic));
    await client.gets(10);
    const other = new PolarityProcess(context, ["connect", ...args, "--name", "other"]);
    await offered(router.node, "app", 2);
    frozen.signal("SIGSTOP");
    context.after(() => frozen.signal("SIGCONT"));
    await until("another node serves", () => router.node.view().sessions.some(({ node }) => node === "other"));
    await client.gets(client.received.length + 10);
    frozen.signal("SIGCONT");
    await offered(router.node, "app", 2);
    other.signal("SIGKILL");
    await client.gets(client.received.length + 10);
  },
);

test("an association that is over is a line of the access log", async (context) => {
  const [app, path] = [await echoDatagrams(context), join(temporaryFolder(context), "access.log")];
  const udp = { idleTimeout: "200ms" };
  const router = await startRouter(context, [{ url: "udp://127.0.0.1:0", service: "app", udp, accessLog: { path } }]);
  await startConnector(context, router.link, { app: { target: app.url } }, { name: "shed" });
  await offered(router.node, "app");
  const client = await DatagramClient.open(context, router.port);
  await client.ask("123456");
  const text = () => (existsSync(path) ? readFileSync(path, "utf8") : "");
  await until("a line is written", () => text().endsWith("\n"));
  const { protocol, peer, service, node, bytesIn, bytesOut, error } = JSON.parse(text()) as Record<string, unknown>;
  assert.deepEqual([protocol, peer, service, node], ["udp", `127.0.0.1:${client.port}`, "app", "shed"]);
  assert.deepEqual([bytesIn, bytesOut, error], [8, 8, null], "with the two bytes of each datagram's length");
});

test("datagrams take a chain of routers", async (context) => {
  const app = await echoDatagrams(context);
  const edge = await startRouter(context, [{ url: "udp://127.0.0.1:0", service: "app", udp: { amplification: 0 } }]);
  const inner = await startRouter(context, [], {
    node: { name: "inner" },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }], dial: [{ url: edge.link, relay: true }] },
  });
  await startConnector(context, inner.link, { app: { target: app.url } }, { name: "shed" });
  await offered(edge.node, "app");
  const [offer] = edge.node.view().services[0]!.offers;
  assert.deepEqual([offer!.protocol, offer!.path], ["udp", ["inner", "shed"]]);
  const client = await DatagramClient.open(context, edge.port);
  for (const bytes of [0, 100, 65_507]) assert.equal((await client.ask(Buffer.alloc(bytes))).length, bytes);
});
