/** Two edges, a router behind them and two connectors as processes, any one of which is killed under load. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { AdminClient } from "../../src/admin/client.ts";
import { startHttpApp } from "../support/apps.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";

interface Node {
  readonly process: PolarityProcess;
  readonly admin: string;
  readonly port: number;
  readonly link: string;
}

/** Starts nodes from configuration, and starts them again on the ports that they had. */
class World {
  readonly nodes = new Map<string, Node>();
  readonly #context: TestContext;
  readonly #folder: string;

  constructor(context: TestContext) {
    this.#context = context;
    this.#folder = mkdtempSync(join(tmpdir(), "polarity-kills-"));
    context.after(() => rmSync(this.#folder, { recursive: true }));
  }

  /** `config` is made anew each time, as it may name what other nodes bound. */
  async start(name: string, config: (own: { port: number; link: string }) => object): Promise<void> {
    const before = this.nodes.get(name);
    const file = join(this.#folder, `${name}.yaml`);
    const own = { port: before?.port ?? 0, link: before?.link ?? "tcp://127.0.0.1:0" };
    const raw = { node: { name }, admin: { url: "http://127.0.0.1:0" }, log: { level: "warn" }, ...config(own) };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(raw));
    const process = new PolarityProcess(this.#context, ["run", "-c", file]);
    const { admin = "", links, listeners } = await process.ready();
    this.nodes.set(name, { process, admin, link: links[0] ?? "", port: Number(listeners[0]?.split(":").at(-1) ?? 0) });
  }

  node(name: string): Node {
    const node = this.nodes.get(name);
    assert.ok(node !== undefined, name);
    return node;
  }

  async kill(name: string): Promise<void> {
    const { process } = this.node(name);
    process.signal("SIGKILL");
    await process.exited;
  }

  /** The ways to the service that a node knows. */
  async ways(name: string): Promise<string[]> {
    const client = new AdminClient({ url: this.node(name).admin, token: undefined, timeoutMs: 5_000 });
    const services = await client.services();
    return services
      .flatMap(({ offers }) => offers.filter(({ usable }) => usable).map(({ path }) => path.join(" ")))
      .sort();
  }
}

test("killing any one router or connector under load loses no request that may be asked again", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    // Answers take a moment, so that requests are under way at every one.
    setTimeout(() => response.end(`served ${request.url}`), 30);
  });
  const world = new World(t);
  const edge = (own: { port: number; link: string }) => ({
    links: { accept: [{ url: own.link }] },
    listeners: [{ url: `http://127.0.0.1:${own.port}`, service: "web" }],
  });
  const dial = (...names: string[]) => names.map((name) => ({ url: world.node(name).link }));
  const inner = (own: { link: string }) => ({
    links: { accept: [{ url: own.link }], dial: dial("edge-1", "edge-2").map((link) => ({ ...link, relay: true })) },
  });
  const connector = (names: string[]) => () => ({
    links: { dial: dial(...names) },
    services: { web: { target: app.url } },
  });
  const nodes: Record<string, Parameters<World["start"]>[1]> = {
    "edge-1": edge,
    "edge-2": edge,
    inner,
    near: connector(["edge-1", "edge-2"]),
    far: connector(["inner"]),
  };
  for (const [name, config] of Object.entries(nodes)) await world.start(name, config);
  const whole = async (): Promise<void> => {
    // Over the inner router each edge is also a way for the other.
    for (const [name, other] of [
      ["edge-1", "edge-2"],
      ["edge-2", "edge-1"],
    ] as const) {
      const expected = `inner ${other} near,inner far,near`;
      await until(`the ways at ${name}: ${expected}`, async () => (await world.ways(name)).join() === expected);
    }
  };
  await whole();

  const agent = keepAliveAgent(t, 16);
  const failures: string[] = [];
  const over = new AbortController();
  let count = 0;
  const load = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const path = `/${count++}`;
      const { status, text } = await ask(world.node("edge-2").port, { path, agent });
      if (status !== 200 || text !== `served ${path}`) failures.push(`${path}: ${status} ${text}`);
    }
  };
  const loads = Array.from({ length: 12 }, load);
  try {
    for (const victim of ["far", "inner", "edge-1", "near"]) {
      const before = count;
      await until("requests before", () => count > before + 100);
      await world.kill(victim);
      const killedAt = performance.now();
      assert.equal((await ask(world.node("edge-2").port, { path: "/new" })).status, 200);
      assert.ok(performance.now() - killedAt < 1_000, `a new request took ${performance.now() - killedAt} ms`);
      const after = count;
      await until("requests after", () => count > after + 100);
      assert.deepEqual(failures, [], `when ${victim} was killed`);
      // The last is not needed any more: what is far serves for it.
      if (victim === "near") break;
      await world.start(victim, nodes[victim]!);
      await whole();
    }
  } finally {
    over.abort();
    await Promise.all(loads);
  }
  assert.deepEqual(failures, []);

  // A router that clients are at takes its connections with it; the other one serves them at once.
  await world.kill("edge-2");
  const killedAt = performance.now();
  assert.equal((await ask(world.node("edge-1").port, { path: "/elsewhere" })).status, 200);
  assert.ok(performance.now() - killedAt < 1_000);
});
