/** HTTP/1.1 as clients and apps speak it, byte by byte, through a router, a link and a connector. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { startHttpApp, startRawApp, startWireApp } from "../support/apps.ts";
import { startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

async function throughWireApp(t: TestContext, answer: (head: string, socket: Socket) => void) {
  const app = await startWireApp(t, answer);
  const router = await startPair(t, app.url);
  return { router, client: new WireClient(t, router.port) };
}

test("one connection carries many requests, and the app's connection is kept too", async (t) => {
  const ports = new Set<number>();
  const app = await startHttpApp(t, (request, response) => {
    ports.add(request.socket.remotePort ?? 0);
    response.end("x");
  });
  const router = await startPair(t, app.url);
  const agent = keepAliveAgent(t, 1);
  for (let index = 0; index < 20; index++) assert.equal((await ask(router.port, { agent })).text, "x");
  assert.equal(router.node.view().listeners[0]?.connectionsTotal, 1);
  assert.equal(ports.size, 1);
});

test("pipelined requests are answered in order, with bodies and unknown services among them", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      // Earlier requests take longer, so that only the proxy keeps the order.
      setTimeout(() => response.end(`${request.url}:${Buffer.concat(chunks).toString()}`), 10 - chunks.length);
    });
  });
  const router = await startPair(t, app.url, { service: undefined, waitForOffer: "0s" });
  const client = new WireClient(t, router.port);
  client.send(
    "GET /web/1 HTTP/1.1\r\nHost: x\r\n\r\n" +
      "POST /web/2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
      "GET /nobody HTTP/1.1\r\nHost: x\r\n\r\n" +
      "POST /web/3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
      "\r\nGET /web/4 HTTP/1.1\r\nHost: x\r\n\r\n",
  );
  const bodies: string[] = [];
  for (let index = 0; index < 5; index++) {
    const { status, body } = await client.response();
    bodies.push(status === 200 ? body : String(status));
  }
  assert.deepEqual(bodies, ["/web/1:", "/web/2:hello", "404", "/web/3:abc", "/web/4:"]);
});

test("a hundred pipelined requests in one write, and one byte a write, are all answered", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(request.url));
  const router = await startPair(t, app.url);
  const many = Array.from({ length: 100 }, (_, index) => `GET /${index} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
  const client = new WireClient(t, router.port).send(many);
  for (let index = 0; index < 100; index++) assert.equal((await client.response()).body, `/${index}`);
  for (const character of "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /slower HTTP/1.1\r\nHost: x\r\n\r\n") {
    client.send(character);
    await new Promise(setImmediate);
  }
  assert.equal((await client.response()).body, "/slow");
  assert.equal((await client.response()).body, "/slower");
});

test("a client that closes its side behind pipelined requests gets every answer", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    setTimeout(() => response.end(request.url), 5);
  });
  const router = await startPair(t, app.url);
  const requests = ["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
  const client = new WireClient(t, router.port).send(requests).halfClose();
  for (const path of ["/1", "/2", "/3"]) assert.equal((await client.response()).body, path);
  assert.equal(await soon("the end", client.ended), "end");
});

test("chunks pass both ways as they are, with extensions and trailers", async (t) => {
  let received = "";
  const body = "4;name=value\r\nWiki\r\n0\r\nX-Sum: 1\r\n\r\n";
  const app = await startRawApp(t, (socket) => {
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (received.endsWith("X-Sum: 1\r\n\r\n"))
        socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`);
    });
  });
  const router = await startPair(t, app.url.replace("tcp:", "http:"));
  const client = new WireClient(t, router.port);
  client.send(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`);
  assert.ok((await client.readTo("\r\n\r\n")).includes("Transfer-Encoding: chunked"));
  assert.equal(await client.read(body.length), body);
  assert.ok(received.endsWith(`\r\n\r\n${body}`), received);
  assert.match(received, /\r\nTrailer: X-Sum\r\n/);
});

test("HEAD, 204 and 304 have no body, whatever their fields say, and the connection goes on", async (t) => {
  const { client } = await throughWireApp(t, (head, socket) => {
    const [method, path] = head.split(" ");
    if (path === "/204") socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    else if (path === "/304") socket.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: x\r\n\r\n");
    else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${method === "HEAD" ? "" : "full"}`);
  });
  const requests = [
    ["HEAD", "/", 200, ""],
    ["GET", "/204", 204, ""],
    ["GET", "/304", 304, ""],
    ["GET", "/", 200, "full"],
  ] as const;
  for (const [method, path, status, body] of requests) {
    const response = await client.send(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).response(method);
    assert.deepEqual([response.status, response.body], [status, body]);
    if (method === "HEAD") assert.equal(response.headers["content-length"], "4");
  }
});

test("103 and 102 arrive before the answer, as they are sent, but not at an HTTP/1.0 client", async (t) => {
  let finish = (): void => {};
  const { router, client } = await throughWireApp(t, (_head, socket) => {
    socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
    finish = () => socket.write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  client.send(GET);
  const hints = await client.readTo("\r\n\r\n");
  assert.match(hints, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n/);
  finish();
  assert.equal((await client.response()).status, 102);
  assert.equal((await client.response()).body, "ok");

  const old = new WireClient(t, router.port).send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
  const previous = finish;
  await until("the app was asked again", () => finish !== previous);
  finish();
  const answer = await old.response();
  assert.deepEqual([answer.status, answer.body], [200, "ok"]);
});

test("100-continue: the body is sent when the app asks for it", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  assert.equal((await client.response()).status, 100);
  assert.equal((await client.send("hello").response()).body, "hello");
  assert.equal((await client.send(GET).response()).status, 200, "the connection goes on");
});

test("100-continue: an app that refuses is heard without the body, and the connection closes", async (t) => {
  const app = await startHttpApp(t, () => {});
  app.server.on("checkContinue", (_request, response) => {
    response.writeHead(417, { "content-length": "2" });
    response.end("no");
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const answer = await client.response();
  assert.deepEqual([answer.status, answer.body, answer.headers["connection"]], [417, "no", "close"]);
  assert.equal(await soon("the end", client.ended), "end");
});

test("an answer that comes before the upload is complete arrives at once", async (t) => {
  const app = await startHttpApp(t, (_request, response) => {
    response.writeHead(401, { "content-length": "2" });
    response.end("no");
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nbegin");
  const answer = await client.response();
  assert.deepEqual([answer.status, answer.body], [401, "no"]);
});

test("after an early answer to a short body the connection serves the next request", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(request.method));
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nbegin");
  assert.equal((await client.response()).body, "POST");
  client.send(`rest.${GET}`);
  assert.equal((await client.response()).body, "GET");
});

test("a response streams as it is written, and so does a request", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    // Each event is the answer to what the client sent last.
    request.on("data", (chunk: Buffer) => response.write(`data: ${chunk.toString()}\n\n`));
    request.on("end", () => response.end());
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  await client.readTo("\r\n\r\n");
  for (const word of ["one", "two", "three"]) {
    client.send(`${word.length.toString(16)}\r\n${word}\r\n`);
    assert.match(await client.readTo("\n\n"), new RegExp(`data: ${word}`));
  }
  client.send("0\r\n\r\n");
  await client.readTo("0\r\n\r\n");
});

test("an HTTP/1.0 client gets its chunks decoded and the end by close, or keeps its connection by a length", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/length") response.setHeader("content-length", "4");
    response.write("ab");
    response.end("cd");
  });
  const router = await startPair(t, app.url);
  const closing = new WireClient(t, router.port).send("GET /chunked HTTP/1.0\r\n\r\n");
  const whole = await closing.readAll();
  assert.match(whole, /\r\nConnection: close\r\n/);
  assert.ok(whole.endsWith("\r\n\r\nabcd"), whole);
  assert.doesNotMatch(whole, /chunked/i);

  const keeping = new WireClient(t, router.port);
  for (let index = 0; index < 2; index++) {
    keeping.send("GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const answer = await keeping.response();
    assert.deepEqual([answer.body, answer.headers["connection"]], ["abcd", "keep-alive"]);
  }
});

test("an HTTP/1.0 app, and any that ends its answer by closing, is heard to the end", async (t) => {
  const { client } = await throughWireApp(t, (_head, socket) => {
    socket.write("HTTP/1.0 200 OK\r\n\r\nall ");
    setImmediate(() => socket.end("of it"));
  });
  const answer = await client.send(GET).response();
  assert.deepEqual([answer.body, answer.headers["transfer-encoding"]], ["all of it", "chunked"]);
  const next = await client.send(GET).response();
  assert.deepEqual([next.body, next.headers["connection"]], ["all of it", undefined]);
});

test("an upgrade gives both sides raw bytes, half-closes included", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst:");
      socket.pipe(socket);
    });
  });
  const router = await startPair(t, app.url.replace("tcp:", "http:"));
  const client = new WireClient(t, router.port);
  // Bytes right behind the request wait for the 101.
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly,");
  assert.match(await client.readTo("\r\n\r\n"), /^HTTP\/1\.1 101 .*\r\nUpgrade: echo\r\n/s);
  assert.equal(await client.read(12), "first:early,");
  assert.equal(await client.send("\0\xff").read(2), "\0\xff");
  assert.equal(await client.send("last").halfClose().readAll(), "last");
});

test("a refused upgrade is an ordinary answer, and both connections are used again", async (t) => {
  const ports = new Set<number>();
  const app = await startHttpApp(t, (request, response) => {
    ports.add(request.socket.remotePort ?? 0);
    response.end(request.headers.upgrade ?? "none");
  });
  // Node's server answers an upgrade as a request only while nobody listens for upgrades.
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  for (let index = 0; index < 3; index++) {
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\n");
    assert.equal((await client.response()).body, "odd");
    assert.equal((await client.send(GET).response()).body, "none");
  }
  assert.equal(ports.size, 1);
});

test("a 101 that nobody asked for is refused, and nothing of it reaches the client", async (t) => {
  const { client } = await throughWireApp(t, (_head, socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    );
  });
  const answer = await client.send(GET).response();
  assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [502, "TARGET_PROTOCOL"]);
});

test("websockets pass: text, binary, ping and pong, big messages, close codes from either side", async (t) => {
  const app = await startHttpApp(t, () => {});
  const server = new WebSocketServer({ server: app.server });
  t.after(() => server.close());
  server.on("connection", (socket) => {
    socket.on("message", (data, binary) => {
      if ((data as Buffer).toString() === "leave") socket.close(4001, "as you wish");
      else socket.send(data, { binary });
    });
    socket.on("ping", () => socket.send("pinged"));
    socket.on("close", (code, reason) => server.emit("left", code, reason.toString()));
  });
  const router = await startPair(t, app.url);
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${router.port}/chat?x=1`);
    t.after(() => socket.terminate());
    await soon(
      "an open websocket",
      new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject)),
    );
    return socket;
  };
  const next = (socket: WebSocket): Promise<Buffer> =>
    soon("a message", new Promise((resolve) => socket.once("message", (data) => resolve(data as Buffer))));

  const sockets = await Promise.all(Array.from({ length: 10 }, open));
  for (const [index, socket] of sockets.entries()) socket.send(`hello ${index}`);
  const answers = await Promise.all(sockets.map(next));
  assert.deepEqual(
    answers.map(String),
    answers.map((_, index) => `hello ${index}`),
  );

  const [first, second] = sockets as [WebSocket, WebSocket];
  const big = Buffer.alloc(3_000_000, 7);
  first.send(big);
  assert.ok((await next(first)).equals(big));
  const pong = new Promise((resolve) => first.once("pong", resolve));
  first.ping("x");
  assert.equal(String(await next(first)), "pinged");
  await soon("a pong", pong);

  const closed = new Promise<number>((resolve) => first.once("close", resolve));
  first.send("leave");
  assert.equal(await soon("the close", closed), 4001);
  const left = new Promise((resolve) => server.once("left", (code, reason) => resolve([code, reason])));
  second.close(4002, "bye");
  assert.deepEqual(await soon("the other close", left), [4002, "bye"]);
});

test("the app hears who asked and how, once, and the client hears who answered", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(JSON.stringify(request.headers)));
  const router = await startPair(t, app.url);
  const answer = await ask(router.port, {
    headers: { host: "shop.example", "x-forwarded-for": "6.6.6.6", connection: "x-secret", "x-secret": "1" },
  });
  const heard = JSON.parse(answer.text) as Record<string, string>;
  assert.equal(heard["host"], "shop.example");
  assert.equal(heard["x-forwarded-for"], "127.0.0.1");
  assert.equal(heard["x-forwarded-host"], "shop.example");
  assert.match(heard["forwarded"] ?? "", /^for="127\.0\.0\.1:\d+";host="shop\.example";proto=http$/);
  assert.equal(heard["via"], "1.1 edge");
  assert.equal(heard["x-secret"], undefined);
  assert.equal(answer.headers.via, "1.1 edge");
});

test("while a client does not read, interim responses hold the app back", async (t) => {
  let held = false;
  const { promise, resolve } = Promise.withResolvers<void>();
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${"x".repeat(20_000)}>\r\n\r\n`;
  const { client } = await throughWireApp(t, (_head, socket) => {
    let sent = 0;
    const more = (): void => {
      while (sent < 64 * 1024 * 1024) {
        sent += hint.length;
        if (socket.write(hint)) continue;
        // Written out far more slowly than the loop runs: it stands when nothing moves for some turns.
        const stalled = setTimeout(() => {
          held = true;
          resolve();
        }, 300);
        socket.once("drain", () => {
          clearTimeout(stalled);
          more();
        });
        return;
      }
      resolve();
    };
    more();
  });
  client.socket.pause();
  client.send(GET);
  await soon("the app being held back", promise);
  assert.ok(held, "64 MiB of hints were taken from an app whose client reads nothing");
});

test("a listener that leads nowhere yet still speaks HTTP to what it cannot serve", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", waitForOffer: "0s" }]);
  const client = new WireClient(t, router.port);
  const first = await client.send(GET).response();
  assert.deepEqual([first.status, first.headers["x-polarity-error"]], [503, "NO_CONNECTOR"]);
  const second = await client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").response();
  assert.equal(second.status, 503, "on the same connection");
});
