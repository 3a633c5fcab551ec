/** What a route asks of the exchange: time, retries, hedges, mirrors and sticky clients, with real connectors. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test, type TestContext } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { WireClient } from "../support/wire-client.ts";

type Keys = Omit<NonNullable<NonNullable<Parameters<typeof startRouter>[1]>[number]>, "url">;

const at = (keys: Keys) => [{ url: "http://127.0.0.1:0", service: "web", ...keys }];

/** An app that says its name. */
function namedApp(t: TestContext, name: string) {
  return startHttpApp(t, (request, response) => {
    request.resume();
    request.on("end", () => response.end(name));
  });
}

function serviceView(router: Awaited<ReturnType<typeof startRouter>>, name = "web") {
  const view = router.node.view().services.find((service) => service.name === name);
  assert.ok(view !== undefined);
  return view;
}

/** The name and value of the cookie that an answer sets, and the whole line. */
function cookieOf(headers: NodeJS.Dict<string | string[]>): { pair: string; line: string } {
  const [line = ""] = headers["set-cookie"] ?? [];
  return { pair: line.split(";")[0] ?? "", line };
}

test("a slow answer is ended by the route's timeout, which says that it was", async (t) => {
  const router = await startRouter(t, at({ timeout: "150ms" }));
  const app = await startHttpApp(t, () => {});
  await startConnector(t, router.link, { web: { target: app.url } }, { name: "sloth" });
  await offered(router.node, "web");
  const { status, headers, text } = await ask(router.port);
  assert.equal(status, 504);
  assert.equal(headers["x-polarity-error"], "ROUTE_TIMEOUT");
  assert.match(text, /sloth.* began no answer within the route's 150 ms/);
  assert.equal(serviceView(router).errors["ROUTE_TIMEOUT"], 1);
});

test("an app that stalls in the middle of a body is cut, by the router or by the connector; one that goes on is not", async (t) => {
  for (const [routed, served] of [
    ["200ms", "0s"],
    ["0s", "200ms"],
  ] as const) {
    const router = await startRouter(t, at({ stallTimeout: routed }));
    const app = await startHttpApp(t, (request, response) => {
      response.writeHead(200, { "content-length": "10" });
      response.write("01234");
      if (request.url === "/goes-on") setTimeout(() => response.end("56789"), 50);
    });
    await startConnector(t, router.link, { web: { target: app.url, stallTimeout: served } });
    await offered(router.node, "web");
    assert.equal((await ask(router.port, { path: "/goes-on" })).text, "0123456789");
    await assert.rejects(soon("the cut", ask(router.port, { path: "/stalls" })));
    assert.equal(serviceView(router).errors["TARGET_STALLED"], 1, `${routed} ${served}`);
  }
});

test("websockets may be silent for longer than the stall timeout", async (t) => {
  const router = await startRouter(t, at({ stallTimeout: "100ms", timeout: "2s" }));
  const app = await startHttpApp(t, () => {});
  const upgraded = new EventEmitter();
  app.server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    upgraded.emit("socket", socket);
    socket.pipe(socket);
  });
  await startConnector(t, router.link, { web: { target: app.url, stallTimeout: "100ms" } });
  await offered(router.node, "web");
  const begun = once(upgraded, "socket");
  const client = new WireClient(t, router.port).send(
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
  );
  await begun;
  // A request that does stall in the meantime shows that the time has passed.
  app.server.on("request", (_request, response) => response.writeHead(200, { "content-length": "2" }).write("x"));
  await assert.rejects(ask(router.port));
  client.send("hello");
  await until("the echo", () => client.arrived.includes("hello"));
});

test("a broken fleet gets a fifth more requests, and clients the app's own failure", async (t) => {
  const retries = { on: [503], budget: "20%", floor: 0 };
  const router = await startRouter(t, at({ retries }));
  let asked = 0;
  for (const name of ["one", "two"]) {
    const app = await startHttpApp(t, (_request, response) => {
      asked++;
      response.writeHead(503).end(name);
    });
    await startConnector(t, router.link, { web: { target: app.url } });
  }
  await offered(router.node, "web", 2);
  const agent = keepAliveAgent(t, 4);
  for (let round = 0; round < 25; round++) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => ask(router.port, { agent })));
    for (const { status, text } of answers) assert.ok(status === 503 && /^(one|two)$/.test(text));
  }
  const { retriesTotal, retriesDeniedTotal } = serviceView(router);
  assert.equal(asked, 100 + retriesTotal);
  assert.ok(retriesTotal > 5 && retriesTotal <= 20, `${retriesTotal}`);
  assert.equal(retriesTotal + retriesDeniedTotal, 100);
});

test("one sick app of two costs no safe request anything, where the route retries its 503", async (t) => {
  const router = await startRouter(t, at({ retries: { on: [503] } }));
  const sick = await startHttpApp(t, (_request, response) => response.writeHead(503).end("sick"));
  const well = await namedApp(t, "well");
  for (const { url } of [sick, well]) await startConnector(t, router.link, { web: { target: url } });
  await offered(router.node, "web", 2);
  for (let request = 0; request < 20; request++) {
    assert.deepEqual(await ask(router.port).then(({ status, text }) => [status, text]), [200, "well"]);
  }
  const posts = await Promise.all(Array.from({ length: 20 }, () => ask(router.port, { method: "POST", body: "x" })));
  assert.ok(posts.some(({ status }) => status === 503));
});

test("a slow or frozen connector is hedged away, and its app hears that nobody waits", async (t) => {
  const router = await startRouter(t, at({ hedge: { after: "50ms" }, retries: { floor: 1000 } }));
  const gone = new EventEmitter();
  const slow = await startHttpApp(t, (_request, response) => {
    response.on("close", () => gone.emit("closed"));
  });
  const quick = await namedApp(t, "quick");
  await startConnector(t, router.link, { web: { target: slow.url } }, { cost: 1 });
  await startConnector(t, router.link, { web: { target: quick.url } }, { cost: 2 });
  await offered(router.node, "web", 2);
  const heard = once(gone, "closed");
  assert.equal((await ask(router.port)).text, "quick");
  await soon("the slow app's hearing of it", heard);
  const { hedgesTotal, hedgesWonTotal, requestsTotal, offers } = serviceView(router);
  assert.deepEqual([hedgesTotal, hedgesWonTotal, requestsTotal], [1, 1, 1]);
  assert.equal(
    offers.reduce((sum, { outstanding }) => sum + outstanding, 0),
    0,
  );
});

test("hedged clients hardly notice a connector that freezes, nor one that is killed", async (t) => {
  const router = await startRouter(t, at({ hedge: { after: "50ms" }, retries: { floor: 1000 } }));
  const app = await namedApp(t, "app");
  const service = `web=${app.url}`;
  const doomed = new PolarityProcess(t, ["connect", service, "--router", router.link, "--name", "doomed"]);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web", 2);
  const agent = keepAliveAgent(t, 8);
  const round = async (): Promise<number> => {
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(router.port, { agent })));
    for (const { status } of answers) assert.equal(status, 200);
    return performance.now() - startedAt;
  };
  await round();
  doomed.signal("SIGSTOP");
  const frozen = await round();
  assert.ok(frozen < 700, `${frozen} ms: sooner than the silence is noticed`);
  doomed.signal("SIGKILL");
  for (let rounds = 0; rounds < 5; rounds++) await round();
  await offered(router.node, "web", 1);
  assert.equal(serviceView(router).requestsActive, 0);
});

test("a mirror gets marked copies, its failures and delays reach nobody", async (t) => {
  const router = await startRouter(t, at({ mirror: { service: "shadow", body: "1KiB" } }));
  const copies: { mark: unknown; method: string | undefined; body: string }[] = [];
  const web = await namedApp(t, "web");
  const shadow = await startHttpApp(t, (request) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    // Never answers.
    request.on("end", () => {
      copies.push({ mark: request.headers["x-polarity-mirror"], method: request.method, body });
    });
  });
  await startConnector(t, router.link, { web: { target: web.url }, shadow: { target: shadow.url } });
  await offered(router.node, "shadow");
  await offered(router.node, "web");
  for (const body of ["first", "second", "x".repeat(100_000)]) {
    assert.equal((await ask(router.port, { method: "POST", body })).text, "web");
  }
  await until("the copies", () => copies.length === 2);
  assert.deepEqual(copies, [
    { mark: "1", method: "POST", body: "first" },
    { mark: "1", method: "POST", body: "second" },
  ]);
  const { mirrorsTotal, mirrorsDroppedTotal } = serviceView(router);
  assert.deepEqual([mirrorsTotal, mirrorsDroppedTotal], [3, 1]);
  assert.deepEqual(await soon("the drain, which waits for no copy", router.node.drain()), { cutOff: 0 });
});

test("a cookie keeps a client with its node, and is set anew when that goes", async (t) => {
  const router = await startRouter(t, at({ sticky: { cookie: "polarity", maxAge: "1h" } }));
  const names = ["one", "two", "three"];
  const nodes = new Map<string, Awaited<ReturnType<typeof startConnector>>>();
  for (const name of names) {
    const app = await namedApp(t, name);
    nodes.set(name, await startConnector(t, router.link, { web: { target: app.url } }, { name: `node-${name}` }));
  }
  await offered(router.node, "web", 3);
  const first = await ask(router.port);
  const { pair, line } = cookieOf(first.headers);
  assert.match(line, /^polarity=[0-9a-f]{8}\.[0-9a-f]{16}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/);
  assert.ok(!line.includes("node-"));
  for (let request = 0; request < 20; request++) {
    const again = await ask(router.port, { headers: { cookie: `other=1; ${pair}` } });
    assert.equal(again.text, first.text);
    assert.equal(again.headers["set-cookie"], undefined);
  }
  await nodes.get(first.text)!.stop();
  await offered(router.node, "web", 2);
  const moved = await ask(router.port, { headers: { cookie: pair } });
  assert.notEqual(moved.text, first.text);
  const next = cookieOf(moved.headers).pair;
  assert.notEqual(next, pair);
  assert.equal((await ask(router.port, { headers: { cookie: next } })).text, moved.text);
});

test("a field's value decides for a node, and a client of a split stays with its share", async (t) => {
  const router = await startRouter(t, [
    {
      url: "http://127.0.0.1:0",
      routes: [
        { path: "/by-user", service: "web", sticky: { header: "X-User" } },
        { path: "/split", split: { web: 50, canary: 50 }, sticky: { cookie: "share" } },
      ],
    },
  ]);
  for (const name of ["one", "two", "three"]) {
    const app = await namedApp(t, name);
    const canary = await namedApp(t, `canary ${name}`);
    await startConnector(t, router.link, { web: { target: app.url }, canary: { target: canary.url } });
  }
  await offered(router.node, "web", 3);
  await offered(router.node, "canary", 3);
  const agent = keepAliveAgent(t, 4);
  const served = new Set<string>();
  for (let user = 0; user < 20; user++) {
    const question = { path: "/by-user", headers: { "x-user": `user ${user}` }, agent };
    const [first, second] = [await ask(router.port, question), await ask(router.port, question)];
    assert.equal(first.text, second.text);
    assert.equal(first.headers["set-cookie"], undefined);
    served.add(first.text);
  }
  assert.equal(served.size, 3);
  const shares = new Set<boolean>();
  for (let client = 0; client < 20; client++) {
    const first = await ask(router.port, { path: "/split", agent });
    const { pair } = cookieOf(first.headers);
    for (let request = 0; request < 3; request++) {
      const again = await ask(router.port, { path: "/split", headers: { cookie: pair }, agent });
      assert.equal(again.text, first.text);
    }
    shares.add(first.text.startsWith("canary"));
  }
  assert.equal(shares.size, 2);
});
