/** Routes through both hops: what chooses them, what they do to a request and its answer, and what they refuse. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { startHttpApp, startWireApp } from "../support/apps.ts";
import { configOf, offered, type RawConfig, type Router, startConnector, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { freePort } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

type ListenerInput = NonNullable<NonNullable<RawConfig["listeners"]>[number]>;
type RouteInput = NonNullable<ListenerInput["routes"]>[number];

/** A router with these routes, and a connector whose services each tell their name, and the head that they got. */
async function routed(
  t: TestContext,
  routes: readonly RouteInput[],
  services: readonly string[],
  listener: Partial<ListenerInput> = {},
): Promise<Router> {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", routes: [...routes], ...listener }]);
  const targets = services.map(async (name) => {
    const app = await startWireApp(t, (head, socket) => {
      const body = `${name}\n${head}`;
      const fields = `Server: app/1\r\nX-App: ${name}\r\nConnection: x-set\r\nContent-Length: ${body.length}\r\n\r\n`;
      socket.write(`HTTP/1.1 200 OK\r\n${fields}${head.startsWith("HEAD ") ? "" : body}`);
    });
    return [name, { target: app.url }] as const;
  });
  await startConnector(t, router.link, Object.fromEntries(await Promise.all(targets)));
  for (const name of services) await offered(router.node, name);
  return router;
}

const served = (text: string): string => text.split("\n", 1)[0] ?? "";

test("host, exact path, prefix, method and fields choose the service, the most specific first", async (t) => {
  const router = await routed(
    t,
    [
      { service: "web" },
      { path: "/api", service: "api" },
      { path: "/api", method: ["GET", "HEAD"], service: "read" },
      { path: "/api", headers: { "X-Beta": { present: true } }, service: "beta" },
      { pathExact: "/api/login", service: "login" },
      { host: "*.example.com", service: "tenants" },
    ],
    ["web", "api", "read", "beta", "login", "tenants"],
  );
  const cases: readonly (readonly [service: string, question: Parameters<typeof ask>[1]])[] = [
    ["web", { path: "/x" }],
    ["api", { path: "/api/x", method: "POST", body: "b" }],
    ["read", { path: "/api/x?y" }],
    ["beta", { path: "/api/x", method: "POST", headers: { "x-beta": "" } }],
    ["read", { path: "/api/x", headers: { "x-beta": "1" } }],
    ["login", { path: "/api/login?x", method: "POST" }],
    ["tenants", { path: "/api/login", headers: { host: "a.b.EXAMPLE.com." } }],
  ];
  for (const [service, question] of cases) {
    const answer = await ask(router.port, question);
    assert.deepEqual([answer.status, served(answer.text)], [200, service], JSON.stringify(question));
  }
});

test("a path that an app may read as another route's gets 400, and reaches nobody", async (t) => {
  const routes = [{ service: "web" }, { path: "/admin", service: "admin" }];
  const router = await routed(t, routes, ["web", "admin"]);
  for (const path of ["//admin", "/x/../admin", "/x/%2e%2e/admin", "/%61dmin", "/x/..;/admin", "/x/..%2fadmin"]) {
    const client = new WireClient(t, router.port).send(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
    const answer = await client.response();
    assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [400, "BAD_REQUEST"], path);
    client.send("GET /x%20y/a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert.equal(served((await client.response()).body), "web", "the connection goes on");
  }
  const total = router.node.view().services.find(({ name }) => name === "admin")?.requestsTotal;
  assert.equal(total, 0);
});

test("a split divides requests by weight, and waits for its services like any route", async (t) => {
  const router = await routed(t, [{ split: { web: 1, canary: 1, parked: 0 } }], ["web", "canary"]);
  assert.deepEqual(
    router.node
      .view()
      .services.filter(({ declared }) => declared)
      .map(({ name }) => name)
      .toSorted(),
    ["canary", "parked", "web"],
  );
  const seen = new Set<string>();
  // Each of a hundred requests goes to the same one of two services once in 2^99 times.
  for (let index = 0; index < 100 && seen.size < 2; index++) seen.add(served((await ask(router.port)).text));
  assert.deepEqual([...seen].toSorted(), ["canary", "web"]);
});

test("a route changes fields, host and path on the way in, whatever the client says", async (t) => {
  const router = await routed(
    t,
    [
      {
        path: "/shop",
        service: "web",
        stripPrefix: true,
        addPrefix: "/v1",
        rewriteHost: "app.internal:8080",
        requestHeaders: {
          set: { "X-User": "router" },
          add: { "X-Hop": "edge" },
          remove: ["Cookie", "X-Forwarded-Port"],
        },
      },
    ],
    ["web"],
  );
  for (const version of ["1.1", "1.0"]) {
    const sent = [
      `GET /shop/a?b HTTP/${version}`,
      "Host: Shop.example.com",
      "x-USER: admin",
      "X_User: admin",
      "COOKIE: a",
      "X-Hop: client",
      "Connection: x-user, keep-alive",
    ];
    const client = new WireClient(t, router.port).send([...sent, "", ""].join("\r\n"));
    const [, line, ...fields] = (await client.response()).body.split(/\r?\n/);
    assert.equal(line, "GET /v1/a?b HTTP/1.1");
    assert.equal(fields[0], "Host: app.internal:8080");
    const named = (name: RegExp): string[] => fields.filter((field) => name.test(field));
    assert.deepEqual(named(/^x.user:/i), ["X-User: router"]);
    assert.deepEqual(named(/^x-hop:/i), ["X-Hop: client", "X-Hop: edge"]);
    assert.deepEqual(named(/^(cookie|x-forwarded-port):/i), []);
    assert.deepEqual(named(/^x-forwarded-host:/i), ["X-Forwarded-Host: Shop.example.com"]);
  }
});

test("a route changes fields on the way out, whatever the app says, and its own answers stay Polarity's", async (t) => {
  const responseHeaders = { set: { "X-Set": "router" }, add: { Vary: "X-Beta" }, remove: ["server", "X-APP"] };
  const router = await routed(
    t,
    [
      { service: "web", responseHeaders },
      { path: "/gone", service: "gone", responseHeaders },
    ],
    ["web"],
    { waitForOffer: "0s" },
  );
  for (const version of ["1.1", "1.0"]) {
    const client = new WireClient(t, router.port).send(`GET / HTTP/${version}\r\nHost: h\r\n\r\n`);
    const { headers, body } = await client.response();
    assert.deepEqual(
      [headers["x-set"], headers["vary"], headers["server"], headers["x-app"]],
      ["router", "X-Beta", undefined, undefined],
    );
    assert.equal(headers["content-length"], String(body.length));
  }
  const gone = await ask(router.port, { path: "/gone" });
  assert.deepEqual([gone.status, gone.headers["x-set"]], [503, undefined]);
});

test("an upgrade passes a route with rules", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end());
  app.server.on("upgrade", (request, socket) => {
    socket.write(
      `HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: upgrade\r\nServer: app\r\n\r\n${request.url} ${String(request.headers["x-user"])}\n`,
    );
    socket.pipe(socket);
  });
  const routes = [
    {
      path: "/ws",
      service: "web",
      stripPrefix: true,
      requestHeaders: { set: { "X-User": "router" } },
      responseHeaders: { remove: ["Server"], set: { "X-Set": "1" } },
    },
  ];
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", routes }]);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  const client = new WireClient(t, router.port);
  client.send("GET /ws/a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\nX-User: admin\r\n\r\n");
  const head = await client.readTo("\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 101 Go\r\n/);
  assert.match(head, /X-Set: 1\r\n/);
  assert.doesNotMatch(head, /Server/);
  assert.equal(await client.readTo("\n"), "/a router\n");
  client.send("back\n");
  assert.equal(await client.readTo("\n"), "back\n");
});

test("redirects keep what they do not say, answer without an app, and keep the connection in order", async (t) => {
  const router = await routed(
    t,
    [
      { service: "web", redirect: "https", responseHeaders: { set: { "X-Set": "router" } } },
      { path: "/old", redirect: { to: "https://new.example.com", status: 301 }, stripPrefix: true },
      { pathExact: "/", redirect: { to: "/start", status: 302 } },
      { path: "/only", redirect: { to: "https", port: 8443, status: 307 } },
    ],
    ["web"],
    { trustedProxies: ["127.0.0.1"] },
  );
  const client = new WireClient(t, router.port);
  const answered = async (line: string, ...fields: readonly string[]) => {
    client.send([`${line} HTTP/1.1`, "Host: shop.example.com:8001", ...fields, "", ""].join("\r\n"));
    const { status, headers, body } = await client.response(line.split(" ")[0]);
    return [status, headers["location"] ?? served(body)];
  };
  assert.deepEqual(await answered("GET /a?b=1"), [308, "https://shop.example.com/a?b=1"]);
  assert.deepEqual(await answered("HEAD //evil.example/x"), [308, "https://shop.example.com//evil.example/x"]);
  assert.deepEqual(await answered("GET /old/a?b"), [301, "https://new.example.com/a?b"]);
  assert.deepEqual(await answered("GET /?b"), [302, "/start"]);
  assert.deepEqual(await answered("GET /only/x"), [307, "https://shop.example.com:8443/only/x"]);
  assert.deepEqual(await answered("GET /a", "X-Forwarded-Proto: https"), [200, "web"], "it came so already");
  const [none] = await answered("GET /only", "X-Forwarded-Proto: https");
  assert.equal(none, 404, "a redirect to itself would have no end");
  const redirected = await ask(router.port, { path: "/a", method: "POST", body: "GET / HTTP/1.1\r\n\r\n" });
  assert.deepEqual([redirected.status, redirected.headers["x-set"]], [308, "router"]);
  // A body that has not come whole is never taken for a request.
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nGET /old/b HTTP/1.1\r\n");
  const { status, headers } = await client.response();
  assert.deepEqual([status, headers["connection"]], [308, "close"]);
  client.send("Host: h\r\n\r\n").halfClose();
  assert.equal(await client.readAll(), "");
});

test("a redirect to https needs a host to stay on", async (t) => {
  const router = await routed(t, [{ redirect: "https" }], []);
  const client = new WireClient(t, router.port).send("GET /a HTTP/1.0\r\n\r\n");
  assert.equal((await client.response()).status, 400);
});

test("a route has a body limit of its own, above the listener's or below", async (t) => {
  const router = await routed(
    t,
    [
      { service: "web" },
      { path: "/upload", service: "web", limits: { body: "10KiB" } },
      { path: "/small", service: "web", limits: { body: "10B" } },
    ],
    ["web"],
    { limits: { body: "1KiB" } },
  );
  const put = async (path: string, bytes: number, chunked = false): Promise<number> => {
    const body = "x".repeat(bytes);
    const client = new WireClient(t, router.port);
    const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes}`;
    const framed = chunked ? `${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
    client.send(`PUT ${path} HTTP/1.1\r\nHost: h\r\n${framing}\r\n\r\n${framed}`);
    return (await client.response()).status;
  };
  for (const chunked of [false, true]) {
    assert.equal(await put("/", 1024, chunked), 200);
    assert.equal(await put("/", 1025, chunked), 413);
    assert.equal(await put("/upload", 10_240, chunked), 200);
    assert.equal(await put("/upload", 10_241, chunked), 413);
    assert.equal(await put("/small", 10, chunked), 200);
    assert.equal(await put("/small", 11, chunked), 413);
  }
});

test("a reload changes routes, on connections that are open too", async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const router = await routed(t, [{ service: "web" }], ["web", "api"], { url });
  const client = new WireClient(t, router.port);
  const get = async (): Promise<string> => {
    const answer = await client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").response();
    return answer.status === 200 ? served(answer.body) : `${answer.status} ${answer.headers["location"] ?? ""}`;
  };
  assert.equal(await get(), "web");
  const reload = (...routes: readonly RouteInput[]) =>
    router.node.reload(
      configOf({
        node: { name: "edge" },
        links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
        listeners: [{ url, routes: [...routes] }],
      }),
    );
  await reload({ service: "web" }, { method: "GET", split: { api: 1 } });
  assert.equal(await get(), "api");
  await reload({ redirect: { to: "/b", status: 302 } });
  assert.equal(await get(), "302 /b");
});
