/** What a request leaves behind must not hold up the next one on the same connection, whichever way the first one ended. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { NO_SINK } from "../../src/base/byte-stream.ts";
import { internalErrorCounts } from "../../src/base/internal-error.ts";
import { SHARED_READ } from "../../src/socket/shared-read.ts";
import { SocketStream } from "../../src/socket/socket-stream.ts";
import { startRawApp, startWireApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { expectFailures } from "../support/expected-failures.ts";
import { until } from "../support/patience.ts";
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

test("a connection that is handed on with credit owed is paid, and that it was owed is reported", async (t) => {
  expectFailures(t);
  const app = await startRawApp(t, (socket) => socket.write(Buffer.alloc(200_000)));
  const socket = connect({ host: "127.0.0.1", port: app.port, onread: SHARED_READ });
  t.after(() => socket.destroy());
  const stream = new SocketStream(socket, { code: "TARGET_FAILED", who: "the app" }, NO_SINK);
  await once(socket, "connect");
  // Whoever uses it pays for nothing, so that it stops.
  await until("a pause", () => socket.isPaused());
  const before = stream.bytesIn;
  assert.ok(before < 200_000);
  stream.handOver();
  assert.deepEqual(internalErrorCounts(), { stream: 1 });
  stream.sink = { ...NO_SINK, data: (chunk) => stream.consumed(chunk.length) };
  await until("the rest", () => stream.bytesIn === 200_000);
  stream.handOver();
  assert.deepEqual(internalErrorCounts(), { stream: 1 });
});
