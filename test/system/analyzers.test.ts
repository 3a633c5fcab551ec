/** Analyzers in nodes: at both ends of a link, of a user's own, with many clients, and where they may not be. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { silentLogger } from "../../src/base/clock.ts";
import { resolveConfig } from "../../src/config/resolution.ts";
import type { PolarityNode } from "../../src/node/node.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { configOf, offered, portOf, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { converse, converseAtOnce, type FooCounts, startFooServer } from "../support/foo-peers.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { temporaryFolder } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

const CLIENTS = 1_000;

test("a thousand clients at once, each checking its answers: both ends of the link count exactly", async (t) => {
  const { url } = await startFooServer(t);
  const router = await startRouter(t, [{ url: "tcp://127.0.0.1:0", service: "foo", analyze: "foo" }]);
  const connector = await startConnector(t, router.link, { foo: { target: url, analyze: "foo" } });
  await offered(router.node, "foo");
  const counts: FooCounts = { req: 0, ack: 0, nak: 0 };
  const lines = (client: number) => [`REQ ${client} Hey`, "x", `REQ ${client + 1} ${"z".repeat(client % 50)}`, "REQ 3"];
  const conversations = Array.from({ length: CLIENTS }, (_, client) => lines(client));
  await converseAtOnce(router.port, conversations, counts);

  for (const node of [router.node, connector]) {
    const analysis = await until("all connections to end", () => {
      const [found] = node.analyses();
      return found?.connectionsOpen === 0 ? found : undefined;
    });
    const { statistics, connectionsTotal, failuresTotal } = analysis;
    assert.deepEqual([connectionsTotal, failuresTotal], [CLIENTS, 0]);
    assert.equal(statistics["msg_req"], counts.req);
    assert.equal(statistics["msg_ack"], counts.ack);
    assert.equal(statistics["msg_nak"], counts.nak);
    assert.equal(statistics["other_lines"], CLIENTS);
    assert.equal((statistics["answer_ms"] as { count: number }).count, CLIENTS * 3);
  }
  assert.equal(counts.req, CLIENTS * 3);
});

test("a session shows what its tap found out, and an http service can be tapped at its connector", async (t) => {
  const { url } = await startFooServer(t);
  const app = await startHttpApp(t, (request, response) =>
    response.writeHead(request.url === "/" ? 200 : 404).end("hello"),
  );
  const node = await startNode(t, {
    services: { foo: { target: url }, web: { target: app.url, analyze: "http" } },
    listeners: [
      { url: "tcp://127.0.0.1:0", service: "foo", analyze: "foo" },
      { url: "http://127.0.0.1:0", service: "web" },
    ],
  });
  const [foo, web] = node.addresses.listeners.map(portOf);
  const client = new WireClient(t, foo!).send("REQ 1 Hey\n");
  await client.readTo("\n");
  const [session] = node.view().sessions;
  assert.equal(session?.analysis?.["msg_req"], 1);
  for (const path of ["/", "/", "/nope"]) await (await fetch(`http://127.0.0.1:${web}${path}`)).text();
  const statistics = node.analyses().find(({ analyzer }) => analyzer === "http")!.statistics;
  assert.deepEqual(
    [statistics["requests_total"], statistics["status_2xx_total"], statistics["status_4xx_total"]],
    [3, 2, 1],
  );
});

test("HTTP on tcp and unix listeners is understood where it is readable", async (t) => {
  const app = await startHttpApp(t, (request, response) =>
    response.writeHead(request.url === "/" ? 200 : 503).end("hello"),
  );
  const socket = join(temporaryFolder(t), "web.sock");
  const node = await startNode(t, {
    services: { web: { target: app.url.replace("http:", "tcp:") } },
    listeners: ["tcp://127.0.0.1:0", `unix://${socket}`].map((url) => ({ url, service: "web", analyze: "http" })),
  });
  const url = `http://127.0.0.1:${portOf(node.addresses.listeners[0]!)}`;
  for (const [path, method] of [
    ["/", "GET"],
    ["/nope", "POST"],
  ] as const) {
    await (await fetch(`${url}${path}`, { method })).text();
  }
  await new WireClient(t, { path: socket }).send("DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").readAll();
  await new WireClient(t, { path: socket }).send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").readAll();
  const [tcp, unix] = node.analyses().map(({ statistics }) => statistics);
  const { requests_total, method_GET_total, method_POST_total, status_2xx_total, status_5xx_total } = tcp!;
  assert.deepEqual(
    [requests_total, method_GET_total, method_POST_total, status_2xx_total, status_5xx_total],
    [2, 1, 1, 1, 1],
  );
  assert.equal((tcp!["response_ms"] as { count: number }).count, 2);
  assert.deepEqual([unix!["method_DELETE_total"], unix!["connections_unreadable_total"]], [1, 1]);
});

/** A node whose listener has the analyzer in `source`, before an echo. */
async function withModule(t: TestContext, name: string, source: string) {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, name), source);
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const said: string[] = [];
  const logger = { ...silentLogger, error: (_fields: unknown, message: string) => said.push(message) };
  const raw = {
    node: { name: "one" },
    services: { echo: { target: app.url } },
    listeners: [{ url: "tcp://127.0.0.1:0", service: "echo", analyze: join(folder, name) }],
  };
  const node = await startNode(t, raw, logger);
  const open = () => new WireClient(t, portOf(node.addresses.listeners[0]!));
  return { node, open, said, raw, file: join(folder, name) };
}

const statisticsOf = (node: PolarityNode) => node.analyses()[0]!.statistics;

test("the example in docs/ANALYZERS.md counts what it says", async (t) => {
  const document = readFileSync(new URL("../../docs/ANALYZERS.md", import.meta.url), "utf8");
  const example = /<!-- example -->\n\n```ts\n([^]*?)```/.exec(document)![1]!;
  assert.ok(example.split("\n").length <= 36, "about thirty lines");
  const { node, open } = await withModule(t, "commands.ts", example);
  const client = open().send("get a\nset b\nget c\n");
  await client.readTo("get c\n");
  const statistics = statisticsOf(node);
  assert.deepEqual([statistics["lines_total"], statistics["line_get_total"], statistics["line_set_total"]], [3, 2, 1]);
  assert.equal(statistics["lines_rate_10s"], 0.3);
  assert.equal((statistics["answer_ms"] as { count: number }).count, 1);
});

for (const [what, body] of [
  ["throws", 'throw new Error("a bug")'],
  ["answers later", 'return Promise.reject(new Error("later"))'],
  ["holds the node up", "const end = performance.now() + 80; while (performance.now() < end);"],
] as const) {
  test(`a module that ${what} loses its tap, is reported once, and the connection goes on`, async (t) => {
    const source = `export function createAnalyzer(meters) {
      return { open: () => ({ fromClient: (bytes, now) => { meters.meter("calls").add(now); ${body} }, fromServer() {} }) };
    }`;
    const { node, open, said } = await withModule(t, "broken.js", source);
    for (const _ of [1, 2]) {
      const client = open().send("one ");
      await client.readTo("one ");
      await client.send("two").readTo("two");
    }
    assert.equal(statisticsOf(node)["calls_total"], 2);
    assert.equal(node.analyses()[0]?.failuresTotal, 2);
    assert.equal(said.length, 1);
    assert.match(said[0]!, /the analyzer .*broken\.js of listener .* failed: .*; the connection goes on without it/);
  });
}

test("what is analyzed at a router and at a connector shows up in statistics, in metrics and on the command line", async (t) => {
  const { url } = await startFooServer(t);
  const module = join(temporaryFolder(t), "broken.js");
  writeFileSync(module, 'export const createAnalyzer = () => ({ open() { throw new Error("a bug"); } });');
  const admin = ["--admin", "http://127.0.0.1:0"];
  const listening = ["--link", "tcp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0=foo", "--analyze", "foo=foo"];
  const router = new PolarityProcess(t, ["router", ...listening, ...admin]);
  const atRouter = await router.ready();
  const link = atRouter.links[0]!;
  const connector = new PolarityProcess(t, [
    "connect",
    `foo=${url}`,
    "--router",
    link,
    "--analyze",
    "foo=foo",
    ...admin,
  ]);
  const broken = ["--listen", "tcp://127.0.0.1:0=foo", "--analyze", `foo=${module}`];
  const other = new PolarityProcess(t, [
    "router",
    "--router",
    link,
    "--link",
    "tcp://127.0.0.1:0",
    ...broken,
    ...admin,
  ]);
  const [atConnector, atOther] = await Promise.all([connector.ready(), other.ready()]);
  for (const { listeners } of [atRouter, atOther]) {
    await converse(portOf(listeners[0]!), ["REQ 1 Hey", "REQ 5 Hey"], { req: 0, ack: 0, nak: 0 });
  }
  const text = async (address: string | undefined, path: string) => await (await fetch(`${address}${path}`)).text();
  for (const [address, requests] of [
    [atRouter.admin, 2],
    [atConnector.admin, 4],
  ] as const) {
    const metrics = await text(address, "/metrics");
    const statistic = metrics.split("\n").find((line) => line.includes('statistic="msg_req"'));
    assert.match(statistic ?? "", new RegExp(`^polarity_analysis_statistic\\{.*analyzer="foo".*\\} ${requests}$`));
    const { analyses } = JSON.parse(await text(address, "/stats")) as {
      analyses: { statistics: Record<string, number> }[];
    };
    assert.equal(analyses[0]?.statistics["msg_req"], requests);
    assert.match((await run(t, ["get", "analyses", "--node", address!])).stdout, new RegExp(`msg_req=${requests} `));
  }
  assert.match(await text(atOther.admin, "/metrics"), /^polarity_analysis_failures_total\{.*broken\.js.*\} 1$/m);
  assert.match((await run(t, ["get", "analyses", "--node", atOther.admin!])).stdout, /broken\.js +0 +1 +1/);
  assert.equal(other.stderr.match(/the analyzer .*broken\.js of listener .* failed: a bug/g)?.length, 1);
});

test("a module that writes to what it is lent changes nothing that passes", async (t) => {
  const source =
    "export const createAnalyzer = () => ({ open: () => ({ fromClient: (b) => void b.fill(0), fromServer: (b) => void b.fill(0) }) });";
  const { open } = await withModule(t, "writer.mjs", source);
  assert.equal(await open().send("untouched").readTo("untouched"), "untouched");
});

test("a module that cannot be loaded stops the start, and a reload keeps what there was", async (t) => {
  const good =
    'export const createAnalyzer = (m) => ({ open: () => ({ fromClient: (b, now) => m.counter("old").add(now), fromServer() {} }) });';
  const { node, open, raw, file } = await withModule(t, "mine.js", good);
  await open().send("a").readTo("a");
  writeFileSync(file, "export const nothing = 1;");
  await assert.rejects(node.reload(configOf(raw)), {
    code: "CONFIG_INVALID",
    message: /exports no function createAnalyzer/,
  });
  assert.equal(statisticsOf(node)["old_total"], 1);
  writeFileSync(file, good.replace('"old"', '"new"'));
  await node.reload(configOf(raw));
  await until("new taps", async () => {
    await open().send("a").readTo("a");
    return statisticsOf(node)["new_total"] !== undefined;
  });
});

test("a reload that changes something else keeps what was counted", async (t) => {
  const { url } = await startFooServer(t);
  const config = (waitForOffer: string) => ({
    node: { name: "one" },
    services: { foo: { target: url } },
    listeners: [{ url: "tcp://127.0.0.1:0", service: "foo", analyze: "foo", waitForOffer }],
  });
  const node = await startNode(t, config("1s"));
  const talk = () => converse(portOf(node.addresses.listeners[0]!), ["REQ 1 Hey"], { req: 0, ack: 0, nak: 0 });
  await talk();
  await node.reload(configOf(config("2s")));
  await talk();
  assert.equal(statisticsOf(node)["msg_req"], 2);
});

test("the configuration says where an analyzer cannot be", () => {
  const problems = (raw: Record<string, unknown>): string[] => {
    const resolution = resolveConfig(raw, { folder: "/", defaultName: "one" });
    return resolution.kind === "invalid" ? resolution.problems.map(({ message }) => message) : [];
  };
  const listener = (url: string, analyze: string) => ({ listeners: [{ url, service: "a", analyze }] });
  assert.deepEqual(problems(listener("tcp://:1", "redis")), []);
  assert.match(problems(listener("http://:1", "http"))[0]!, /analyze needs a tcp:\/\/, tls:\/\/ or unix:\/\/ listener/);
  assert.match(problems(listener("tcp://:1", "fo"))[0]!, /expected foo, http, redis, postgres, bytes, or the path/);
  assert.match(problems(listener("tcp://:1", "./nope.ts"))[0]!, /cannot read .*nope\.ts: no such file/);
});
