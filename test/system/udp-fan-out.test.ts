/** One-to-N sessions in datagrams: the same scenarios over every way that leads from a client to several servers. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { NO_SINK } from "../../src/base/byte-stream.ts";
import type { PolarityNode } from "../../src/node/node.ts";
import { offered, portOf, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { type DatagramApp, DatagramClient, namedApp, silentApp, startDatagramApp } from "../support/datagrams.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { temporaryFolder } from "../support/servers.ts";

type Mode = "half-duplex" | "full-duplex";

/** Returns the port where clients come in. */
type Way = (context: TestContext, apps: readonly DatagramApp[], mode: Mode) => Promise<number>;

const udp = { amplification: 0 };
const listener = (mode?: Mode) => ({
  url: "udp://127.0.0.1:0",
  service: "bus",
  udp,
  ...(mode === undefined ? {} : { mode }),
});
const urls = (apps: readonly DatagramApp[]): string[] => apps.map(({ url }) => url);

const WAYS: Readonly<Record<string, Way>> = {
  "targets of the same node": async (context, apps, mode) => {
    const services = { bus: { targets: urls(apps), mode } };
    return (await startRouter(context, [listener()], { services })).port;
  },
  "targets behind one link": async (context, apps, mode) => {
    const router = await startRouter(context, [listener()]);
    await startConnector(context, router.link, { bus: { targets: urls(apps), mode } });
    await offered(router.node, "bus");
    return router.port;
  },
  "a link for each server": async (context, apps, mode) => {
    const router = await startRouter(context, [listener()]);
    for (const { url } of apps) await startConnector(context, router.link, { bus: { target: url, mode } });
    await offered(router.node, "bus", apps.length);
    return router.port;
  },
  "links that the clients' node dialled": async (context, apps, mode) => {
    const accept = [{ url: "tcp://127.0.0.1:0", relay: false }];
    const segments = apps.map(({ url }, index) => {
      const services = { bus: { target: url } };
      return startRouter(context, [], { node: { name: `segment-${index}` }, links: { accept }, services });
    });
    const dial = (await Promise.all(segments)).map(({ link }) => ({ url: link }));
    const controller = await startRouter(context, [listener(mode)], { links: { dial } });
    await offered(controller.node, "bus", apps.length);
    return controller.port;
  },
  "Cloudbus's files": startCloudbus,
};

async function startCloudbus(context: TestContext, apps: readonly DatagramApp[], mode: Mode): Promise<number> {
  const folder = temporaryFolder(context);
  const file = (name: string, ...lines: readonly string[]): string => {
    writeFileSync(join(folder, name), ["[Bus]", ...lines, ""].join("\n"));
    return join(folder, name);
  };
  const links: string[] = [];
  for (const [index, { url }] of apps.entries()) {
    const ini = file(`segment-${index}.ini`, "bind = tcp://127.0.0.1:0", `server = ${url}`);
    const running = new PolarityProcess(context, ["segment", "-c", ini]);
    links.push(`server = tcp://127.0.0.1:${portOf((await running.ready()).links[0] ?? "")}`);
  }
  const ini = file("controller.ini", "bind = udp://127.0.0.1:0", `mode = ${mode.replace("-", " ")}`, ...links);
  const running = new PolarityProcess(context, ["controller", "-c", ini]);
  const { listeners } = await running.ready();
  await until("all segments are linked", () => running.stderr.split("joined node").length > apps.length);
  return portOf(listeners[0] ?? "");
}

for (const [way, start] of Object.entries(WAYS)) {
  test(`${way}: the first that answers keeps the association`, { timeout: 60_000 }, async (context) => {
    const apps = [await silentApp(context), await silentApp(context), await silentApp(context)];
    const client = await DatagramClient.open(context, await start(context, apps, "half-duplex"));
    client.send("who is there?");
    for (const app of apps) await until("each was asked", () => app.received.length === 1);
    apps[1]!.sendAll("me");
    await client.gets(1);
    for (const text of ["one", "two", "three"]) client.send(text);
    await until("the winner hears the client", () => apps[1]!.received.length === 4);
    apps[0]!.sendAll("me too");
    apps[2]!.sendAll("and me");
    apps[1]!.sendAll("still me");
    await client.gets(2);
    assert.deepEqual(client.texts, ["me", "still me"]);
    assert.deepEqual(
      apps.map(({ received }) => received.length),
      [1, 4, 1],
    );
  });

  test(
    `${way}: all hear the client, and it hears all of them, datagram by datagram`,
    { timeout: 60_000 },
    async (context) => {
      const apps = await Promise.all(["a", "b", "c"].map((name) => namedApp(context, name)));
      const client = await DatagramClient.open(context, await start(context, apps, "full-duplex"));
      // Large ones cross links in pieces, and several answers are under way at once.
      const sent = [0, 1, 100, 20_000, 60_000].map((bytes, index) => String(index).repeat(bytes));
      for (const [index, text] of sent.entries()) {
        client.send(text);
        await client.gets(3 * (index + 1));
      }
      for (const app of apps) assert.deepEqual(app.received, sent);
      for (const name of ["a", "b", "c"]) {
        const own = client.texts.filter((text) => text.startsWith(name));
        assert.deepEqual(
          own,
          sent.map((text) => `${name} ${text}`),
        );
      }
    },
  );

  test(`${way}: one that is not there takes nothing from the others`, { timeout: 60_000 }, async (context) => {
    const [gone, there] = [await silentApp(context), await namedApp(context, "there")];
    gone.close();
    const client = await DatagramClient.open(context, await start(context, [gone, there], "half-duplex"));
    assert.equal(String(await client.ask("hello")), "there hello");
    assert.equal(String(await client.ask("again")), "there again");
  });
}

test("answers of several servers in bulk are never mixed up within a datagram", async (context) => {
  const burst = (name: string) =>
    startDatagramApp(context, () => Array.from({ length: 8 }, () => Buffer.from(name.repeat(20_000))));
  const apps = await Promise.all(["a", "b", "c"].map(burst));
  const port = await WAYS["a link for each server"]!(context, apps, "full-duplex");
  const client = await DatagramClient.open(context, port);
  for (let round = 0; round < 20; round++) client.send("go");
  await client.gets(24);
  for (const text of client.texts) assert.match(text, /^(a{20000}|b{20000}|c{20000})$/);
});

test("a server that comes while an association lasts takes part from then on, and one that comes back does again", async (context) => {
  const [first, second] = [await namedApp(context, "first"), await namedApp(context, "second")];
  const router = await startRouter(context, [listener("full-duplex")]);
  const join = (app: DatagramApp, name: string): Promise<PolarityNode> =>
    startConnector(context, router.link, { bus: { target: app.url } }, { name });
  await join(first, "one");
  await offered(router.node, "bus");
  const client = await DatagramClient.open(context, router.port);
  await client.ask("1");
  const late = await join(second, "two");
  await offered(router.node, "bus", 2);
  await client.ask("2", 2);
  await late.stop();
  await offered(router.node, "bus", 1);
  await client.ask("3");
  await join(second, "two");
  await offered(router.node, "bus", 2);
  await client.ask("4", 2);
  assert.deepEqual(first.received, ["1", "2", "3", "4"]);
  assert.deepEqual(second.received, ["2", "4"]);
  assert.equal(router.node.view().listeners[0]!.connectionsTotal, 1);
});

test("when the one that keeps an association goes, the client's next datagrams find another", async (context) => {
  const apps = [await namedApp(context, "a"), await namedApp(context, "b")];
  const router = await startRouter(context, [listener("half-duplex")]);
  const nodes = new Map<string, PolarityNode>();
  for (const [index, name] of ["a", "b"].entries()) {
    const services = { bus: { target: apps[index]!.url } };
    nodes.set(name, await startConnector(context, router.link, services, { name }));
  }
  await offered(router.node, "bus", 2);
  const client = await DatagramClient.open(context, router.port);
  const winner = String(await client.ask("who?"))[0]!;
  await nodes.get(winner)!.stop();
  await client.persist("who now?");
  assert.equal(client.texts.at(-1), `${winner === "a" ? "b" : "a"} who now?`);
});

test("join: no keeps servers that come later for associations that begin later", async (context) => {
  const [first, second] = [await namedApp(context, "first"), await namedApp(context, "second")];
  const router = await startRouter(context, [{ ...listener("full-duplex"), join: false }]);
  await startConnector(context, router.link, { bus: { target: first.url } });
  await offered(router.node, "bus");
  const client = await DatagramClient.open(context, router.port);
  await client.ask("1");
  await startConnector(context, router.link, { bus: { target: second.url } });
  await offered(router.node, "bus", 2);
  await client.ask("2");
  assert.deepEqual(second.received, []);
  const other = await DatagramClient.open(context, router.port);
  await other.ask("3", 2);
  assert.deepEqual(second.received, ["3"]);
});

for (const slowest of ["drop", "wait"] as const) {
  test(`slowest: ${slowest} says whether a server that takes nothing costs the others anything`, async (context) => {
    const app = await namedApp(context, "fast");
    const router = await startRouter(context, [
      { ...listener("full-duplex"), slowest, buffer: "64KiB", udp: { ...udp, queue: "64KiB" } },
    ]);
    await startConnector(context, router.link, { bus: { target: app.url } }, { name: "fast" });
    const stuck = await startNode(context, { node: { name: "stuck" }, links: { dial: [{ url: router.link }] } });
    // Gives no credit back.
    stuck.serve(
      { name: "bus", protocol: "udp", weight: 1, labels: {} },
      { url: "stuck", active: 0, accept: (stream) => void (stream.sink = NO_SINK), sweep: () => {}, close: () => {} },
    );
    await offered(router.node, "bus", 2);
    const client = await DatagramClient.open(context, router.port);
    const datagram = Buffer.alloc(16_000, "x");
    const queued = () => router.node.view().listeners[0]!.datagrams!.dropped["queue"] ?? 0;
    if (slowest === "wait") {
      await until("the listener drops what the slow server does not take", () => {
        client.send(datagram);
        return queued() > 0;
      });
      return;
    }
    for (let sent = 0; sent < 100; sent++) await client.ask(datagram);
    assert.equal(app.received.length, 100);
    assert.equal(queued(), 0);
    client.close();
    await stuck.stop();
    await until("what the other missed is counted", () => {
      const servers = router.node.view().services[0]?.servers ?? [];
      return (servers.find(({ name }) => name === "stuck")?.datagramsMissedTotal ?? 0) > 10;
    });
  });
}
