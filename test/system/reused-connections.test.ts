/** What a request leaves behind must not hold up the next one on the same connection, whichever way the first one ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startWireApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { WireClient } from "../support/wire-client.ts";

const BODY = "x".repeat(60_000);
const POST = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

test("a client goes on asking on its connection after uploads that nobody took", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "50ms" }]);
  const client = new WireClient(t, router.port);
  for (let turn = 0; turn < 5; turn++) {
    client.send(POST);
    assert.equal((await client.response()).status, 503, `upload ${turn}`);
  }
  const app = await startWireApp(t, (_head, socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await client.response()).body, "ok");
});
