/** Websockets and event streams of clients that come over TLS. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import type { WebSocket } from "ws";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { TestAuthority } from "../support/certificates.ts";
import { startHttpApp } from "../support/apps.ts";
import { askSecurely, connectSecurely, secureAgent } from "../support/https-client.ts";
import { soon, until } from "../support/patience.ts";
import { temporaryFolder } from "../support/servers.ts";
import { certificateFiles } from "../support/tls-files.ts";
import { closingOf, startWebSocketApp, WebSocketClient } from "../support/web-sockets.ts";

const authority = await TestAuthority.create();
const ca = authority.cert;
const MIB = 1024 * 1024;

/** A router with an https listener in front of the app; its port. */
async function startSecure(t: TestContext, target: string, limits = {}): Promise<number> {
  const certificate = await certificateFiles(temporaryFolder(t), authority, "edge", { ips: ["127.0.0.1"] });
  const listener = { url: "https://127.0.0.1:0", service: "web", tls: { certificates: [certificate] }, limits };
  const router = await startRouter(t, [listener]);
  await startConnector(t, router.link, { web: { target } });
  await offered(router.node, "web");
  return router.port;
}

test("a websocket over TLS: messages of all sizes, subprotocol, compression, close codes from both sides", async (t) => {
  const app = await startWebSocketApp(
    t,
    (socket) => {
      socket.on("message", (data, binary) => socket.send(data, { binary }));
    },
    { perMessageDeflate: true, maxPayload: 64 * MIB },
  );
  const port = await startSecure(t, app.url);
  const url = `wss://127.0.0.1:${port}/chat`;
  const connected = once(app.server, "connection") as Promise<[WebSocket]>;
  const client = await new WebSocketClient(t, url, ["chat"], { ca, perMessageDeflate: true }).opened();
  const [served] = await connected;
  assert.deepEqual([client.socket.protocol, client.socket.extensions], ["chat", "permessage-deflate"]);
  for (const size of [0, 1, 126, 70_000, 16 * MIB]) {
    const bytes = Buffer.alloc(size, size % 251);
    client.socket.send(bytes, { compress: size < MIB });
    assert.ok((await client.message()).data.equals(bytes), `${size} bytes`);
  }
  const appSaw = closingOf(served);
  client.socket.close(4001, "enough");
  assert.deepEqual(await soon("the app's closing", appSaw), { code: 4001, reason: "enough" });

  const again = once(app.server, "connection") as Promise<[WebSocket]>;
  const second = await new WebSocketClient(t, url, [], { ca }).opened();
  const [leaving] = await again;
  leaving.close(1001, "going");
  assert.deepEqual(await second.closed(), { code: 1001, reason: "going" });

  const last = once(app.server, "connection") as Promise<[WebSocket]>;
  const third = await new WebSocketClient(t, url, [], { ca }).opened();
  (await last)[0].terminate();
  assert.equal((await third.closed()).code, 1006);
});

test("a client that stops reading over TLS holds its app back, and gets everything once it reads", async (t) => {
  const message = Buffer.alloc(64 * 1024, 1);
  const count = 1_000;
  let accepted = 0;
  const app = await startWebSocketApp(t, (socket) => {
    const next = (): void => {
      if (accepted++ < count) socket.send(message, next);
    };
    next();
  });
  const port = await startSecure(t, app.url);
  const agent = secureAgent(t, { ca });
  const client = new WebSocketClient(t, `wss://127.0.0.1:${port}/`, [], { ca });
  const { socket } = await soon("the handshake", client.upgraded);
  socket.pause();
  client.socket.pause();
  // It has come to a stand when a neighbour is served many times and nothing more was accepted meanwhile.
  for (let still = 0, before = -1; still < 30; still++) {
    assert.equal((await askSecurely(port, { ca, agent })).text, "plain");
    if (accepted !== before) still = 0;
    before = accepted;
  }
  const waiting = Math.round((accepted * message.length) / MIB);
  assert.ok(waiting < 32, `${waiting} MiB were taken for a client that read nothing`);
  socket.resume();
  client.socket.resume();
  let received = 0;
  while (received < count) received += (await client.message()).data.length / message.length;
});

test("events over TLS come one by one, and the app hears when nobody listens any more", async (t) => {
  const app = await startHttpApp(t, (_request, response) => {
    response.on("close", () => app.server.emit("left"));
    response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    app.server.on("say", (text: string) => response.write(text));
  });
  const port = await startSecure(t, app.url, { halfCloseTimeout: "100ms" });
  const client = await connectSecurely(t, port, { ca });
  let arrived = "";
  client.on("data", (chunk: Buffer) => {
    arrived += chunk.toString();
  });
  client.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  await until("the head", () => arrived.includes("text/event-stream"));
  for (let index = 0; index < 20; index++) {
    app.server.emit("say", `data: event ${index}\n\n`);
    await until(`event ${index}`, () => arrived.includes(`data: event ${index}\n\n`));
  }
  const left = once(app.server, "left");
  client.destroy();
  await soon("the app's hearing of it", left, 5_000);
});
