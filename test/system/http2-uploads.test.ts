/** Uploads over HTTP/2 that nobody reads for a while, or that are answered early: what the client had credit for is no flood. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startPair, startRouter } from "../support/cluster.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { ask } from "../support/http-client.ts";
import { FRAME, frame, FrameClient, POST_FIELDS } from "../support/http2-frames.ts";
import { until } from "../support/patience.ts";

const STREAM_WINDOW_BYTES = 128 * 1024;
const CREDIT = Buffer.from([0, 0, 0, 1]);

test("many uploads on one connection that have to wait are all answered", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => response.end(String(bytes)));
  });
  const listener = { url: "http://127.0.0.1:0", service: "web", waitForOffer: "15s" };
  const router = await startRouter(t, [listener]);
  const session = http2Session(t, router.port);
  const body = Buffer.alloc(2 * STREAM_WINDOW_BYTES);
  const answers = Array.from({ length: 12 }, () => askHttp2(session, "/", { headers: { ":method": "POST" }, body }));
  await until("what each of them has credit for is here", () => {
    return (router.node.view().listeners[0]?.bytesInTotal ?? 0) >= answers.length * STREAM_WINDOW_BYTES;
  });
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  for (const answer of answers) {
    const { status, text } = await answer;
    assert.deepEqual([status, text], [200, String(body.length)]);
  }
  assert.deepEqual(router.node.view().listeners[0]?.errors, {});
});

for (const [end, answer] of [
  ["answered early", (response) => response.end("no")],
  [
    "broken off by their app",
    (response) => {
      response.write("x");
      setImmediate(() => response.destroy());
    },
  ],
] satisfies [string, (response: ServerResponse) => unknown][]) {
  test(`what was on its way when uploads were ${end} costs the connection nothing`, async (t) => {
    const app = await startHttpApp(t, (_request, response) => answer(response));
    const router = await startPair(t, app.url);
    const client = new FrameClient(t, router.port);
    const data = Buffer.alloc(16 * 1024);
    let bytes = 0;
    for (let stream = 1; stream < 20; stream += 2) {
      client.headers(stream, POST_FIELDS, false);
      await client.rstStream(stream);
      for (let sent = 0; sent < STREAM_WINDOW_BYTES; sent += data.length) {
        client.send(frame(FRAME.data, 0, stream, data));
        bytes += data.length;
      }
      await until("it has been counted", () => (router.node.view().listeners[0]?.bytesInTotal ?? 0) >= bytes);
    }
    assert.equal(client.closed, false);
    assert.equal(router.node.view().listeners[0]?.errors["CLIENT_FLOOD"], undefined);
  });
}

test("what nobody had credit for is a flood, behind an early answer too", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("no"));
  const router = await startPair(t, app.url);
  const client = new FrameClient(t, router.port).headers(1, POST_FIELDS, false);
  assert.equal(await client.rstStream(1), 0);
  const flood = Buffer.concat(Array.from({ length: 4_000 }, () => frame(FRAME.windowUpdate, 0, 0, CREDIT)));
  for (let sent = 0; sent < 2_000_000 && !client.closed; sent += flood.length) client.send(flood);
  await until("the connection is closed", () => client.closed);
  assert.equal(router.node.view().listeners[0]?.errors["CLIENT_FLOOD"], 1);
});

test("uploads that are answered and never read leave no stream on the link", async (t) => {
  const asked: ServerHttp2Stream[] = [];
  const app = createServer().on("stream", (stream: ServerHttp2Stream) => {
    stream.pause();
    stream.on("error", () => {});
    asked.push(stream);
  });
  app.listen(0, "127.0.0.1");
  await once(app, "listening");
  t.after(() => {
    for (const stream of asked) stream.session?.destroy();
    app.close();
  });
  const router = await startPair(t, `h2c://127.0.0.1:${(app.address() as AddressInfo).port}`);
  // More than the app and the link's window take, and less than what waits at the router besides.
  const body = Buffer.alloc(340 * 1024);
  const answers: Promise<{ readonly text: string }>[] = Array.from({ length: 4 }, () =>
    ask(router.port, { method: "POST", body }),
  );
  const session = http2Session(t, router.port);
  for (let each = 0; each < 4; each++) answers.push(askHttp2(session, "/", { headers: { ":method": "POST" }, body }));
  await until("all of it is at the router", () => {
    return (router.node.view().listeners[0]?.bytesInTotal ?? 0) >= answers.length * body.length;
  });
  await until("all are asked", () => asked.length === answers.length);
  for (const stream of asked) {
    stream.respond({ ":status": 200 });
    stream.end("no");
  }
  for (const answer of await Promise.all(answers)) assert.equal(answer.text, "no");
  for (const node of [router.node, router.connector]) {
    await until("no stream is left", () => node.view().links.every(({ streamsOpen }) => streamsOpen === 0));
  }
});
