/** Which ways there are through routers in a row, a triangle and a ring, as they come and go, and which there are not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamRequest } from "../../src/base/upstream.ts";
import { startRawApp } from "../support/apps.ts";
import { configOf, type RawConfig, startNode } from "../support/cluster.ts";
import { announce, joinAs, StreamReader } from "../support/link-node.ts";
import { soon, until } from "../support/patience.ts";
import { ACCEPT, listening, port, startChain, startPlace, waysAre, waysTo } from "../support/router-places.ts";
import { WireClient } from "../support/wire-client.ts";

test("offers of names with blanks or newlines, or paths that lie, come to nothing and break nothing", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("up"));
  const { edge, middle } = await startChain(t, app.url, listening("app"));
  const polite = await joinAs(t, "polite", middle.link);
  polite.offer(announce("with blank"));
  const path = (...instances: string[]) => ({ hops: instances.map((instance) => ({ node: "x", instance })), cost: 1 });
  const self = middle.node.view().node.instance;
  polite.offer(announce("looped"), path("a", self));
  polite.offer(announce("circular"), path("polite-1", "b"));
  polite.offer(announce("far"), path("1", "2", "3", "4", "5"));
  polite.offer(announce("mark"), path("c"));
  await waysAre(edge, "mark", ["middle polite x"]);
  const names = [edge, middle].flatMap(({ node }) => node.view().services.filter(({ offers }) => offers.length > 0));
  assert.deepEqual([...new Set(names.map(({ name }) => name))].sort(), ["app", "mark"]);
  const rude = await joinAs(t, "rude", middle.link);
  rude.offer(announce("with\nnewline"));
  await until("the end of that link", () => rude.state === "closed");
  assert.equal(await new WireClient(t, port(edge)).readAll(), "up");
});

test("a stream that has been here before, or has come too far, is refused", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("up"));
  const { edge, middle } = await startChain(t, app.url, listening("app"));
  const link = await joinAs(t, "astray", edge.link);
  const here = edge.node.view().node.instance;
  for (const [via, reason] of [
    [["x", here], /has been here before/],
    [["1", "2", "3", "4"], /has taken 4 links already/],
    // The only way leads over a node that it has passed.
    [[middle.node.view().node.instance], /no offer for service "app"/],
  ] as const) {
    const reader = new StreamReader();
    link.open(new StreamRequest("app", "tcp", "", undefined, 0, "ask", via), "", "", reader);
    const { code, message } = await soon("the refusal", reader.reason());
    assert.equal(code, "NO_OFFER");
    assert.match(message, reason);
  }
});

test("what is withdrawn at one end, drained or killed in the middle is gone at the other, and comes back", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("up"));
  const { edge, middle, inner, shed } = await startChain(t, app.url, listening("app"));
  const shedWith = (services: NonNullable<RawConfig["services"]>) =>
    configOf({ node: { name: "shed" }, links: { dial: [{ url: inner.link, cost: 3 }] }, services });
  await shed.reload(shedWith({}));
  for (const place of [inner, middle, edge]) await waysAre(place, "app", []);
  await shed.reload(shedWith({ app: { target: app.url } }));
  await waysAre(edge, "app", ["middle inner shed"]);

  await inner.node.stop();
  for (const place of [middle, edge]) await waysAre(place, "app", []);
  await startPlace(t, "inner", [middle], {
    links: { accept: [{ url: inner.link }], dial: [{ url: middle.link, relay: true }] },
  });
  await waysAre(edge, "app", ["middle inner shed"]);
  assert.equal(await new WireClient(t, port(edge)).readAll(), "up");
});

test("in a triangle the near way is taken, the far one when it breaks, and nothing is left when all have", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("found"));
  const a = await startPlace(t, "a", [], listening("app", "tcp://127.0.0.1:0", "300ms"));
  const b = await startPlace(t, "b", [a]);
  const c = await startPlace(t, "c", [a, b]);
  const shed = await startNode(t, {
    node: { name: "shed" },
    links: { dial: [{ url: c.link }] },
    services: { app: { target: app.url } },
  });
  await waysAre(a, "app", ["c shed", "b c shed"]);
  await waysAre(b, "app", ["c shed", "a c shed"]);
  await waysAre(c, "app", ["shed"]);
  assert.equal(await new WireClient(t, port(a)).readAll(), "found");
  // c leaves a, so that only the way over b is left.
  await c.node.reload(
    configOf({ node: { name: "c" }, links: { accept: ACCEPT, dial: [{ url: b.link, relay: true }] } }),
  );
  await waysAre(a, "app", ["b c shed"]);
  assert.equal(await new WireClient(t, port(a)).readAll(), "found");
  await shed.stop();
  for (const place of [a, b, c]) await waysAre(place, "app", []);
  assert.equal(await soon("the reset", new WireClient(t, port(a)).ended), "reset");
});

test("in a ring of four both ways round are known, none leads back, and any one node may go", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("found"));
  const a = await startPlace(t, "a", [], listening("app"));
  const b = await startPlace(t, "b", [a]);
  const c = await startPlace(t, "c", [b]);
  const d = await startPlace(t, "d", [c, a]);
  const shed = { node: { name: "shed" }, links: { dial: [{ url: c.link }] }, services: { app: { target: app.url } } };
  await startNode(t, shed);
  await waysAre(a, "app", ["b c shed", "d c shed"]);
  await waysAre(b, "app", ["c shed", "a d c shed"]);
  await waysAre(d, "app", ["c shed", "a b c shed"]);
  for (let round = 0; round < 8; round++) assert.equal(await new WireClient(t, port(a)).readAll(), "found");
  await b.node.stop();
  await waysAre(a, "app", ["d c shed"]);
  assert.equal(await new WireClient(t, port(a)).readAll(), "found");
  await d.node.stop();
  await waysAre(a, "app", []);
  await waysAre(c, "app", ["shed"]);
});

test("a chain is only as long as the limit says, at whichever node", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("found"));
  const limits = { hops: 2 };
  const edge = await startPlace(t, "edge", [], { ...listening("app", "tcp://127.0.0.1:0", "100ms"), limits });
  const middle = await startPlace(t, "middle", [edge]);
  const inner = await startPlace(t, "inner", [middle]);
  const shed = {
    node: { name: "shed" },
    links: { dial: [{ url: inner.link }] },
    services: { app: { target: app.url } },
  };
  await startNode(t, shed);
  await waysAre(middle, "app", ["inner shed"]);
  assert.deepEqual(waysTo(edge, "app"), []);
  assert.equal(await new WireClient(t, port(edge)).ended, "reset");
});

test("a link that must not relay passes on nothing, in either direction", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("found"));
  const edge = await startPlace(t, "edge");
  const closed = await startPlace(t, "closed", [{ url: edge.link }]);
  const mute = await startPlace(t, "mute", [], { links: { accept: [{ url: "tcp://127.0.0.1:0", relay: false }] } });
  const behind = await startPlace(t, "behind", [{ url: mute.link }]);
  for (const { link } of [closed, mute]) {
    await startNode(t, {
      node: { name: "shed" },
      links: { dial: [{ url: link }] },
      services: { app: { target: app.url } },
    });
  }
  await waysAre(closed, "app", ["shed"]);
  await waysAre(mute, "app", ["shed"]);
  await startNode(t, {
    node: { name: "own" },
    links: { dial: [{ url: edge.link }, { url: mute.link }] },
    services: { mark: { target: app.url } },
  });
  await waysAre(edge, "mark", ["own"]);
  await waysAre(mute, "mark", ["own"]);
  assert.deepEqual([waysTo(edge, "app"), waysTo(behind, "app"), waysTo(behind, "mark")], [[], [], []]);
});

test("an offer that others pass on does not take a name from who owns it", async (t) => {
  const mine = await startRawApp(t, (socket) => socket.end("mine"));
  const theirs = await startRawApp(t, (socket) => socket.end("theirs"));
  const edge = await startPlace(t, "edge", [], { ...listening("app"), services: { app: { target: mine.url } } });
  const middle = await startPlace(t, "middle", [edge]);
  const services = { app: { target: theirs.url }, mark: { target: theirs.url } };
  await startNode(t, { node: { name: "shed" }, links: { dial: [{ url: middle.link }] }, services });
  await waysAre(edge, "mark", ["middle shed"]);
  assert.deepEqual(waysTo(edge, "app"), [""]);
  assert.equal(await new WireClient(t, port(edge)).readAll(), "mine");
});
