/** Websockets between a client and an app that both use the `ws` package, through a router, a link and a connector. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import type { WebSocket } from "ws";
import { startRawApp } from "../support/apps.ts";
import { offered, startConnector, startPair, startRouter } from "../support/cluster.ts";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { closingOf, startWebSocketApp, WebSocketClient } from "../support/web-sockets.ts";
import { WireClient } from "../support/wire-client.ts";

type ClientArguments =
  ConstructorParameters<typeof WebSocketClient> extends [unknown, unknown, ...infer Rest] ? Rest : never;

function echo(socket: WebSocket): void {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
}

/** An open websocket through a pair of nodes, and the app's end of it. */
async function openPair(t: TestContext, connected: (socket: WebSocket) => void, ...client: ClientArguments) {
  const appEnd = Promise.withResolvers<WebSocket>();
  const app = await startWebSocketApp(
    t,
    (socket) => {
      appEnd.resolve(socket);
      connected(socket);
    },
    { perMessageDeflate: true, maxPayload: 256 * 1024 * 1024 },
  );
  const router = await startPair(t, app.url);
  const socket = new WebSocketClient(t, `ws://127.0.0.1:${router.port}/chat?room=1`, ...client);
  await socket.opened();
  return { app, router, client: socket, served: await soon("the app's end", appEnd.promise) };
}

test("text and binary messages come back as they were, from none to many bytes", async (t) => {
  const { client } = await openPair(t, echo);
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const bytes = Buffer.alloc(length, length % 251);
    client.socket.send(bytes);
    const { data, binary } = await client.message();
    assert.ok(binary && data.equals(bytes), `${length} bytes`);
  }
  client.socket.send("grüße, 世界 🌍");
  assert.deepEqual(await client.message(), { data: Buffer.from("grüße, 世界 🌍"), binary: false });
});

test("a message of 64 MiB passes in one frame, and in fragments of any size", async (t) => {
  const { client } = await openPair(t, echo);
  const big = Buffer.alloc(64 * 1024 * 1024, "0123456789abcdef!");
  client.socket.send(big);
  assert.ok((await client.message()).data.equals(big));
  for (const [index, part] of ["a", "", "b".repeat(200_000), "c"].entries())
    client.socket.send(part, { fin: index === 3 });
  assert.equal(await client.text(), `a${"b".repeat(200_000)}c`);
});

test("pings are answered by the other end, not on the way, between the fragments of a message too", async (t) => {
  const { client, served } = await openPair(t, echo);
  const pinged = once(served, "ping");
  const ponged = once(client.socket, "pong");
  client.socket.send("first ", { fin: false });
  client.socket.ping("from the client");
  client.socket.send("last");
  assert.equal(String((await soon("a ping", pinged))[0]), "from the client");
  assert.equal(String((await soon("a pong", ponged))[0]), "from the client");
  assert.equal(await client.text(), "first last");
  const answered = once(served, "pong");
  served.ping("from the app");
  assert.equal(String((await soon("the client's pong", answered))[0]), "from the app");
});

for (const code of [1000, 1001, 1011, 3000, 4001, 4999]) {
  test(`close code ${code} arrives with its reason, whoever says it`, async (t) => {
    const first = await openPair(t, echo);
    const appSaw = closingOf(first.served);
    first.client.socket.close(code, "that is all");
    assert.deepEqual(await soon("the app's closing", appSaw), { code, reason: "that is all" });
    assert.deepEqual(await first.client.closed(), { code, reason: "that is all" });

    const second = new WebSocketClient(t, `ws://127.0.0.1:${first.router.port}/`);
    const connected = once(first.app.server, "connection") as Promise<[WebSocket]>;
    await second.opened();
    const [served] = await connected;
    served.close(code, "go now");
    assert.deepEqual(await second.closed(), { code, reason: "go now" });
    await until("nothing is under way", () => first.router.node.view().totals.requestsActive === 0);
  });
}

test("an end without a close frame is one for the other side too, by FIN and by reset, from either side", async (t) => {
  const abnormal = { code: 1006, reason: "" };
  const first = await openPair(t, echo);
  const appSaw = closingOf(first.served);
  first.client.socket.terminate();
  assert.deepEqual(await soon("the app's closing", appSaw), abnormal);
  const { port } = first.router;

  const open = async () => {
    const connected = once(first.app.server, "connection") as Promise<[WebSocket, { socket: WireClient["socket"] }]>;
    const client = await new WebSocketClient(t, `ws://127.0.0.1:${port}/`).opened();
    const [served, request] = await connected;
    const { socket } = await client.upgraded;
    return { client, served, appSocket: request.socket, clientSocket: socket };
  };
  const byFin = await open();
  byFin.served.terminate();
  assert.deepEqual(await byFin.client.closed(), abnormal);

  const byAppReset = await open();
  const broken = once(byAppReset.clientSocket, "error") as Promise<[NodeJS.ErrnoException]>;
  byAppReset.appSocket.resetAndDestroy();
  assert.equal((await soon("a reset at the client", broken))[0].code, "ECONNRESET");
  assert.deepEqual(await byAppReset.client.closed(), abnormal);

  const byClientReset = await open();
  const brokenApp = once(byClientReset.appSocket, "error") as Promise<[NodeJS.ErrnoException]>;
  const appClosed = closingOf(byClientReset.served);
  byClientReset.clientSocket.resetAndDestroy();
  await soon("the app's connection breaking", Promise.race([brokenApp, appClosed]));
  assert.deepEqual(await soon("the app's closing", appClosed), abnormal);
  await until("nothing is under way", () => first.router.node.view().totals.requestsActive === 0);
});

test("compression and subprotocols are agreed between the two ends, and nobody else", async (t) => {
  const compressed = await openPair(t, echo, ["chat.v2", "chat.v1"], { perMessageDeflate: true });
  assert.equal(compressed.client.socket.extensions, "permessage-deflate");
  assert.equal(compressed.served.extensions, "permessage-deflate");
  assert.equal(compressed.client.socket.protocol, "chat.v2");
  const text = "the same again and again, ".repeat(20_000);
  compressed.client.socket.send(text);
  assert.equal(await compressed.client.text(), text);
  const { node } = compressed.router;
  await until("the listener has counted it", () => (node.view().listeners[0]?.bytesOutTotal ?? 0) > 0);
  const { bytesInTotal = 0, bytesOutTotal = 0 } = node.view().listeners[0] ?? {};
  assert.ok(
    bytesInTotal + bytesOutTotal < text.length / 10,
    `${bytesInTotal} in, ${bytesOutTotal} out: it passed compressed`,
  );

  const plain = await openPair(t, echo, [], { perMessageDeflate: false });
  assert.equal(plain.client.socket.extensions, "");
  assert.equal(plain.client.socket.protocol, "");
});

test("frames right behind the handshake arrive, in both directions", async (t) => {
  const { client, router, app } = await openPair(t, (socket) => {
    for (let index = 0; index < 20; index++) socket.send(`early ${index}`);
    echo(socket);
  });
  for (let index = 0; index < 20; index++) assert.equal(await client.text(), `early ${index}`);

  // A masked "hi" in the same write as the handshake's request: the app's answer is not awaited.
  const eager = new WireClient(t, router.port);
  const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const request = `GET /eager HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`;
  eager.send(Buffer.concat([Buffer.from(request), Buffer.from("8182000000006869", "hex")]));
  assert.match(
    await eager.readTo("\r\n\r\n"),
    /^HTTP\/1\.1 101 [^]*sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i,
  );
  await eager.readTo("early 19");
  assert.equal(await eager.readTo("hi"), "\x81\x02hi");
  assert.equal(app.server.clients.size, 2);
});

test("an app that refuses the handshake is heard, and the connection serves the next request", async (t) => {
  const app = await startWebSocketApp(t, () => {}, {
    verifyClient: ({ req }, answer) => {
      const status = Number(req.url?.slice(1));
      answer(false, status, `no ${status}`);
    },
  });
  const router = await startPair(t, app.url);
  for (const status of [400, 401, 426, 503]) {
    const client = new WebSocketClient(t, `ws://127.0.0.1:${router.port}/${status}`);
    const [, response] = (await soon("a refusal", once(client.socket, "unexpected-response"))) as [
      unknown,
      { statusCode: number; resume(): void },
    ];
    assert.equal(response.statusCode, status);
    response.resume();
  }
  const raw = await startRawApp(t, (socket) => {
    socket.on("data", (chunk) => {
      const [, path = ""] = chunk.toString("latin1").split(" ");
      const upgrade = path === "/426" ? "Connection: upgrade\r\nUpgrade: websocket\r\n" : "";
      socket.write(`HTTP/1.1 ${path.slice(1)} Said\r\n${upgrade}Content-Length: 4\r\n\r\nbody`);
    });
  });
  const rawRouter = await startPair(t, raw.url.replace("tcp:", "http:"));
  const wire = new WireClient(t, rawRouter.port);
  for (const status of [400, 426, 200]) {
    wire.send(`GET /${status} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
    const answer = await wire.response();
    assert.deepEqual([answer.status, answer.body], [status, "body"]);
    assert.equal(answer.headers["upgrade"], status === 426 ? "websocket" : undefined);
  }
});

test("a request to upgrade may have a body, which comes before the tunnel's bytes", async (t) => {
  const app = await startRawApp(t, (socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const at = text.indexOf("\r\n\r\n");
      if (at < 0 || text.length < at + 9) return;
      socket.removeAllListeners("data");
      const behind = text.slice(at + 4);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n(${behind})`);
      socket.pipe(socket);
    });
  });
  const router = await startPair(t, app.url.replace("tcp:", "http:"));
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 5\r\n\r\n");
  client.send("hello");
  assert.match(await client.readTo("(hello)"), /^HTTP\/1\.1 101 /);
  assert.equal(await client.send("tunnelled").read(9), "tunnelled");
  assert.equal(await client.halfClose().readAll(), "");
});

test("an open websocket outlives every timeout for requests and idle connections, in silence", async (t) => {
  const app = await startWebSocketApp(t, echo);
  const silent = await startRawApp(t, () => {});
  const limits = { headTimeout: "400ms", idleTimeout: "400ms" };
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", limits, waitForOffer: "1s" }]);
  const timeouts = { responseTimeout: "400ms", connectTimeout: "5s" };
  const services = {
    web: { target: app.url, ...timeouts },
    silent: { target: silent.url.replace("tcp:", "http:"), ...timeouts },
  };
  await startConnector(t, router.link, services);
  await offered(router.node, "web");
  await offered(router.node, "silent");
  const client = await new WebSocketClient(t, `ws://127.0.0.1:${router.port}/web`).opened();
  // Each of these begins after the websocket and ends by the timeout that it stands for.
  for (let round = 0; round < 2; round++) {
    const idle = new WireClient(t, router.port);
    const late = new WireClient(t, router.port).send("GET /silent HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal((await late.response()).status, 504);
    assert.equal(await soon("the end of an idle connection", idle.ended), "end");
  }
  client.socket.send("still here");
  assert.equal(await client.text(), "still here");
});

test("a killed connector is an abnormal close at once, for every websocket through it", async (t) => {
  const app = await startWebSocketApp(t, echo);
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const connector = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", router.link, "--name", "shed"]);
  await offered(router.node, "web");
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => new WebSocketClient(t, `ws://127.0.0.1:${router.port}/`).opened()),
  );
  const killedAt = performance.now();
  connector.signal("SIGKILL");
  for (const client of clients) assert.equal((await client.closed()).code, 1006);
  assert.ok(performance.now() - killedAt < 2_000, "long before any silence would have been noticed");
});

test("a draining router leaves open websockets to their ends, takes no new ones, and goes when they have closed", async (t) => {
  const app = await startWebSocketApp(t, echo);
  const addresses = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0=web"];
  const router = new PolarityProcess(t, ["router", ...addresses, "--name", "edge"]);
  const { links, listeners } = await router.ready();
  await startConnector(t, links[0]!, { web: { target: app.url } });
  const url = listeners[0]!.replace("http:", "ws:");
  const client = await new WebSocketClient(t, url).opened();
  router.signal("SIGTERM");
  // The listener closes first: once nobody is let in any more, the drain has begun.
  await until("no more websockets are taken", async () => {
    const late = new WebSocketClient(t, url);
    return await late.opened().then(
      () => false,
      () => true,
    );
  });
  client.socket.send("still served");
  assert.equal(await client.text(), "still served");
  client.socket.close(1000);
  assert.equal((await client.closed()).code, 1000);
  assert.deepEqual(await soon("the router's exit", router.exited), { code: 0, signal: null });
});

test("what is open when the time to drain is over is cut, which is no orderly close, and the exit code says so", async (t) => {
  const app = await startWebSocketApp(t, echo);
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }], {
    node: { drainTimeout: "100ms" },
  });
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  const client = await new WebSocketClient(t, `ws://127.0.0.1:${router.port}/`).opened();
  const [served] = [...app.server.clients];
  const appSaw = closingOf(served!);
  assert.deepEqual(await soon("the drain", router.node.drain()), { cutOff: 1 });
  assert.equal((await client.closed()).code, 1006);
  assert.equal((await soon("the app's closing", appSaw)).code, 1006);
});
