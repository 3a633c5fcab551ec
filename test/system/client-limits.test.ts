/** What one client may take of a listener: connections, requests in a time, and answers that it does not read. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { renderMetrics } from "../../src/admin/metrics.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { configOf, startNode, startPair } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { freePort } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const DAILY = { requests: 1, per: "24h" } as const;

function startOkApp(t: TestContext) {
  return startHttpApp(t, (_request, response) => response.end("ok"));
}

test("beyond its rate a client is answered 429, told when to come back, and counted", async (t) => {
  const app = await startOkApp(t);
  const router = await startPair(t, app.url, { limits: { rate: { requests: 1, per: "10s", burst: 3 } } });
  const agent = keepAliveAgent(t, 1);
  for (let count = 0; count < 3; count++) assert.equal((await ask(router.port, { agent })).status, 200);
  const refused = await ask(router.port, { agent });
  assert.equal(refused.status, 429);
  assert.equal(refused.headers["x-polarity-error"], "LIMITED");
  assert.ok(Number(refused.headers["retry-after"]) >= 5 && Number(refused.headers["retry-after"]) <= 10);
  assert.match(refused.text, /the client 127\.0\.0\.1 asks for more than 1 in 10000 ms \(3 at once\)/);
  assert.equal((await ask(router.port)).status, 429, "over another connection too");
  const view = router.node.view();
  assert.equal(view.listeners[0]!.errors["LIMITED"], 2);
  assert.equal(view.listeners[0]!.statuses["4xx"], 2);
  assert.match(await renderMetrics(view), /polarity_listener_errors_total\{[^}]*code="LIMITED"\} 2/);
});

test("a client that waits as long as it was told is served", async (t) => {
  const app = await startOkApp(t);
  const router = await startPair(t, app.url, { limits: { rate: { requests: 1, per: "50ms" } } });
  assert.equal((await ask(router.port)).status, 200);
  await until("another request passes", async () => (await ask(router.port)).status === 200);
});

test("behind a trusted proxy the rate is that of whoever X-Forwarded-For names last, of others it is the proxy's", async (t) => {
  const app = await startOkApp(t);
  const limits = { rate: DAILY };
  const trusting = await startPair(t, app.url, { limits, trustedProxies: ["127.0.0.0/8", "10.0.0.0/8"] });
  const from = async (port: number, list: string) => (await ask(port, { headers: { "X-Forwarded-For": list } })).status;
  assert.equal(await from(trusting.port, "192.0.2.1"), 200);
  assert.equal(await from(trusting.port, "192.0.2.1"), 429);
  assert.equal(await from(trusting.port, "192.0.2.2, 10.0.0.1"), 200);
  assert.equal(
    await from(trusting.port, "203.0.113.5, 192.0.2.2"),
    429,
    "what a client writes in front changes nothing",
  );
  assert.equal(await from(trusting.port, "2001:db8::1"), 200);
  assert.equal(await from(trusting.port, "2001:db8::2"), 429, "one /64 network is one client");
  const forwarded = await ask(trusting.port, { headers: { Forwarded: 'for="192.0.2.9:5000"' } });
  assert.equal(forwarded.status, 200, "a proxy may speak Forwarded only");
  assert.equal(await from(trusting.port, "192.0.2.9"), 429);
  const strict = await startPair(t, app.url, { limits });
  assert.equal(await from(strict.port, "192.0.2.1"), 200);
  assert.equal(await from(strict.port, "192.0.2.2"), 429);
});

test("each client of a PROXY header has a rate and connections of its own", async (t) => {
  const app = await startOkApp(t);
  const limits = { rate: DAILY, connectionsPerClient: 2 };
  const router = await startPair(t, app.url, { limits, proxyProtocol: "required", trustedProxies: ["127.0.0.1"] });
  const client = (host: string) =>
    new WireClient(t, router.port).send(`PROXY TCP4 ${host} 127.0.0.1 5000 80\r\n${REQUEST}`);
  for (const host of ["192.0.2.1", "192.0.2.2"]) {
    assert.equal((await client(host).response()).status, 200);
    assert.equal((await client(host).response()).status, 429);
    assert.equal(await client(host).readAll(), "", "a third connection");
  }
});

test("all clients together have a rate, and a client that is refused by its own takes nothing of it", async (t) => {
  const app = await startOkApp(t);
  const limits = { rate: DAILY, rateTotal: { ...DAILY, burst: 2 } };
  const router = await startPair(t, app.url, { limits, trustedProxies: ["127.0.0.1"] });
  const from = async (host: string) => {
    const { status, text } = await ask(router.port, { headers: { "X-Forwarded-For": host } });
    return status === 429 ? (/all clients/.test(text) ? "all" : "own") : status;
  };
  assert.deepEqual(
    [await from("192.0.2.1"), await from("192.0.2.1"), await from("192.0.2.2"), await from("192.0.2.3")],
    [200, "own", 200, "all"],
  );
});

test("a refused request's body is not waited for", async (t) => {
  const app = await startOkApp(t);
  const router = await startPair(t, app.url, { limits: { rate: DAILY } });
  assert.equal((await ask(router.port)).status, 200);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  const { status, headers } = await client.response();
  assert.deepEqual([status, headers["connection"]], [429, "close"]);
});

test("a reload keeps what was counted under the same rate, and takes a new one at once", async (t) => {
  const app = await startOkApp(t);
  const port = await freePort();
  const config = (limits: object) => ({
    node: { name: "edge" },
    services: { web: { target: app.url } },
    listeners: [{ url: `http://127.0.0.1:${port}`, service: "web", limits }],
  });
  const node = await startNode(t, config({ rate: DAILY }));
  const statuses: number[] = [(await ask(port)).status];
  for (const limits of [{ rate: DAILY, head: "16KiB" }, { rate: { ...DAILY, burst: 2 } }, {}]) {
    await node.reload(configOf(config(limits)));
    statuses.push((await ask(port)).status);
  }
  assert.deepEqual(statuses, [200, 429, 200, 200]);
});

test("connections beyond a client's share are closed at once, and there is room again when one leaves", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const router = await startPair(t, app.url, { limits: { connectionsPerClient: 2 } });
  const connect = () => new WireClient(t, router.port).send("x");
  const [first, second] = [connect(), connect()];
  assert.equal(await first.read(1), "x");
  assert.equal(await second.read(1), "x");
  const third = connect();
  assert.equal(await third.readAll(), "");
  assert.equal(router.node.view().listeners[0]!.errors["LIMITED"], 1);
  assert.equal(router.node.view().listeners[0]!.connectionsRefusedTotal, 1);
  first.halfClose();
  await first.readAll();
  await until("room", () => router.node.view().listeners[0]!.connectionsOpen === 1);
  assert.equal(await connect().read(1), "x");
});

test("raw connections come no faster than a client's rate, and no listener's connections than its own", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  for (const limits of [{ rate: DAILY }, { connectionRate: 1 }]) {
    const router = await startPair(t, app.url, { limits });
    const [one, other] = [new WireClient(t, router.port).send("x"), new WireClient(t, router.port).send("x")];
    await until("both are counted", () => router.node.view().listeners[0]!.connectionsTotal === 2);
    assert.equal(await one.read(1), "x");
    assert.equal(await other.readAll(), "");
    assert.equal(router.node.view().listeners[0]!.errors["LIMITED"], 1);
  }
});

test("a client that takes nothing of its answer is cut; one that takes little, and one that is sent little, are not", async (t) => {
  const bytes = 64 * 1024 * 1024;
  const app = await startHttpApp(t, ({ url }, response) => {
    if (url === "/events") {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("data: 1\n\n");
      return;
    }
    response.writeHead(200, { "Content-Length": bytes });
    const piece = Buffer.alloc(64 * 1024);
    let left = bytes;
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        left -= piece.length;
        if (!response.write(piece)) {
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  const router = await startPair(t, app.url, { limits: { sendTimeout: "600ms" } });
  const events = new WireClient(t, router.port).send(REQUEST.replace("/", "/events"));
  await events.readTo("data: 1");
  const slow = new WireClient(t, router.port).send(REQUEST);
  slow.socket.pause();
  // Takes a little now and then, while the other takes nothing.
  const sip = setInterval(() => slow.socket.read(4 * 1024 * 1024) ?? slow.socket.read(), 50);
  t.after(() => clearInterval(sip));
  const stalled = new WireClient(t, router.port).send(REQUEST);
  stalled.socket.pause();
  await until("the stalled one is cut", () => router.node.view().listeners[0]!.errors["SLOW_READER"] === 1);
  assert.equal(router.node.view().listeners[0]!.connectionsOpen, 2);
  stalled.socket.resume();
  assert.equal(await stalled.ended, "reset");
  assert.equal(router.node.view().sessions.length, 2);
  assert.equal(events.socket.destroyed, false);
});
