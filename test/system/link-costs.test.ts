/** What links cost: the near router's connectors first, and costs that change while everything runs. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PolarityNode } from "../../src/node/node.ts";
import { startHttpApp } from "../support/apps.ts";
import { configOf, offered, portOf, type RawConfig, startNode, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";

/** A connector that serves `web` and says its name, joined to `links`, each at a cost. */
async function startNamed(context: TestContext, name: string, links: Readonly<Record<string, number>>) {
  const app = await startHttpApp(context, (_request, response) => response.end(name));
  const config = (costs: Readonly<Record<string, number>>): RawConfig => ({
    node: { name },
    links: { dial: Object.entries(costs).map(([url, cost]) => ({ url, cost })) },
    services: { web: { target: app.url } },
  });
  const node = await startNode(context, config(links));
  return { node, app, reload: (costs: typeof links) => node.reload(configOf(config(costs))) };
}

async function served(port: number, requests = 12): Promise<string[]> {
  const names = new Set<string>();
  for (let count = 0; count < requests; count++) names.add((await ask(port)).text);
  return [...names].sort();
}

function costsAt(node: PolarityNode): Record<string, number> {
  return Object.fromEntries(
    node.view().services.flatMap(({ offers }) => offers.map((offer) => [offer.node, offer.cost])),
  );
}

test("the near connector serves, the far one only while the near one cannot", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const near = await startNamed(t, "near", { [router.link]: 0 });
  await startNamed(t, "far", { [router.link]: 10 });
  await offered(router.node, "web", 2);
  assert.deepEqual(await served(router.port), ["near"]);
  await near.node.stop();
  assert.deepEqual(await served(router.port), ["far"]);
  await startNamed(t, "near", { [router.link]: 0 });
  await offered(router.node, "web", 2);
  assert.deepEqual(await served(router.port), ["near"]);
});

test("an app that refuses at the near connector is asked for at the far one", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const near = await startNamed(t, "near", { [router.link]: 0 });
  await startNamed(t, "far", { [router.link]: 10 });
  await offered(router.node, "web", 2);
  near.app.server.closeAllConnections();
  await new Promise((resolve) => near.app.server.close(resolve));
  assert.deepEqual(await served(router.port), ["far"]);
});

test("a connector of two routers is near to one and far from the other", async (t) => {
  const [east, west] = [await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]), await startRouter(t)];
  await startNamed(t, "a", { [east.link]: 0, [west.link]: 10 });
  await startNamed(t, "b", { [east.link]: 10, [west.link]: 0 });
  for (const { node } of [east, west]) await offered(node, "web", 2);
  assert.deepEqual(costsAt(east.node), { a: 0, b: 10 });
  assert.deepEqual(costsAt(west.node), { a: 10, b: 0 });
  assert.deepEqual(await served(east.port), ["a"]);
});

test("a cost that a reload changes is told to the router at once, over the same link, and holds for the next", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const one = await startNamed(t, "one", { [router.link]: 0 });
  await startNamed(t, "two", { [router.link]: 5 });
  await offered(router.node, "web", 2);
  assert.deepEqual(await served(router.port), ["one"]);
  const before = one.node.view().links.map(({ id }) => id);
  await one.reload({ [router.link]: 20 });
  await until("the router to hear of it", () => costsAt(router.node)["one"] === 20);
  assert.deepEqual(await served(router.port), ["two"]);
  assert.deepEqual(
    one.node.view().links.map(({ id, cost }) => [id, cost]),
    before.map((id) => [id, 20]),
  );
});

test("the cost of a link in a chain changes what all behind it cost", async (t) => {
  const edge = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const config = (cost: number): RawConfig => ({
    node: { name: "middle" },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }], dial: [{ url: edge.link, relay: true, cost }] },
  });
  const middle = await startNode(t, config(2));
  const { port } = { port: portOf(middle.addresses.links[0] ?? "") };
  await startNamed(t, "shed", { [`tcp://127.0.0.1:${port}`]: 3 });
  await until("the sum", () => costsAt(edge.node)["shed"] === 5);
  await middle.reload(
    configOf({ ...config(40), links: { ...config(40).links, accept: [{ url: "tcp://127.0.0.1:0" }] } }),
  );
  await until("the new sum", () => costsAt(edge.node)["shed"] === 43);
});

test("the cost of links is changed by a command, for those that are there and those to come, until the next reload", async (t) => {
  const router = await startRouter(t);
  const connector = new PolarityProcess(t, [
    "connect",
    "web=1",
    "--name",
    "shed",
    "--router",
    router.link,
    "--admin",
    "http://127.0.0.1:0",
  ]);
  const { admin = "" } = await connector.ready();
  await until("the offer", () => costsAt(router.node)["shed"] === 0);
  const { stdout } = await run(t, ["get", "links", "-o", "json", "--node", admin]);
  const [{ id }] = JSON.parse(stdout) as [{ id: string }];
  for (const [index, link] of [router.link, "edge", id].entries()) {
    const cost = 10 + index;
    const changed = await run(t, ["cost", link, `${cost}`, "--node", admin]);
    assert.deepEqual([changed.code, changed.stdout, changed.stderr], [0, `links to ${link} cost ${cost} now\n`, ""]);
    await until("the new cost", () => costsAt(router.node)["shed"] === cost);
  }
  for (const link of router.node.view().links) assert.equal(link.cost, 12);
  await router.node.stop();
  const again = await startRouter(t, [], { links: { accept: [{ url: router.link }] } });
  await until("the next link", () => costsAt(again.node)["shed"] === 12);
  const unknown = await run(t, ["cost", "nowhere", "1", "--node", admin]);
  assert.deepEqual([unknown.code, unknown.stderr], [1, 'polarity: this node dials no router "nowhere"\n']);
  const wide = await run(t, ["get", "services", "-o", "wide", "--node", admin]);
  assert.match(wide.stdout, /PATH +LINK +IDENTITY +LABELS *\nweb .* here /);
});
