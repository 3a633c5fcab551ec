/** A router that is replaced while clients ask: what balancers in front see of it, and that no request is lost. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { startNode } from "../support/cluster.ts";
import { Command } from "../support/command.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { freePort, listens, startServer, temporaryFolder } from "../support/servers.ts";
import { requireTool, toolPath } from "../support/tools.ts";

const FULL = process.env["POLARITY_TEST_FULL"] === "1";

interface Ports {
  readonly link: number;
  readonly clients: number;
  readonly admin: number;
}

async function freePorts(): Promise<Ports> {
  return { link: await freePort(), clients: await freePort(), admin: await freePort() };
}

async function startRouterProcess(t: TestContext, ports: Ports, drainDelay: string): Promise<PolarityProcess> {
  const router = new PolarityProcess(t, [
    "router",
    "--link",
    `tcp://127.0.0.1:${ports.link}`,
    "--listen",
    `http://127.0.0.1:${ports.clients}=web`,
    "--admin",
    `http://127.0.0.1:${ports.admin}`,
    "--drain-delay",
    drainDelay,
  ]);
  await router.ready();
  return router;
}

async function readiness(admin: number): Promise<string> {
  const { status, text } = await ask(admin, { path: "/readyz" });
  return `${status} ${(JSON.parse(text) as { reasons: string[] }).reasons.join()}`;
}

test("while a drain is delayed, /readyz says no, new clients are answered, and each answer ends its connection", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  const ports = await freePorts();
  const router = await startRouterProcess(t, ports, "1h");
  const agent = keepAliveAgent(t, 1);
  const connector = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", `tcp://127.0.0.1:${ports.link}`]);
  await connector.until("joined", () => /joined node/.exec(connector.stderr));
  const kept = await ask(ports.clients, { agent });
  assert.deepEqual([kept.status, kept.headers["connection"]], [200, undefined]);
  const http2 = http2Session(t, ports.clients);
  assert.equal((await askHttp2(http2, "/")).status, 200);
  const told = new Promise<number>((resolve) => http2.once("goaway", resolve));

  router.signal("SIGTERM");
  await until("not ready", async () => (await readiness(ports.admin)).startsWith("503") || undefined);
  assert.match(await readiness(ports.admin), /^503 the node is draining/);
  assert.equal(await told, 0);
  for (const client of [agent, keepAliveAgent(t, 1)]) {
    const { status, text, headers } = await ask(ports.clients, { agent: client });
    assert.deepEqual([status, text, headers["connection"]], [200, "hello", "close"]);
  }
  const late = http2Session(t, ports.clients);
  const lateTold = new Promise<number>((resolve) => late.once("goaway", resolve));
  assert.equal((await askHttp2(late, "/")).text, "hello");
  assert.equal(await lateTold, 0);

  router.signal("SIGTERM");
  assert.deepEqual(await router.exited, { code: 2, signal: null });
});

test("a node that is stopped while its drain is delayed ends at once", async (t) => {
  const node = await startNode(t, {
    node: { name: "edge", drainDelay: "1h" },
    listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
  });
  const drained = node.drain();
  await node.stop();
  assert.deepEqual(await drained, { cutOff: 0 });
});

test("a node that nobody is sent to does not delay its drain", async (t) => {
  const node = await startNode(t, {
    node: { name: "phone0", drainDelay: "1h" },
    services: { web: { target: "http://127.0.0.1:9" } },
  });
  assert.deepEqual(await node.drain(), { cutOff: 0 });
});

test(
  "behind HAProxy, which checks every 300 ms and tries nothing twice, rolls of a router lose no request",
  { skip: requireTool("haproxy", "wrk") },
  async (t) => {
    const app = await startHttpApp(t, (_request, response) => response.end("hello"));
    const [rolled, other] = [await freePorts(), await freePorts()];
    let router = await startRouterProcess(t, rolled, FULL ? "2s" : "1200ms");
    await startRouterProcess(t, other, "0s");
    const links = [rolled, other].flatMap(({ link }) => ["--router", `tcp://127.0.0.1:${link}`]);
    const connector = new PolarityProcess(t, ["connect", `web=${app.url}`, ...links]);
    await connector.until("joined", () => /joined node[^]*joined node/.exec(connector.stderr));
    const front = await startBalancer(t, [rolled, other]);
    const wrk = new Command(t, toolPath("wrk")!, ["-t1", "-c16", "-d100s", `http://127.0.0.1:${front}/`]);

    for (let roll = 0; roll < (FULL ? 6 : 1); roll++) {
      await until("requests at the router", async () => ((await requestsAt(rolled.admin)) > 50 ? true : undefined));
      router.signal("SIGTERM");
      assert.deepEqual(await router.exited, { code: 0, signal: null });
      router = await startRouterProcess(t, rolled, FULL ? "2s" : "1200ms");
    }
    await until("requests at the last router", async () => ((await requestsAt(rolled.admin)) > 50 ? true : undefined));
    wrk.child.kill("SIGINT");
    const { stdout } = await wrk.finished();
    assert.match(stdout, /\d+ requests in/);
    assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout);
  },
);

async function startBalancer(t: TestContext, routers: readonly Ports[]): Promise<number> {
  const port = await freePort();
  const servers = routers.map(
    ({ clients, admin }, index) =>
      `  server r${index} 127.0.0.1:${clients} check port ${admin} inter 300 fall 1 rise 1\n`,
  );
  const path = join(temporaryFolder(t), "haproxy.cfg");
  writeFileSync(
    path,
    "defaults\n  mode http\n  retries 0\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n" +
      `frontend in\n  bind 127.0.0.1:${port}\n  default_backend routers\n` +
      "backend routers\n  balance roundrobin\n  option httpchk GET /readyz\n  http-check expect status 200\n" +
      servers.join(""),
  );
  startServer(t, "haproxy", ["-db", "-q", "-f", path]);
  await listens(port);
  return port;
}

/** How many requests the router's listener has had. */
async function requestsAt(admin: number): Promise<number> {
  const { text } = await ask(admin, { path: "/metrics" });
  return Number(/^polarity_listener_requests_total\{[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

test("a router that has just started is ready once what its listeners name is offered", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  const ports = await freePorts();
  await startRouterProcess(t, ports, "0s");
  assert.match(await readiness(ports.admin), /^503 the node has just started, and nobody offers service "web" yet$/);
  const connector = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", `tcp://127.0.0.1:${ports.link}`]);
  await until("ready", async () => ((await readiness(ports.admin)) === "200 " ? true : undefined));
  connector.signal("SIGTERM");
  await connector.exited;
  assert.equal(await readiness(ports.admin), "200 ");
});
