/** Clients that ask for nothing do not keep others out of a listener that has no places left. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent } from "node:http";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { startPair } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";

async function silent(t: TestContext, port: number, beginning: string): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(beginning);
  return socket;
}

test("idle connections and unfinished heads of the greediest client end where another needs the place", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url !== "/never") response.end("hello");
  });
  const { node, port } = await startPair(t, app.url, { limits: { connections: 12 } });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const kept = async (): Promise<string> => (await ask(port, { agent })).body.toString();
  assert.equal(await kept(), "hello");
  const listener = () => node.view().listeners[0]!;
  const waiting = await silent(t, port, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  let gone = false;
  waiting.on("close", () => (gone = true));
  for (let at = 0; at < 10; at++) await silent(t, port, at % 2 === 0 ? "" : "GET / HTTP/1.1\r\nHost: x\r\n");
  await until("it is full", () => listener().connectionsOpen === 12);
  for (let at = 0; at < 5; at++) assert.equal((await ask(port, { headers: { connection: "close" } })).status, 200);
  assert.equal(await kept(), "hello", "the connection of who has few is kept");
  assert.ok((listener().errors["OVER_SHARE"] ?? 0) >= 1);
  assert.equal(gone, false, "what is under way goes on");
});

test("whoever has most loses no answer: those that wait for their readers reach them whole", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    response.end(request.url === "/big" ? Buffer.alloc(300_000, "b") : "x");
  });
  const { node, port } = await startPair(t, app.url, { limits: { connections: 12 } });
  const listener = () => node.view().listeners[0]!;
  const readers = await Promise.all(
    Array.from({ length: 10 }, () => silent(t, port, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")),
  );
  for (const reader of readers) reader.pause();
  await silent(t, port, "");
  await silent(t, port, "");
  await until("all are answered", () => listener().connectionsOpen === 12 && listener().requestsActive === 0);
  for (let at = 0; at < 8; at++) await ask(port, { headers: { connection: "close" } }).catch(() => {});
  assert.ok((listener().errors["OVER_SHARE"] ?? 0) >= 1, "idle ones have given way");
  for (const reader of readers) {
    let got = 0;
    reader.on("data", (chunk: Buffer) => (got += chunk.length));
    reader.resume();
    await until("the whole answer", () => got > 300_000);
  }
});
