/** What the letter of HTTP asks of who stands in the middle: loops, dates, ends, and the same through HTTP/2 and cranker. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request as httpRequest, type RequestListener } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startHttpApp, startWireApp } from "../support/apps.ts";
import { offered, startConnector, startNode, startPair, startRouter } from "../support/cluster.ts";
import { startCrankerPeer } from "../support/cranker-connector.ts";
import { startCrankerRouter } from "../support/cranker-router.ts";
import { ask } from "../support/http-client.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { TestAuthority } from "../support/certificates.ts";
import { certificateFiles } from "../support/tls-files.ts";
import { WireClient } from "../support/wire-client.ts";

/** Sends each request on to `to()`, path and fields and all, as gateways do. */
function passingOn(to: () => number, seen: string[]): RequestListener {
  return (incoming, response) => {
    seen.push(String(incoming.headers.via));
    const { method = "GET", url = "/", headers } = incoming;
    const outgoing = httpRequest({ host: "127.0.0.1", port: to(), method, path: url, headers, agent: false });
    outgoing.on("error", () => response.destroy());
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  };
}

/** The product's own listener as the app of its service, with nothing in between. */
async function startOuroboros(t: TestContext, scheme: "http" | "h2c"): Promise<number> {
  const port = await freePort();
  const node = await startNode(t, {
    node: { name: "edge" },
    listeners: [{ url: `http://127.0.0.1:${port}`, service: "web" }],
    services: { web: { target: `${scheme}://127.0.0.1:${port}` } },
  });
  await offered(node, "web");
  return port;
}

for (const scheme of ["http", "h2c"] as const) {
  test(`a request that comes back to its router over ${scheme} is ended by its mark in Via`, async (t) => {
    const port = await startOuroboros(t, scheme);
    const first = await ask(port, { path: "/x" });
    assert.deepEqual([first.status, first.headers["x-polarity-error"]], [508, "LOOP_DETECTED"]);
    assert.match(first.text, /twice on its way to service \\"web\\"/);
    // One for each answer: that of the end, and two passes.
    assert.equal(String(first.headers.via).split(",").length, 2);
    const post = await ask(port, { method: "POST", body: "a".repeat(100_000) });
    assert.equal(post.status, 508);
    const overHttp2 = await askHttp2(http2Session(t, port), "/x");
    assert.deepEqual([overHttp2.status, overHttp2.headers["x-polarity-error"]], [508, "LOOP_DETECTED"]);
  });
}

test("a request that an app sends back passes twice and no more, and other services may be asked by the way", async (t) => {
  const seen: string[] = [];
  let port = 0;
  const gateway = await startHttpApp(
    t,
    passingOn(() => port, seen),
  );
  const echo = await startHttpApp(t, (incoming, response) => response.end(String(incoming.headers.via)));
  const paths: string[] = [];
  // It asks the same router, but for another service, with all the fields that it was asked with.
  const caller = await startHttpApp(t, (incoming, response) => {
    paths.push(incoming.url ?? "");
    incoming.url = (incoming.url ?? "").replace("/caller/", "/");
    passingOn(() => port, [])(incoming, response);
  });
  const router = await startRouter(t);
  port = router.port;
  await startConnector(t, router.link, {
    loop: { target: gateway.url },
    echo: { target: echo.url },
    caller: { target: caller.url },
  });
  for (const name of ["loop", "echo", "caller"]) await offered(router.node, name);
  const answer = await ask(port, { path: "/loop/x" });
  assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [508, "LOOP_DETECTED"]);
  assert.equal(seen.length, 2);
  assert.match(seen[1] ?? "", /^1\.1 edge, 1\.1 edge \([0-9a-f]{12}-[0-9a-f]{1,8}\)$/);

  const called = await ask(port, { path: "/caller/caller/echo/x" });
  assert.equal(called.status, 200, called.text);
  assert.deepEqual(paths, ["/caller/caller/echo/x", "/caller/echo/x"]);
  assert.equal(called.text.match(/1\.1 edge/g)?.length, 3);
});

test("routers of one name are no loop, however many stand in a row", async (t) => {
  const app = await startHttpApp(t, (incoming, response) => response.end(String(incoming.headers.via)));
  let target = app.url;
  let last = 0;
  for (let count = 0; count < 5; count++) {
    const node = await startNode(t, {
      node: { name: "edge" },
      listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
      services: { web: { target } },
    });
    await offered(node, "web");
    last = Number(node.addresses.listeners[0]?.split(":").at(-1));
    target = `http://127.0.0.1:${last}`;
  }
  const answer = await ask(last);
  assert.equal(answer.status, 200);
  assert.equal(answer.text.match(/1\.1 edge/g)?.length, 5);
  const claimed = await ask(last, { headers: { via: "1.1 edge, 1.1 edge (0123456789ab-1)" } });
  assert.equal(claimed.status, 200);
});

for (const version of ["1.0", "3.0"] as const) {
  test(`a request that comes back by way of a cranker connector of ${version} is ended too`, async (t) => {
    const router = await startCrankerRouter(t);
    const target = `http://127.0.0.1:${router.port}`;
    startCrankerPeer(t, { router: router.link.replace("tcp:", "ws:"), target, version, route: "web" });
    await offered(router.node, "web");
    const answer = await ask(router.port, { path: "/web/x" });
    assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [508, "LOOP_DETECTED"]);
  });
}

test("answers over HTTP/2 have a date, statuses of any class and what a 407 needs", async (t) => {
  const app = await startWireApp(t, (head, socket) => {
    const status = /^GET \/(\d+)/.exec(head)?.[1] ?? "200";
    const date = head.includes("/599") ? "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n" : "";
    socket.write(`HTTP/1.1 ${status} X\r\n${date}A : b\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok`);
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  for (const status of [200, 407, 599, 600, 700, 999]) {
    const answer = await askHttp2(session, `/${status}`);
    assert.deepEqual([answer.status, answer.text, answer.headers["a"], answer.code], [status, "ok", "b", 0]);
    assert.equal(answer.headers["proxy-authenticate"], status === 407 ? "Basic" : undefined);
    if (status === 599) assert.equal(answer.headers.date, "Tue, 15 Nov 1994 08:12:31 GMT");
    else assertNow(answer.headers.date);
  }
  const refused = await askHttp2(session, "/x", { headers: { expect: "more" } });
  assert.equal(refused.status, 400);
  assertNow(refused.headers.date);
});

test("statuses of any class pass from apps that speak HTTP/2", async (t) => {
  const app = await startWireApp(t, (head, socket) => {
    socket.write(`HTTP/1.1 ${/^GET \/(\d+)/.exec(head)?.[1]} X\r\nContent-Length: 2\r\n\r\nok`);
  });
  const inner = await startPair(t, app.url);
  const outer = await startPair(t, `h2c://127.0.0.1:${inner.port}`);
  for (const status of [600, 999]) {
    const answer = await ask(outer.port, { path: `/${status}` });
    assert.deepEqual([answer.status, answer.text], [status, "ok"]);
  }
});

test("a POST without a body from HTTP/2 reaches an app of HTTP/1.1 with its length", async (t) => {
  const app = await startHttpApp(t, (incoming, response) => {
    response.end(`${incoming.method} ${incoming.headers["content-length"]} ${incoming.headers["transfer-encoding"]}`);
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  for (const [method, told] of [
    ["POST", "POST 0 undefined"],
    ["PUT", "PUT 0 undefined"],
    ["PATCH", "PATCH 0 undefined"],
    ["GET", "GET undefined undefined"],
    ["DELETE", "DELETE undefined undefined"],
  ] as const) {
    assert.equal((await askHttp2(session, "/", { headers: { ":method": method } })).text, told);
  }
  assert.equal(
    (await askHttp2(session, "/", { headers: { ":method": "POST" }, body: "a" })).text,
    "POST undefined chunked",
  );
});

test("what this product answers itself has a date, on every kind of port", async (t) => {
  const folder = temporaryFolder(t);
  const files = await certificateFiles(folder, await TestAuthority.create(), "one.test");
  const tls = { certificates: [files] };
  const router = await startRouter(
    t,
    [
      { url: "http://127.0.0.1:0" },
      { url: "https://127.0.0.1:0", service: "web", tls },
      { url: "tls://127.0.0.1:0", service: "web" },
    ],
    { links: { accept: [{ url: "tcp://127.0.0.1:0", cranker: true }] } },
  );
  const link = Number(router.link.split(":").at(-1));
  const [plain = 0, https = 0, hellos = 0] = router.ports;
  const upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n";
  for (const [port, lines] of [
    [plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    [plain, "GET / HTTP/1.0\r\n\r\n"],
    [plain, "nonsense\r\n\r\n"],
    [plain, "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n"],
    [https, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    [hellos, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    [link, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    [link, `GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n${upgrade}\r\n`],
    [link, `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`],
    [link, `GET /register/ HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`],
    [link, "GET nonsense\r\n\r\n"],
  ] as const) {
    const client = new WireClient(t, port).send(lines);
    const { head, headers } = await client.response();
    assertNow(headers["date"], `${lines} ${head}`);
    assert.equal(head.match(/\r\ndate:/gi)?.length, 1, head);
  }
});

test("what a route's rules say of Date holds", async (t) => {
  const app = await startWireApp(t, (_head, socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const router = await startRouter(t, [
    {
      url: "http://127.0.0.1:0",
      routes: [
        { path: "/set", service: "web", responseHeaders: { set: { Date: "Tue, 15 Nov 1994 08:12:31 GMT" } } },
        { path: "/remove", service: "web", responseHeaders: { remove: ["date"] } },
        { path: "/other", service: "web", responseHeaders: { set: { A: "b" } } },
      ],
    },
  ]);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  const dates = async (path: string) =>
    (await new WireClient(t, router.port).send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).response()).head.match(
      /(?<=\r\ndate: ).*(?=\r\n)/gi,
    );
  assert.deepEqual(await dates("/set"), ["Tue, 15 Nov 1994 08:12:31 GMT"]);
  assert.equal(await dates("/remove"), null);
  const [date, second] = (await dates("/other")) ?? [];
  assertNow(date);
  assert.equal(second, undefined);
});

test("the death of a router in the middle of an answer without a length does not look like its end", async (t) => {
  const app = await startWireApp(t, (_head, socket) => socket.write("HTTP/1.1 200 OK\r\n\r\nhalf"));
  const folder = temporaryFolder(t);
  const file = join(folder, "polarity.yaml");
  const services = { web: { target: app.url } };
  writeFileSync(file, JSON.stringify({ listeners: [{ url: "http://127.0.0.1:0", service: "web" }], services }));
  const router = new PolarityProcess(t, ["run", "-c", file]);
  const port = Number((await router.ready()).listeners[0]?.split(":").at(-1));
  const answers = await Promise.all([begun(port, true), begun(port, false)]);
  const ends = answers.map(async (incoming) => {
    await once(incoming, "data");
    return await once(incoming, "end").then(
      () => "complete",
      () => "broken",
    );
  });
  await new Promise(setImmediate);
  router.signal("SIGKILL");
  assert.deepEqual(await Promise.all(ends), ["broken", "broken"]);
});

/** An answer whose head is here. */
function begun(port: number, keepAlive: boolean): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: "127.0.0.1", port, agent: new Agent({ keepAlive }) }, resolve);
    asked.on("error", reject);
    asked.end();
  });
}

function assertNow(date: string | undefined, what = ""): void {
  assert.match(date ?? "", /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/, what);
  assert.ok(Math.abs(Date.parse(date ?? "") - Date.now()) < 30_000, what);
}
