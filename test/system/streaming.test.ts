/** Answers and uploads that take their time: events, long polls, trickles. Nothing on the way may keep them or end them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import { startHttpApp, startRawApp, startWireApp } from "../support/apps.ts";
import { offered, startConnector, startPair, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

const EVENT_STREAM = { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" };

function get(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;
}

/** An app that begins an event stream for each request and hands it to the test. */
async function startEvents(t: TestContext) {
  const streams: { request: IncomingMessage; response: ServerResponse }[] = [];
  const app = await startHttpApp(t, (request, response) => {
    response.writeHead(200, EVENT_STREAM).flushHeaders();
    streams.push({ request, response });
  });
  const next = (): Promise<(typeof streams)[number]> => until("an event stream", () => streams.shift());
  return { app, next };
}

test("each event arrives before the next one is sent, and the head before the first", async (t) => {
  const { app, next } = await startEvents(t);
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port).send(get("/events"));
  assert.match(await client.readTo("\r\n\r\n"), /content-type: text\/event-stream/i);
  const { response } = await next();
  for (let index = 0; index < 100; index++) {
    response.write(`id: ${index}\ndata: event ${index}\n\n`);
    // Not one more byte is sent until this has come.
    await client.readTo(`data: event ${index}\n\n`);
  }
  response.end();
  await client.readTo("0\r\n\r\n");
  // The connection is as good as any other afterwards.
  client.send(get("/again"));
  await client.readTo("\r\n\r\n");
});

test("a stream that breaks is asked for again with Last-Event-ID, which the app gets", async (t) => {
  const { app, next } = await startEvents(t);
  const router = await startPair(t, app.url);
  const first = new WireClient(t, router.port).send(get("/events"));
  const broken = await next();
  broken.response.write("id: 41\ndata: x\n\n");
  await first.readTo("data: x\n\n");
  broken.response.destroy();
  assert.equal(await soon("the break", first.ended), "reset", "it was cut off, and does not look complete");
  new WireClient(t, router.port).send(get("/events", "Last-Event-ID: 41\r\nAccept: text/event-stream\r\n"));
  assert.equal((await next()).request.headers["last-event-id"], "41");
});

for (const [how, leave] of [
  ["closes", (client: WireClient) => client.socket.destroy()],
  ["resets", (client: WireClient) => client.socket.resetAndDestroy()],
] as const) {
  test(`a client that ${how} its connection ends a silent stream and a long poll at the app, soon`, async (t) => {
    const closed: string[] = [];
    const app = await startHttpApp(t, (request, response) => {
      response.on("close", () => closed.push(request.url ?? ""));
      if (request.url === "/events") response.writeHead(200, EVENT_STREAM).flushHeaders();
      app.server.emit("asked");
    });
    const router = await startPair(t, app.url, { limits: { halfCloseTimeout: "100ms" } });
    for (const path of ["/events", "/poll"]) {
      const asked = once(app.server, "asked");
      const client = new WireClient(t, router.port).send(get(path));
      await soon("the request", asked);
      leave(client);
      await until(`the app hears that nobody waits for ${path}`, () => closed.includes(path), 5_000);
    }
    await until("nothing is under way", () => router.node.view().totals.requestsActive === 0);
  });
}

test("a client that closed its side and reads on gets its answer for as long as it moves", async (t) => {
  const app = await startHttpApp(t, (_request, response) => {
    let rest = 80;
    const more = (): void => {
      response.write(`${rest};`);
      if (--rest > 0) setTimeout(more, 10);
      else response.end("done");
    };
    more();
  });
  // The pace is what is tested: each piece comes well before the timeout, all together long after it.
  const router = await startPair(t, app.url, { limits: { halfCloseTimeout: "500ms" } });
  const client = new WireClient(t, router.port).send("GET / HTTP/1.0\r\n\r\n").halfClose();
  assert.match(await client.readAll(), /\r\n\r\n80;79;.*;1;done$/s);
});

test("a client that closed its side is given up when nothing comes for it, and only then", async (t) => {
  const app = await startWireApp(t, (head, socket) => {
    if (head.startsWith("GET /late")) setTimeout(() => socket.write("HTTP/1.1 204 Late\r\n\r\n"), 300);
  });
  const patient = await startPair(t, app.url, { limits: { halfCloseTimeout: "10s" } });
  assert.match(await new WireClient(t, patient.port).send(get("/late")).halfClose().readAll(), /^HTTP\/1\.1 204 /);
  const brisk = await startPair(t, app.url, { limits: { halfCloseTimeout: "50ms" } });
  assert.equal(await soon("the end", new WireClient(t, brisk.port).send(get("/late")).halfClose().ended), "reset");
  assert.equal((await ask(brisk.port, { path: "/late" })).status, 204, "who has not closed its side is not concerned");
  // Requests behind one another: the second is awaited with the side closed from its beginning.
  const two = new WireClient(t, patient.port).send(get("/late").repeat(2)).halfClose();
  assert.equal((await two.readAll()).match(/ 204 /g)?.length, 2);
});

test("an upload that trickles is passed on chunk by chunk, for longer than any timeout", async (t) => {
  let arrived = "";
  const app = await startHttpApp(t, (request, response) => {
    request.setEncoding("latin1").on("data", (text: string) => {
      arrived += text;
    });
    request.on("end", () => response.end(arrived));
  });
  const limits = { headTimeout: "500ms", idleTimeout: "500ms" };
  const router = await startPair(t, app.url, { limits }, { responseTimeout: "500ms" });
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const beganAt = performance.now();
  let sent = "";
  while (performance.now() - beganAt < 1_500) {
    client.send("3\r\nabc\r\n");
    sent += "abc";
    await until("the chunk has arrived", () => arrived === sent);
  }
  assert.equal((await client.send("0\r\n\r\n").response()).body, sent);
});

test("a long poll outlasts the client's idle time, and a stream every timeout, in silence", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/web/events") response.writeHead(200, EVENT_STREAM).flushHeaders();
    app.server.once("go", () => response.end("late"));
    app.server.emit("asked");
  });
  const silent = await startRawApp(t, () => {});
  const limits = { headTimeout: "400ms", idleTimeout: "400ms", halfCloseTimeout: "50ms" };
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", limits }]);
  const services = {
    web: { target: app.url, responseTimeout: "10s" },
    silent: { target: silent.url.replace("tcp:", "http:"), responseTimeout: "50ms" },
  };
  await startConnector(t, router.link, services);
  await offered(router.node, "web");
  await offered(router.node, "silent");
  const clients: WireClient[] = [];
  for (const path of ["/web/poll", "/web/events"]) {
    const asked = once(app.server, "asked");
    clients.push(new WireClient(t, router.port).send(get(path)));
    await soon("the request", asked);
  }
  // Each of these begins later and ends by the timeout that it stands for.
  for (let round = 0; round < 2; round++) {
    const idle = new WireClient(t, router.port);
    assert.equal((await ask(router.port, { path: "/silent" })).status, 504);
    assert.equal(await soon("the end of an idle connection", idle.ended), "end");
  }
  app.server.emit("go");
  for (const client of clients) assert.equal((await client.response()).body, "late");
});
