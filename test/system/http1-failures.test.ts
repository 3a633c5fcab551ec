/** What clients see when an app, a client or a limit breaks a request: the right status, who failed, and never a mended body. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { startHttpApp, startRawApp, startWireApp } from "../support/apps.ts";
import { offered, startConnector, startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

async function throughWireApp(t: TestContext, answer: (head: string, socket: Socket) => void) {
  const app = await startWireApp(t, answer);
  const router = await startPair(t, app.url);
  return { app, router, client: new WireClient(t, router.port) };
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

test("an app that cannot be reached is a 502 that names node and target, as JSON or HTML", async (t) => {
  const url = `http://127.0.0.1:${await closedPort()}`;
  const router = await startPair(t, url);
  const json = await ask(router.port);
  assert.deepEqual([json.status, json.headers["x-polarity-error"]], [502, "TARGET_UNREACHABLE"]);
  const { message, failed, code } = JSON.parse(json.text) as Record<string, string>;
  assert.match(message ?? "", new RegExp(`^node "shed": cannot reach ${url}: connect ECONNREFUSED`));
  assert.deepEqual([code, failed], ["TARGET_UNREACHABLE", "the app behind the connector"]);
  const html = await ask(router.port, { headers: { accept: "text/html,*/*;q=0.1" } });
  assert.match(html.headers["content-type"] ?? "", /^text\/html/);
  assert.match(html.text, /<h1><b>502<\/b> Bad Gateway<\/h1>/);
  const post = await ask(router.port, { method: "POST", body: "x".repeat(100_000) });
  assert.equal(post.headers["x-polarity-error"], "TARGET_UNREACHABLE");
});

for (const [what, framing] of [
  ["a length", "Content-Length: 100"],
  ["chunks", "Transfer-Encoding: chunked"],
] as const) {
  test(`an app that dies within a body of ${what} cuts the client's connection instead of padding it`, async (t) => {
    const { client } = await throughWireApp(t, (_head, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      socket.end(framing.startsWith("C") ? "only this" : "9\r\nonly this\r\n");
    });
    await client.send(GET).readTo("only this");
    assert.equal(await soon("the end", client.ended), "reset");
  });
}

test("an app that breaks a body without a border by a reset breaks it for the client too", async (t) => {
  const { client } = await throughWireApp(t, (_head, socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\nonly this", () => socket.resetAndDestroy());
  });
  client.send(GET);
  assert.equal(await soon("the end", client.ended), "reset");
});

const garbage = {
  "no HTTP at all": "SSH-2.0-OpenSSH\r\n\r\n",
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "a length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "a bare line feed": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
  "a head without end": `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`,
};
test("an app that answers nonsense is a 502, and the next request is unharmed", async (t) => {
  const answers = Object.values(garbage);
  const { router } = await throughWireApp(t, (_head, socket) => {
    socket.write(answers.shift() ?? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const agent = keepAliveAgent(t, 1);
  for (const what of Object.keys(garbage)) {
    const answer = await ask(router.port, { agent });
    assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [502, "TARGET_PROTOCOL"], what);
  }
  assert.equal((await ask(router.port, { agent })).text, "ok");
});

test("what an app sends behind its answer is nobody's next answer", async (t) => {
  let asked = 0;
  const { router } = await throughWireApp(t, (_head, socket) => {
    const body = `answer ${++asked}`;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
  });
  for (const expected of ["answer 1", "answer 2", "answer 3"]) assert.equal((await ask(router.port)).text, expected);
});

test("an app that closes without an answer is a 502 that says so", async (t) => {
  const { router } = await throughWireApp(t, (_head, socket) => socket.end());
  const answer = await ask(router.port);
  assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [502, "TARGET_FAILED"]);
  assert.match(answer.text, /closed the connection without an answer/);
});

test("an app that does not answer in time is a 504, and its connection is let go", async (t) => {
  const app = await startHttpApp(t, () => {});
  const router = await startPair(t, app.url, {}, { responseTimeout: "100ms" });
  const closed = new Promise((resolve) => {
    app.server.once("connection", (socket: Socket) => socket.once("close", resolve));
  });
  const answer = await ask(router.port);
  assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [504, "TARGET_TIMEOUT"]);
  assert.match(answer.text, /did not answer within 100 ms/);
  await soon("the app's connection closing", closed);
});

test("a slow upload is not the app's silence: the app's time begins when it has been asked all", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  const router = await startPair(t, app.url, {}, { responseTimeout: "60ms" });
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n");
  // The pace is what is tested: each byte comes long before the timeout, all together long after it.
  for (let index = 0; index < 40; index++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
    client.send("x");
  }
  const answer = await client.response();
  assert.deepEqual([answer.status, answer.body], [200, "x".repeat(40)]);
});

test("a head or a body that stops arriving is a 408", async (t) => {
  const app = await startHttpApp(t, (request) => request.resume());
  const router = await startPair(t, app.url, { limits: { headTimeout: "50ms", idleTimeout: "50ms" } });
  const head = new WireClient(t, router.port).send("GET / HTTP/1.1\r\nHost:");
  const slowHead = await head.response();
  assert.deepEqual([slowHead.status, slowHead.headers["x-polarity-error"]], [408, "SLOW_HEAD"]);
  assert.equal(await soon("the end", head.ended), "end");
  const body = new WireClient(t, router.port).send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
  const slowBody = await body.response();
  assert.deepEqual([slowBody.status, slowBody.headers["x-polarity-error"]], [408, "SLOW_BODY"]);
  const idle = new WireClient(t, router.port);
  assert.equal(await soon("the end of an idle connection", idle.ended), "end");
  assert.equal(idle.arrived, "");
});

test("two sides that talk within one exchange may be silent for longer than an upload may stall", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    response.write("hello");
    request.on("data", (chunk: Buffer) => response.write(chunk));
    request.on("end", () => response.end());
  });
  const router = await startPair(t, app.url, { limits: { idleTimeout: "300ms" } });
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
  // It has to begin within the timeout, on a machine with other things to do too.
  await client.readTo("hello");
  // What must not happen is the passing of time.
  await new Promise((resolve) => {
    setTimeout(resolve, 900);
  });
  client.send("word");
  await client.readTo("word");
  await client.readTo("0\r\n\r\n");
});

test("what is too large is told apart: head 431, fields 431, target 414, body 413", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.resume();
    request.on("end", () => response.end());
  });
  const limits = { head: "2KiB", fields: 10, target: "100B", body: "1KiB" };
  const router = await startPair(t, app.url, { limits });
  const cases = [
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(3000)}\r\n\r\n`, 431],
    [`GET / HTTP/1.1\r\nHost: x\r\n${"X: 1\r\n".repeat(20)}\r\n`, 431],
    [`GET /${"x".repeat(200)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    [`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n${"x".repeat(2000)}`, 413],
    [`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n600\r\n${"x".repeat(0x600)}\r\n0\r\n\r\n`, 413],
  ] as const;
  for (const [request, status] of cases) {
    const client = new WireClient(t, router.port).send(request);
    assert.equal((await client.response()).status, status, request.slice(0, 30));
    assert.equal(await soon("the end", client.ended), "end");
  }
  assert.equal((await ask(router.port, { method: "POST", body: "x".repeat(1024) })).status, 200);
});

test("a client that goes away in the middle takes its request away from the app", async (t) => {
  const app = await startHttpApp(t, (_request, response) => {
    const more = (): void => {
      if (!response.destroyed) response.write("x".repeat(1000), () => setImmediate(more));
    };
    more();
  });
  const router = await startPair(t, app.url);
  const download = new WireClient(t, router.port).send(GET);
  const closed = new Promise((resolve) => {
    app.server.once("request", (request) => request.socket.once("close", resolve));
  });
  await download.readTo("xxx");
  download.socket.destroy();
  await soon("the app's connection closing behind a download", closed);

  const asked = once(app.server, "request") as Promise<[{ socket: Socket }]>;
  const upload = new WireClient(t, router.port).send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  const [request] = await soon("the upload", asked);
  const gone = new Promise((resolve) => request.socket.once("close", resolve));
  upload.socket.resetAndDestroy();
  await soon("the app's connection closing behind an upload", gone);
  await until("nothing is under way", () => router.node.view().totals.requestsActive === 0);
  assert.equal(router.node.view().services[0]?.offers[0]?.outstanding, 0);
});

test("a kept connection that the app closed meanwhile does not fail the next request, GET or POST", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  app.server.keepAliveTimeout = 5;
  app.server.keepAliveTimeoutBuffer = 0;
  const router = await startPair(t, app.url);
  const agent = keepAliveAgent(t, 1);
  const connections = (): Promise<number> =>
    new Promise((resolve) => {
      app.server.getConnections((_error, count) => resolve(count));
    });
  for (const method of ["GET", "POST", "GET", "POST"]) {
    const answer = await ask(router.port, { method, body: method === "POST" ? "body" : "", agent });
    assert.equal(answer.status, 200);
    await until("the app has closed it", async () => (await connections()) === 0);
  }
});

test("an app that closes a kept connection just as a repeatable request arrives is asked again, with its body", async (t) => {
  let connections = 0;
  const app = await startRawApp(t, (socket) => {
    const serial = ++connections;
    let requests = 0;
    socket.on("data", (chunk) => {
      requests++;
      // The first connection answers once, and closes at the sight of a second request.
      if (serial === 1 && requests > 1) socket.destroy();
      else {
        const body = chunk.toString("latin1").split("\r\n\r\n")[1] ?? "";
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
    });
  });
  const router = await startPair(t, app.url.replace("tcp:", "http:"));
  assert.equal((await ask(router.port, { method: "PUT", body: "one" })).text, "one");
  assert.equal((await ask(router.port, { method: "PUT", body: "two" })).text, "two");
  assert.equal(connections, 2);
});

test("an app that closes a kept connection under a POST fails it, since it may have been acted upon", async (t) => {
  let requests = 0;
  const { router } = await throughWireApp(t, (_head, socket) => {
    if (++requests === 2) socket.destroy();
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  assert.equal((await ask(router.port, { method: "POST" })).status, 200);
  assert.equal((await ask(router.port, { method: "POST" })).headers["x-polarity-error"], "TARGET_FAILED");
  assert.equal(requests, 2, "it was sent once");
});

test("a safe request whose app fails is answered by another connector, and an unsafe one is not repeated", async (t) => {
  let broken = 0;
  const dying = await startWireApp(t, (_head, socket) => {
    broken++;
    socket.destroy();
  });
  const good = await startHttpApp(t, (_request, response) => response.end("good"));
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  await startConnector(t, router.link, { web: { target: dying.url } });
  await startConnector(t, router.link, { web: { target: good.url } }, { cost: 10 });
  await offered(router.node, "web", 2);
  assert.equal((await ask(router.port)).text, "good");
  const post = await ask(router.port, { method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers["x-polarity-error"]], [502, "TARGET_FAILED"]);
  assert.equal(broken, 2);
});

test("a request that no app was reached for moves on, body and all, even a POST", async (t) => {
  const good = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  await startConnector(t, router.link, { web: { target: `http://127.0.0.1:${await closedPort()}` } });
  await startConnector(t, router.link, { web: { target: good.url } }, { cost: 10 });
  await offered(router.node, "web", 2);
  const body = "x".repeat(30_000);
  for (let index = 0; index < 5; index++) assert.equal((await ask(router.port, { method: "POST", body })).text, body);
  assert.equal(router.node.view().services[0]?.retriesTotal, 5);
});
