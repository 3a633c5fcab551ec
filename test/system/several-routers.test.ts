/** Connectors that find more routers than their configuration names: those that a router names, and addresses of a name. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLogger, systemClock } from "../../src/base/clock.ts";
import { createNode, type PolarityNode } from "../../src/node/node.ts";
import { configOf, portOf, type RawConfig, startNode } from "../support/cluster.ts";
import { until } from "../support/patience.ts";

type Accept = NonNullable<NonNullable<RawConfig["links"]>["accept"]>[number];

async function startNamed(context: TestContext, name: string, accept: Partial<Accept> = {}) {
  const raw = (more: Partial<Accept>): RawConfig => ({
    node: { name },
    links: { accept: [{ url: "tcp://127.0.0.1:0", ...accept, ...more }] },
  });
  const node = await startNode(context, raw({}));
  const link = node.addresses.links[0] ?? "";
  return { node, link, advise: (routers: readonly string[]) => node.reload(configOf(raw({ routers: [...routers] }))) };
}

function joined(node: PolarityNode): string[] {
  return node
    .view()
    .links.filter(({ state }) => state === "up")
    .map((link) => link.node)
    .sort();
}

async function joinedAre(node: PolarityNode, names: readonly string[]): Promise<void> {
  await until(`links to ${names.join(", ")}`, () => joined(node).join() === names.join());
}

type Discover = NonNullable<NonNullable<NonNullable<RawConfig["links"]>["dial"]>[number]["discover"]>;

function startFinding(context: TestContext, link: string, discover?: Discover): Promise<PolarityNode> {
  const dial = [{ url: link, ...(discover === undefined ? {} : { discover }) }];
  return startNode(context, { node: { name: "shed" }, links: { dial }, services: { web: { target: "1" } } });
}

test("a connector joins the routers that its router names, follows the list, and keeps them when that router goes", async (t) => {
  const [b, c] = [await startNamed(t, "b"), await startNamed(t, "c")];
  const a = await startNamed(t, "a", { routers: [b.link] });
  const shed = await startFinding(t, a.link, {});
  await joinedAre(shed, ["a", "b"]);
  const before = shed.view().links.map(({ id }) => id);
  await a.advise([c.link]);
  await joinedAre(shed, ["a", "c"]);
  await a.advise([c.link, b.link]);
  await joinedAre(shed, ["a", "b", "c"]);
  assert.ok(
    shed.view().links.some(({ id }) => id === before[0]),
    "the link to the router that named them stays",
  );
  await a.node.stop();
  await joinedAre(shed, ["b", "c"]);
  for (const { node } of [b, c])
    await until("its offer", () => node.view().services.some(({ name }) => name === "web"));
});

test("nobody is joined unasked, nor more than the bound, nor beyond the hosts that are allowed", async (t) => {
  const [b, c] = [await startNamed(t, "b"), await startNamed(t, "c")];
  // 127.0.0.2 is this machine too, but another host.
  const d = await startNamed(t, "d", { url: "tcp://127.0.0.2:0" });
  const bad = ["nonsense", "gopher://127.0.0.1:1", "unix:///tmp/x.sock", "tcp://user:pass@127.0.0.1:1"];
  const a = await startNamed(t, "a", { routers: [] });
  await a.advise([d.link, b.link, c.link]).catch(() => {});
  const unasked = await startFinding(t, a.link);
  const bounded = await startFinding(t, a.link, { max: 1 });
  const open = await startFinding(t, a.link, { hosts: ["127.0.0.2"] });
  await joinedAre(open, ["a", "b", "c", "d"]);
  await joinedAre(bounded, ["a", "b"]);
  assert.deepEqual(joined(unasked), ["a"]);
  assert.throws(() => configOf({ links: { accept: [{ url: "tcp://127.0.0.1:0", routers: bad }] } }));
});

test("a router that was found names no further ones", async (t) => {
  const c = await startNamed(t, "c");
  const b = await startNamed(t, "b", { routers: [c.link] });
  const a = await startNamed(t, "a", { routers: [b.link] });
  const shed = await startFinding(t, a.link, {});
  await joinedAre(shed, ["a", "b"]);
  await a.advise([b.link, c.link]);
  await joinedAre(shed, ["a", "b", "c"]);
  await a.advise([b.link]);
  await joinedAre(shed, ["a", "b"]);
});

/** A router for each address, all on one port; `[::1]` where there is one. */
async function startAt(context: TestContext, addresses: readonly string[]) {
  const routers = new Map<string, PolarityNode>();
  let port = 0;
  const start = async (address: string): Promise<void> => {
    const host = address.includes(":") ? `[${address}]` : address;
    const name = `at-${address.replaceAll(/[^0-9a-f]/g, "-").replaceAll(/^-+|-+$/g, "")}`;
    const node = await startNode(context, { node: { name }, links: { accept: [{ url: `tcp://${host}:${port}` }] } });
    port = portOf(node.addresses.links[0] ?? "");
    routers.set(address, node);
  };
  for (const address of addresses) await start(address);
  return { routers, port, start };
}

test("a name with many addresses of both families gives a link to each, and changes are followed", async (t) => {
  const { port, routers, start } = await startAt(t, ["127.0.0.1", "127.0.0.2", "::1"]);
  let addresses = ["127.0.0.1", "::1", "127.0.0.9"];
  let failing = false;
  const shed = createNode(
    configOf({
      node: { name: "shed" },
      links: { dial: [{ url: `tcp://routers.example:${port}`, addresses: "all", resolveEvery: "100ms", cost: 4 }] },
      services: { web: { target: "1" } },
    }),
    {
      logger: silentLogger,
      clock: systemClock,
      version: "test",
      resolve: async (host) => {
        assert.equal(host, "routers.example");
        if (failing) throw new Error("no such host, for now");
        return addresses;
      },
    },
  );
  t.after(() => shed.stop());
  await shed.start();
  // 127.0.0.9 refuses, and holds up nobody.
  await joinedAre(shed, ["at-1", "at-127-0-0-1"]);
  const kept = shed.view().links.map(({ id }) => id);
  addresses = ["127.0.0.1", "127.0.0.2"];
  await joinedAre(shed, ["at-127-0-0-1", "at-127-0-0-2"]);
  assert.ok(
    shed.view().links.some(({ id }) => kept.includes(id)),
    "what stays in the name stays linked",
  );
  failing = true;
  await routers.get("127.0.0.2")?.stop();
  await joinedAre(shed, ["at-127-0-0-1"]);
  await start("127.0.0.2");
  await joinedAre(shed, ["at-127-0-0-1", "at-127-0-0-2"]);
  assert.deepEqual(new Set(shed.view().links.map(({ cost }) => cost)), new Set([4]));
});

test("a name that resolves to nothing is asked for again until it does", async (t) => {
  const { port } = await startAt(t, ["127.0.0.1"]);
  let asked = 0;
  const dial = [{ url: `tcp://late.example:${port}`, addresses: "all" as const }];
  const shed = createNode(configOf({ node: { name: "shed" }, links: { dial }, services: { web: { target: "1" } } }), {
    logger: silentLogger,
    clock: systemClock,
    version: "test",
    resolve: async () => (++asked < 3 ? [] : ["127.0.0.1"]),
  });
  t.after(() => shed.stop());
  await shed.start();
  await joinedAre(shed, ["at-127-0-0-1"]);
});
