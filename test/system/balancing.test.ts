/** Which connector serves a request, and what happens to requests when one goes, dies, freezes or comes back. */
import assert from "node:assert/strict";
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import type { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Logger } from "../../src/base/clock.ts";
import type { PolarityNode } from "../../src/node/node.ts";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { WireClient } from "../support/wire-client.ts";

const WEB = [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "10s" }];

/** An app that says its name, after `delayMs`. */
function namedApp(t: TestContext, name: string, delayMs = 0) {
  return startHttpApp(t, (request, response) => {
    request.resume();
    request.on("end", () => {
      if (delayMs === 0) response.end(name);
      else setTimeout(() => response.end(name), delayMs);
    });
  });
}

async function countAnswers(port: number, count: number, agent: Agent): Promise<Map<string, number>> {
  const answers = await Promise.all(Array.from({ length: count }, () => ask(port, { agent })));
  const counts = new Map<string, number>();
  for (const { text } of answers) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

interface Load {
  readonly statuses: Map<string, number>;
  slowestMs: number;
  requests: number;
  stop(): Promise<void>;
}

/** Keeps `clients` requests under way until stopped, and counts how they ended. */
function startLoad(port: number, agent: Agent, clients: number, method: "GET" | "POST" = "GET"): Load {
  const stopped = new AbortController();
  const load: Load = {
    statuses: new Map(),
    slowestMs: 0,
    requests: 0,
    stop: async () => {
      stopped.abort();
      await Promise.all(loops);
    },
  };
  const loops = Array.from({ length: clients }, async () => {
    while (!stopped.signal.aborted) {
      const startedAt = performance.now();
      const outcome = await ask(port, { agent, method }).then(
        ({ status, headers }) => (status === 200 ? "200" : `${status} ${String(headers["x-polarity-error"])}`),
        (error: Error) => error.message,
      );
      load.requests++;
      load.slowestMs = Math.max(load.slowestMs, performance.now() - startedAt);
      load.statuses.set(outcome, (load.statuses.get(outcome) ?? 0) + 1);
    }
  });
  return load;
}

/** Resolves when `count` more requests have ended. */
function more(load: Load, count: number): Promise<true> {
  const goal = load.requests + count;
  return until(`${count} more requests`, () => load.requests >= goal);
}

function outstanding(node: PolarityNode): number {
  return node
    .view()
    .services.flatMap(({ offers }) => offers)
    .reduce((sum, offer) => sum + offer.outstanding, 0);
}

test("connectors get their share by weight", async (t) => {
  const router = await startRouter(t, WEB);
  for (const [name, weight] of [
    ["light", 1],
    ["heavy", 3],
  ] as const) {
    const app = await namedApp(t, name);
    await startConnector(t, router.link, { web: { target: app.url, weight } });
  }
  await offered(router.node, "web", 2);
  const agent = keepAliveAgent(t, 1);
  const counts = await countAnswers(router.port, 400, agent);
  const heavy = counts.get("heavy") ?? 0;
  // 300 expected; with 1 in 10 million odds outside of these bounds were it chance alone.
  assert.ok(heavy > 250 && heavy < 350, `heavy served ${heavy} of 400`);
});

test("a dear link is used only while the cheap one is gone", async (t) => {
  const router = await startRouter(t, WEB);
  const near = await namedApp(t, "near");
  const far = await namedApp(t, "far");
  const cheap = await startConnector(t, router.link, { web: { target: near.url } }, { cost: 1 });
  await startConnector(t, router.link, { web: { target: far.url } }, { cost: 10 });
  await offered(router.node, "web", 2);
  const agent = keepAliveAgent(t, 4);
  assert.deepEqual([...(await countAnswers(router.port, 30, agent))], [["near", 30]]);
  await cheap.stop();
  assert.deepEqual([...(await countAnswers(router.port, 30, agent))], [["far", 30]]);
  await startConnector(t, router.link, { web: { target: near.url } }, { cost: 1 });
  await offered(router.node, "web", 2);
  assert.deepEqual([...(await countAnswers(router.port, 30, agent))], [["near", 30]]);
});

test("a connector killed under load loses no safe request", async (t) => {
  const router = await startRouter(t, WEB);
  const app = await namedApp(t, "app", 3);
  const doomed = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", router.link, "--name", "doomed"]);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web", 2);
  const load = startLoad(router.port, keepAliveAgent(t, 16), 16);
  await more(load, 100);
  doomed.signal("SIGKILL");
  await offered(router.node, "web", 1);
  await more(load, 100);
  await load.stop();
  assert.deepEqual([...load.statuses.keys()], ["200"]);
  assert.equal(outstanding(router.node), 0);
});

test("a connector killed under POSTs fails those in flight and no other", async (t) => {
  const router = await startRouter(t, WEB);
  const app = await namedApp(t, "app", 3);
  const doomed = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", router.link, "--name", "doomed"]);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web", 2);
  const clients = 16;
  const load = startLoad(router.port, keepAliveAgent(t, clients), clients, "POST");
  await more(load, 100);
  doomed.signal("SIGKILL");
  await offered(router.node, "web", 1);
  await more(load, 100);
  await load.stop();
  const { 200: good = 0, "502 LINK_LOST": lost = 0, ...others } = Object.fromEntries(load.statuses);
  assert.deepEqual(others, {});
  assert.ok(good > 0 && lost <= clients, `${lost} lost`);
});

test("connectors that stop in order and come back lose nothing, not even POSTs", async (t) => {
  const router = await startRouter(t, WEB);
  const app = await namedApp(t, "app", 3);
  const services = { web: { target: app.url } };
  let current = await startConnector(t, router.link, services);
  await offered(router.node, "web", 1);
  const load = startLoad(router.port, keepAliveAgent(t, 16), 16, "POST");
  for (let round = 0; round < 3; round++) {
    await more(load, 50);
    const next = await startConnector(t, router.link, services);
    await offered(router.node, "web", 2);
    assert.deepEqual(await current.drain(), { cutOff: 0 });
    current = next;
  }
  // And once with nobody there in between: requests wait.
  await more(load, 50);
  assert.deepEqual(await current.drain(), { cutOff: 0 });
  await startConnector(t, router.link, services);
  await more(load, 50);
  await load.stop();
  assert.deepEqual([...load.statuses.keys()], ["200"]);
  assert.equal(outstanding(router.node), 0);
});

test("a draining router finishes what is under way, slow readers included, and takes nothing new", async (t) => {
  const size = 8 * 1024 * 1024;
  const app = await startHttpApp(t, (_request, response) => response.end(Buffer.alloc(size, 120)));
  const router = await startRouter(t, WEB);
  const connector = await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  const idle = new WireClient(t, router.port).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await idle.response();
  const slow = new WireClient(t, router.port);
  slow.socket.pause();
  slow.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await until("the download has begun", () => router.node.view().totals.requestsActive === 1);
  const drained = router.node.drain();
  assert.equal(await soon("the end of the idle connection", idle.ended), "end");
  slow.socket.resume();
  assert.equal((await slow.response()).body.length, size);
  slow.halfClose();
  assert.deepEqual(await soon("the drain", drained), { cutOff: 0 });
  await assert.rejects(ask(router.port), { code: "ECONNREFUSED" });
  await connector.stop();
});

test("a connector that is told to stop finishes a download that its client takes slowly, and exits 0", async (t) => {
  const size = 8 * 1024 * 1024;
  const app = await startHttpApp(t, (_request, response) => response.end(Buffer.alloc(size, 120)));
  const router = await startRouter(t, WEB);
  const connector = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", router.link]);
  await offered(router.node, "web");
  const slow = new WireClient(t, router.port);
  slow.socket.pause();
  slow.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await until("the download has begun", () => router.node.view().totals.bytesOutTotal > 0);
  connector.signal("SIGTERM");
  await offered(router.node, "web", 0);
  slow.socket.resume();
  assert.equal((await slow.response()).body.length, size);
  assert.deepEqual(await soon("the exit", connector.exited), { code: 0, signal: null });
});

test("a name that belongs to one identity is refused to another", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "polarity-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const tokensFile = join(folder, "tokens.yaml");
  writeFileSync(tokensFile, 'alice: "alice-secret"\nbob: "bob-secret"\n', { mode: 0o600 });
  const node = await startNode(t, {
    links: { accept: [{ url: "tcp://127.0.0.1:0", auth: { tokensFile } }] },
    listeners: WEB,
  });
  const link = node.addresses.links[0]!;
  const alices = await namedApp(t, "alice's");
  const bobs = await namedApp(t, "bob's");
  const complaints: string[] = [];
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: (fields) => complaints.push(String(fields["code"])),
    error: () => {},
  };
  await startConnector(t, link, { web: { target: alices.url } }, { token: "alice-secret" });
  await offered(node, "web");
  await startNode(
    t,
    {
      node: { name: "bobs-node" },
      links: { dial: [{ url: link, token: "bob-secret" }] },
      services: { web: { target: bobs.url } },
    },
    logger,
  );
  await until("bob is told", () => complaints.includes("NAME_TAKEN"));
  const port = Number(node.addresses.listeners[0]!.split(":")[2]);
  assert.deepEqual([...(await countAnswers(port, 20, keepAliveAgent(t, 2)))], [["alice's", 20]]);
  await startConnector(t, link, { web: { target: alices.url } }, { token: "alice-secret" });
  await offered(node, "web", 2);
});

test("a frozen connector costs safe requests little time and no failure, and serves again once it thaws", async (t) => {
  const router = await startRouter(t, WEB);
  const frozenApp = await namedApp(t, "frozen");
  const otherApp = await namedApp(t, "other");
  const service = `web=${frozenApp.url}`;
  const frozen = new PolarityProcess(t, ["connect", service, "--router", router.link, "--name", "frozen"]);
  await startConnector(t, router.link, { web: { target: otherApp.url } });
  await offered(router.node, "web", 2);
  const agent = keepAliveAgent(t, 16);
  const load = startLoad(router.port, agent, 16);
  await more(load, 100);
  frozen.signal("SIGSTOP");
  await offered(router.node, "web", 1);
  await more(load, 200);
  frozen.signal("SIGCONT");
  await offered(router.node, "web", 2);
  await until("the thawed one serves", async () => (await ask(router.port, { agent })).text === "frozen");
  await load.stop();
  assert.deepEqual([...load.statuses.keys()], ["200"]);
  assert.ok(load.slowestMs < 2_500, `the slowest took ${Math.round(load.slowestMs)} ms`);
  assert.equal(outstanding(router.node), 0);
});
