/** Many websockets, and ones that do not read: what they cost, and whom. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { WebSocket } from "ws";
import { startRawApp } from "../support/apps.ts";
import { startPair } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { startWebSocketApp, WebSocketClient } from "../support/web-sockets.ts";
import { WireClient } from "../support/wire-client.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * KIB;
}

test("a client that stops reading holds its app back, and gets everything once it reads", async (t) => {
  const message = Buffer.alloc(64 * KIB, 1);
  const count = 1_600;
  let accepted = 0;
  const app = await startWebSocketApp(t, (socket: WebSocket) => {
    const next = (error?: Error): void => {
      if (error === undefined || error === null) accepted++;
      if (accepted < count) socket.send(message, next);
    };
    socket.send(message, next);
  });
  const router = await startPair(t, app.url);
  const client = new WebSocketClient(t, `ws://127.0.0.1:${router.port}/`);
  const head = await soon("the handshake", client.upgraded);
  head.socket.pause();
  client.socket.pause();
  // It has come to a stand when a neighbour is served many times and nothing more was accepted meanwhile.
  for (let still = 0, before = -1; still < 50; still++) {
    assert.equal((await ask(router.port)).text, "plain");
    if (accepted !== before) still = 0;
    before = accepted;
  }
  const waiting = accepted * message.length;
  t.diagnostic(`${Math.round(waiting / MIB)} MiB were taken from the app for a client that read nothing`);
  // Most of it stands in the system's buffers, for the client's socket and the app's.
  assert.ok(waiting < 32 * MIB, `${Math.round(waiting / MIB)} MiB of ${count / 16} were taken`);
  head.socket.resume();
  client.socket.resume();
  let received = 0;
  while (received < count) received += (await client.message()).data.length / message.length;
  assert.equal(received, count);
});

test("an app that stops reading holds its client back, and gets everything once it reads", async (t) => {
  const message = Buffer.alloc(64 * KIB, 1);
  const count = 1_600;
  let received = 0;
  const app = await startWebSocketApp(t, (socket) => {
    socket.pause();
    socket.on("message", () => received++);
    app.server.once("read", () => socket.resume());
  });
  const router = await startPair(t, app.url);
  const client = await new WebSocketClient(t, `ws://127.0.0.1:${router.port}/`).opened();
  let accepted = 0;
  const next = (): void => {
    if (accepted++ < count) client.socket.send(message, next);
  };
  next();
  for (let still = 0, before = -1; still < 50; still++) {
    assert.equal((await ask(router.port)).text, "plain");
    if (accepted !== before) still = 0;
    before = accepted;
  }
  const waiting = accepted * message.length;
  t.diagnostic(`${Math.round(waiting / MIB)} MiB were taken from the client for an app that read nothing`);
  assert.ok(waiting < 32 * MIB, `${Math.round(waiting / MIB)} MiB of ${count / 16} were taken`);
  app.server.emit("read");
  await until("the app has all of it", () => received === count);
});

test("a thousand idle websockets cost each node little memory, and give it back", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.on("end", () => socket.end());
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      if (text.startsWith("GET "))
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
      else socket.write(chunk);
    });
  });
  const addresses = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0=web"];
  const router = new PolarityProcess(t, ["router", ...addresses, "--name", "edge"]);
  const { links, listeners } = await router.ready();
  const target = app.url.replace("tcp:", "http:");
  const connector = new PolarityProcess(t, ["connect", `web=${target}`, "--router", links[0]!, "--name", "shed"]);
  const port = Number(listeners[0]!.split(":")[2]);

  const open = (count: number): Promise<WireClient[]> =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const client = new WireClient(t, port);
        const browserLike =
          "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nOrigin: http://x\r\nAccept-Language: en\r\n";
        client.send(`GET /chat HTTP/1.1\r\nHost: x\r\n${browserLike}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
        await client.readTo("\r\n\r\n");
        assert.equal(await client.send("hello").read(5), "hello");
        return client;
      }),
    );
  // What the first ones need once (code, pools) is not theirs.
  const first = await open(50);
  const before = { router: residentBytes(router.pid), connector: residentBytes(connector.pid) };
  const clients: WireClient[] = [];
  while (clients.length < 1_000) clients.push(...(await open(100)));
  const each = {
    router: Math.round((residentBytes(router.pid) - before.router) / clients.length / KIB),
    connector: Math.round((residentBytes(connector.pid) - before.connector) / clients.length / KIB),
  };
  t.diagnostic(`an idle websocket takes ${each.router} KiB at the router and ${each.connector} KiB at the connector`);
  assert.ok(each.router < 64 && each.connector < 64, JSON.stringify(each));
  for (const client of [...first, ...clients]) assert.equal(await client.send("there?").read(6), "there?");
  for (const client of [...first, ...clients]) client.socket.destroy();
  await until("the app's connections have ended", async () => {
    const count = await new Promise((resolve) => app.server.getConnections((_error, open) => resolve(open)));
    return count === 0;
  });
});
