/** Websockets and event streams over every way that a node has to an app: each kind of link, its own app, and a relay. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { WebSocketServer } from "ws";
import { startHttpApp } from "../support/apps.ts";
import { offered, portOf, startConnector, startNode } from "../support/cluster.ts";
import { until } from "../support/patience.ts";
import { temporaryFolder } from "../support/servers.ts";
import { closingOf, WebSocketClient } from "../support/web-sockets.ts";
import { WireClient } from "../support/wire-client.ts";

/** An app that echoes websockets, streams `/events`, and says who has gone. */
async function startTalker(t: TestContext, unixPath?: string) {
  const ends: string[] = [];
  const app = await startHttpApp(t, (request, response) => {
    response.on("close", () => ends.push(`${request.url} closed`));
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write("data: hello\n\n");
  });
  const server = new WebSocketServer({ server: app.server });
  server.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    void closingOf(socket).then(({ code }) => ends.push(`socket closed ${code}`));
  });
  t.after(() => server.close());
  if (unixPath === undefined) return { target: app.url, ends };
  // The same behind a path.
  const behindPath = createServer((request, response) => app.server.emit("request", request, response));
  behindPath.on("upgrade", (...parts) => app.server.emit("upgrade", ...parts));
  await new Promise<void>((resolve) => {
    behindPath.listen(unixPath, resolve);
  });
  t.after(() => {
    behindPath.closeAllConnections();
    behindPath.close();
  });
  return { target: `unix://${unixPath}`, ends };
}

const HTTP = "http://127.0.0.1:0";
const halfClose = { limits: { halfCloseTimeout: "100ms" } };

type Start = (t: TestContext, target: string) => Promise<number>;

function overLink(accept: (t: TestContext) => string, dial: (bound: string) => string, links = 1): Start {
  return async (t, target) => {
    const router = await startNode(t, {
      links: { accept: [{ url: accept(t) }] },
      listeners: [{ url: HTTP, service: "web", ...halfClose }],
    });
    const link = dial(router.addresses.links[0] ?? "");
    await startConnector(t, link, { web: { target, protocol: "http/1.1" } }, { links });
    await offered(router, "web", links);
    return portOf(router.addresses.listeners[0] ?? "");
  };
}

const ways: Readonly<Record<string, Start>> = {
  "a tcp link": overLink(
    () => "tcp://127.0.0.1:0",
    (bound) => bound,
  ),
  "three links": overLink(
    () => "tcp://127.0.0.1:0",
    (bound) => bound,
    3,
  ),
  "a websocket link": overLink(
    () => "tcp://127.0.0.1:0",
    (bound) => bound.replace("tcp:", "ws:"),
  ),
  "a unix link": overLink(
    (t) => `unix://${join(temporaryFolder(t), "link")}`,
    (bound) => bound,
  ),
  "no link, in one node": async (t, target) => {
    const node = await startNode(t, {
      listeners: [{ url: HTTP, service: "web", ...halfClose }],
      services: { web: { target, protocol: "http/1.1" } },
    });
    return portOf(node.addresses.listeners[0] ?? "");
  },
  "a relay over two links": async (t, target) => {
    const router = await startNode(t, { links: { accept: [{ url: "tcp://127.0.0.1:0" }] } });
    const link = router.addresses.links[0] ?? "";
    await startConnector(t, link, { web: { target, protocol: "http/1.1" } });
    await offered(router, "web");
    const desk = await startNode(t, {
      links: { dial: [{ url: link }] },
      listeners: [{ url: HTTP, service: "web", ...halfClose }],
    });
    return portOf(desk.addresses.listeners[0] ?? "");
  },
};

for (const [way, start] of Object.entries(ways)) {
  test(`over ${way}: messages of all sizes, orderly and abnormal ends, events, and clients that go`, async (t) => {
    const { target, ends } = await startTalker(t, way.includes("unix") ? join(temporaryFolder(t), "app") : undefined);
    const port = await start(t, target);
    const url = `ws://127.0.0.1:${port}/`;
    const client = await new WebSocketClient(t, url).opened();
    for (const size of [0, 1, 1_000, 70_000, 2_000_000]) {
      const bytes = Buffer.alloc(size, size % 251);
      client.socket.send(bytes);
      assert.ok((await client.message()).data.equals(bytes), `${size} bytes`);
    }
    client.socket.close(4000);
    assert.equal((await client.closed()).code, 4000);
    await until("the app has seen the close", () => ends.includes("socket closed 4000"));

    const broken = await new WebSocketClient(t, url).opened();
    (await broken.upgraded).socket.resetAndDestroy();
    await until("the app has seen the break", () => ends.includes("socket closed 1006"));

    const events = new WireClient(t, port).send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    await events.readTo("data: hello\n\n");
    events.socket.destroy();
    await until("the app has seen that nobody listens", () => ends.includes("/events closed"));
  });
}
