/** The way of a request through a router, a link and a connector: where the first reverse balancers broke, this must not. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { configOf, offered, portOf, startConnector, startNode, startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

for (const links of [1, 10]) {
  test(`the first, the eleventh and the fiftieth request are answered over ${links} links`, async (t) => {
    const app = await startHttpApp(t, (request, response) => response.end(`you asked for ${request.url}`));
    const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
    await startConnector(t, router.link, { web: { target: app.url } }, { links });
    await offered(router.node, "web", links);
    for (let index = 1; index <= 50; index++) {
      const answer = await ask(router.port, { path: `/${index}` });
      assert.deepEqual([answer.status, answer.text], [200, `you asked for /${index}`]);
    }
    const { offers } = router.node.view().services[0]!;
    assert.equal(
      offers.reduce((sum, offer) => sum + offer.requestsTotal, 0),
      50,
    );
    assert.ok(
      offers.every((offer) => offer.outstanding === 0),
      "nothing is left under way",
    );
  });
}

test("fifty requests at once share the links, and each gets its own answer", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    setTimeout(() => response.end(`answer ${request.url}`), 5);
  });
  const router = await startPair(t, app.url);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(router.port, { path: `/${index}` })));
  assert.deepEqual(
    answers.map(({ text }) => text),
    answers.map((_, index) => `answer /${index}`),
  );
});

test("without a connector the answer is 503 after waitForOffer, with who failed, and not a hang", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "50ms" }]);
  const answer = await ask(router.port);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers["x-polarity-error"], "NO_OFFER");
  assert.equal(answer.headers["retry-after"], "1");
  assert.match(answer.text, /no offer for service \\"web\\" \(no connector/);
});

test("a request that came before its connector is answered when the connector joins", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "15s" }]);
  const body = randomBytes(100_000);
  const early = ask(router.port, { method: "POST", body });
  await until("the request waits", () => router.node.view().totals.waiting === 1);
  await startConnector(t, router.link, { web: { target: app.url } });
  const answer = await early;
  assert.equal(answer.status, 200);
  assert.ok(answer.body.equals(body), "the body that arrived meanwhile is whole");
  assert.equal(router.node.view().totals.waiting, 0);
});

test("a request for a service that nobody knows yet waits too, while the router is young", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", waitForOffer: "15s" }]);
  const early = ask(router.port, { path: "/web/x" });
  await until("the request waits", () => router.node.view().totals.waiting === 1);
  await startConnector(t, router.link, { web: { target: app.url } });
  assert.equal((await early).text, "hello");
});

test("bodies are bytes, and come back as they were, with a length and chunked", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  const router = await startPair(t, app.url);
  const body = randomBytes(300_000);
  const framings = [{ "content-length": String(body.length) }, { "transfer-encoding": "chunked" }];
  for (const headers of framings) {
    const answer = await ask(router.port, { method: "POST", headers, body });
    assert.ok(answer.body.equals(body), JSON.stringify(headers));
  }
});

test("path and query arrive untouched, whatever stands in them", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(request.url));
  const router = await startPair(t, app.url);
  const targets = [
    "/?a=1&b=2",
    "/x?q=a%20b+c&empty=&x[]=1",
    "/%2e%2e/%2F//a/./b?%00",
    "//double/slash?u=http://x/y",
    "/?",
  ];
  for (const path of targets) assert.equal((await ask(router.port, { path })).text, path);
});

test("a connector finds its way back after the router was restarted on the same port", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  const first = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  await startConnector(t, first.link, { web: { target: app.url } });
  await offered(first.node, "web");
  await first.node.stop();
  const second = await startNode(t, {
    links: { accept: [{ url: first.link }] },
    listeners: [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "15s" }],
  });
  assert.equal((await ask(portOf(second.addresses.listeners[0]!))).text, "hello");
});

test("requests that arrive while the only connector restarts are answered by the new one", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "15s" }]);
  const old = await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  assert.equal((await ask(router.port)).status, 200);
  await old.stop();
  const waiting = Array.from({ length: 5 }, () => ask(router.port));
  await until("the requests wait", () => router.node.view().totals.waiting === 5);
  await startConnector(t, router.link, { web: { target: app.url } });
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
});

test("a connector that was started first joins the router once it is there", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  const placeholder = await startRouter(t);
  const { link } = placeholder;
  await placeholder.node.stop();
  await startConnector(t, link, { web: { target: app.url } });
  const router = await startNode(t, {
    links: { accept: [{ url: link }] },
    listeners: [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "15s" }],
  });
  assert.equal((await ask(portOf(router.addresses.listeners[0]!))).text, "hello");
});

test("an app that was started last is reached once it is there", async (t) => {
  const first = await startHttpApp(t, (_request, response) => response.end("first"));
  const router = await startPair(t, first.url);
  first.server.closeAllConnections();
  await new Promise((resolve) => {
    first.server.close(resolve);
  });
  assert.equal((await ask(router.port)).headers["x-polarity-error"], "TARGET_UNREACHABLE");
  first.server.listen(first.port, "127.0.0.1");
  await until("the app is answered for", async () => (await ask(router.port)).status === 200);
});

test("stop closes everything: listeners, idle and busy connections, links, and connections to apps", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/busy") response.write("begun");
    else response.end("hello");
  });
  const router = await startPair(t, app.url);
  const agent = keepAliveAgent(t, 1);
  await ask(router.port, { agent });
  const busy = new WireClient(t, router.port).send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
  await busy.readTo("begun");
  await router.node.stop();
  assert.equal(await busy.ended, "reset", "what had begun is cut, not ended");
  const refused = connect(router.port, "127.0.0.1");
  await soon("a refusal", new Promise((resolve) => refused.once("error", resolve)));
  await router.connector.stop();
  const connections = (): Promise<number> =>
    new Promise((resolve) => {
      app.server.getConnections((_error, count) => resolve(count));
    });
  await until("the app has no connections", async () => (await connections()) === 0);
  assert.equal(router.node.view().node.state, "stopped");
  await router.node.stop();
});

test("64 MiB in each direction arrive whole", async (t) => {
  const bytes = 64 * 1024 * 1024;
  const piece = randomBytes(1024 * 1024);
  const expected = createHash("sha256");
  for (let sent = 0; sent < bytes; sent += piece.length) expected.update(piece);
  const digest = expected.digest("hex");
  const app = await startHttpApp(t, (request, response) => {
    if (request.method === "POST") {
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => response.end(hash.digest("hex")));
      return;
    }
    let sent = 0;
    const more = (): void => {
      while (sent < bytes) {
        sent += piece.length;
        if (!response.write(piece)) {
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  const router = await startPair(t, app.url);
  const down = await ask(router.port);
  assert.equal(createHash("sha256").update(down.body).digest("hex"), digest);
  const up = await ask(router.port, { method: "POST", body: down.body });
  assert.equal(up.text, digest);
});

test("a reload takes and drops listeners, routes and services, and no connection breaks", async (t) => {
  const one = await startHttpApp(t, (_request, response) => response.end("one"));
  const two = await startHttpApp(t, (request, response) => {
    if (request.url !== "/slow") response.end("two");
    else {
      response.write("beg");
      void until("the reload", () => reloaded).then(() => response.end("un"));
    }
  });
  let reloaded = false;
  const config = {
    node: { name: "edge" },
    listeners: [{ url: "http://127.0.0.1:0", routes: [{ path: "/two", service: "two", stripPrefix: true }] }],
    services: { two: { target: two.url } },
  };
  const node = await startNode(t, config);
  const port = portOf(node.addresses.listeners[0]!);
  const fixed = { ...config, listeners: [{ ...config.listeners[0]!, url: `http://127.0.0.1:${port}` }] };
  await node.stop();

  const again = await startNode(t, fixed);
  const client = new WireClient(t, port).send("GET /two/slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await client.readTo("beg");
  assert.equal((await ask(port, { path: "/one" })).status, 404);
  await again.reload(
    configOf({
      ...fixed,
      listeners: [{ url: `http://127.0.0.1:${port}`, routes: [{ path: "/one", service: "one" }] }],
      services: { one: { target: one.url } },
    }),
  );
  reloaded = true;
  assert.equal(await client.readTo("0\r\n\r\n"), "\r\n2\r\nun\r\n0\r\n\r\n");
  client.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await client.response()).body, "one", "on the connection that was there before");
  assert.equal((await ask(port, { path: "/two" })).status, 404);
  assert.deepEqual(
    again
      .view()
      .services.filter(({ declared }) => declared)
      .map(({ name }) => name),
    ["one"],
  );

  await assert.rejects(
    again.reload(
      configOf({ ...fixed, listeners: [...fixed.listeners, { url: `tcp://127.0.0.1:${one.port}`, service: "x" }] }),
    ),
    { code: "ADDRESS_IN_USE" },
  );
  assert.equal((await ask(port, { path: "/one" })).text, "one", "a reload that fails changes nothing");
});

test("a reload may change what listens on a port, http or raw bytes, and on which addresses", async (t) => {
  const app = await startHttpApp(t, (request, response) => request.pipe(response));
  const base = {
    node: { name: "edge" },
    services: { app: { target: app.url }, raw: { target: `tcp://127.0.0.1:${app.port}` } },
  };
  const first = await startNode(t, { listeners: [{ url: "http://127.0.0.1:0", service: "app" }] });
  const port = portOf(first.addresses.listeners[0]!);
  await first.stop();
  const node = await startNode(t, { listeners: [{ url: `http://127.0.0.1:${port}`, service: "app" }], ...base });
  const client = new WireClient(t, port).send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nbef");
  await client.readTo("bef");

  const raw = { url: `tcp://127.0.0.1:${port}`, service: "raw" };
  await node.reload(configOf({ listeners: [raw], ...base }));
  client.send("ore");
  assert.match(await client.readTo("0\r\n\r\n"), /ore/, "what was under way goes on");
  assert.equal((await ask(port, { method: "POST", body: "raw" })).headers["via"], undefined);

  const everywhere = { url: `http://:${port}`, service: "app" };
  const taken = { url: `tcp://127.0.0.1:${app.port}`, service: "raw" };
  const foreign = { url: `http://192.0.2.1:${port}`, service: "app" };
  for (const listeners of [[everywhere, taken], [foreign]]) {
    await assert.rejects(node.reload(configOf({ listeners, ...base })), { code: "ADDRESS_IN_USE" });
  }
  assert.equal((await ask(port, { method: "POST", body: "raw" })).headers["via"], undefined, "nothing has changed");

  await node.reload(configOf({ listeners: [everywhere], ...base }));
  const { text, headers } = await ask(port, { method: "POST", body: "web" });
  assert.deepEqual([text, headers["via"] !== undefined], ["web", true]);
});
