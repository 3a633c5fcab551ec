/** An app that fails: the node that serves it says so too, in its log, its statistics and its metrics. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { renderMetrics } from "../../src/admin/metrics.ts";
import type { Logger } from "../../src/base/clock.ts";
import { resourceText } from "../../src/cli/client-output.ts";
import type { PolarityNode } from "../../src/node/node.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { offered, portOf, type ServicesInput, startNode } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { freePort } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

/** A logger that keeps what is written. */
function recording(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (_fields: object, text: string): void => void lines.push(text);
  return { logger: { debug: () => {}, info: keep, warn: keep, error: keep }, lines };
}

interface World {
  readonly router: PolarityNode;
  readonly port: number;
  readonly rawPort: number;
  readonly connector: PolarityNode;
  readonly lines: readonly string[];
  readonly routerLines: readonly string[];
}

async function setUp(t: TestContext, services: ServicesInput): Promise<World> {
  const atRouter = recording();
  const router = await startNode(
    t,
    {
      links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
      listeners: [
        { url: "http://127.0.0.1:0", service: "web" },
        { url: "tcp://127.0.0.1:0", service: "raw" },
      ],
    },
    atRouter.logger,
  );
  const { logger, lines } = recording();
  const link = router.addresses.links[0]!;
  const connector = await startNode(
    t,
    { node: { name: "phone0" }, links: { dial: [{ url: link }] }, services },
    logger,
  );
  for (const service of Object.keys(services)) await offered(router, service);
  const [port, rawPort] = router.addresses.listeners.map(portOf);
  return { router, port: port!, rawPort: rawPort!, connector, lines, routerLines: atRouter.lines };
}

function appOf(node: PolarityNode, service: string) {
  return node.view().services.find(({ name }) => name === service)?.app;
}

test("an app that is down is told by the connector's log, once in a while, by get services and by metrics", async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { port, rawPort, connector, lines } = await setUp(t, {
    web: { target: url },
    raw: { target: url.replace("http", "tcp") },
  });
  for (let request = 0; request < 20; request++) assert.equal((await ask(port)).status, 502);
  await new WireClient(t, rawPort).ended;
  const told = lines.filter((line) => line.includes("ECONNREFUSED"));
  assert.equal(
    told.filter((line) => line.startsWith(`service "web": cannot reach ${url}: `)).length,
    1,
    told.join("\n"),
  );
  assert.equal(told.filter((line) => line.startsWith('service "raw": cannot reach tcp://')).length, 1, told.join("\n"));

  const app = appOf(connector, "web");
  assert.deepEqual([app?.requestsTotal, app?.failures, app?.failing], [20, { TARGET_UNREACHABLE: 20 }, true]);
  assert.match(app?.lastFailure?.message ?? "", /ECONNREFUSED/);
  assert.match(resourceText(connector.view(), "services"), /^web +phone0 +http\/1\.1 +failing +1 +0 +0 +20 +20 /m);
  const metrics = await renderMetrics(connector.view());
  assert.match(metrics, /^polarity_service_app_requests_total\{service="web"\} 20$/m);
  assert.match(metrics, /^polarity_service_app_failures_total\{service="web",code="TARGET_UNREACHABLE"\} 20$/m);
});

test("an app that breaks HTTP is told by the connector, with the rule", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"));
  });
  const { port, connector, lines } = await setUp(t, { web: { target: app.url.replace("tcp", "http") } });
  assert.equal((await ask(port)).status, 502);
  assert.ok(
    lines.some((line) => /^service "web": the answer of the app http:.* is refused: .*Content-Length/i.test(line)),
    lines.join("\n"),
  );
  assert.deepEqual(appOf(connector, "web")?.failures, { TARGET_PROTOCOL: 1 });
});

test("requests that an app answers are counted where it is served, and are no failures", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.writeHead(500).end());
  const { port, connector, router } = await setUp(t, { web: { target: app.url } });
  assert.equal((await ask(port)).status, 500);
  const counted = appOf(connector, "web");
  assert.deepEqual(
    [counted?.requestsTotal, counted?.failures, counted?.failing, counted?.lastFailure],
    [1, {}, false, null],
  );
  assert.equal(appOf(router, "web"), null);
});

test("health that changes is a line at the connector and at the router", async (t) => {
  let well = true;
  const app = await startHttpApp(t, (_request, response) => response.writeHead(well ? 200 : 503).end());
  const { lines, routerLines } = await setUp(t, {
    web: { target: app.url, health: { path: "/", interval: "100ms", rise: 1, fall: 1 } },
  });
  well = false;
  await until("down at the connector", () => lines.find((line) => /^service "web" is down: .*503/.test(line)));
  await until("down at the router", () =>
    routerLines.find((line) => line === 'service "web" of node "phone0" is down, by its own health check'),
  );
  well = true;
  await until("up at the connector", () => lines.find((line) => line === 'service "web" is up'));
  await until("up at the router", () =>
    routerLines.find((line) => line === 'service "web" of node "phone0" is up again'),
  );
});
