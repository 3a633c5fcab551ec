/** The ids and traces that a request travels under, and what apps are told of its client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { WireClient } from "../support/wire-client.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("with requestId, app and client learn the same id, ours in place of the client's", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    response.setHeader("X-Request-Id", "the app's own");
    response.end(String(request.headers["x-request-id"]));
  });
  const router = await startPair(t, app.url, { requestId: true });
  const agent = keepAliveAgent(t, 1);
  const ids = new Set<string>();
  for (let count = 0; count < 3; count++) {
    const answer = await ask(router.port, { headers: { "X-Request-Id": "forged" }, agent });
    assert.match(answer.text, /^[0-9a-z]{12}-[0-9a-z]+$/);
    assert.equal(answer.headers["x-request-id"], answer.text);
    ids.add(answer.text);
  }
  assert.equal(ids.size, 3);
});

test("a trusted proxy's id is kept, and told with our own answers too", async (t) => {
  const listener = { url: "http://127.0.0.1:0", service: "web", requestId: true, waitForOffer: "0s" } as const;
  const router = await startRouter(t, [{ ...listener, trustedProxies: ["127.0.0.0/8"] }, listener]);
  const headers = { "X-Request-Id": "edge/7", Accept: "text/html" };
  const [kept, replaced] = [await ask(router.ports[0]!, { headers }), await ask(router.ports[1]!, { headers })];
  assert.equal(kept.status, 503);
  assert.equal(kept.headers["x-request-id"], "edge/7");
  assert.match(kept.text, /request edge\/7/);
  assert.match(String(replaced.headers["x-request-id"]), /^[0-9a-z]{12}-1$/);
});

test("without requestId, ids are the business of client and app", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    response.setHeader("X-Request-Id", "from the app");
    response.end(String(request.headers["x-request-id"]));
  });
  const router = await startPair(t, app.url);
  const answer = await ask(router.port, { headers: { "X-Request-Id": "from the client" } });
  assert.deepEqual([answer.text, answer.headers["x-request-id"]], ["from the client", "from the app"]);
});

test("traces of any client pass, unless they are broken", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(String(request.headers["traceparent"])));
  const router = await startPair(t, app.url);
  assert.equal((await ask(router.port)).text, "undefined");
  assert.equal((await ask(router.port, { headers: { traceparent: TRACE } })).text, TRACE);
  assert.equal((await ask(router.port, { headers: { traceparent: "00-broken" } })).text, "undefined");
});

for (const [tracing, restarted] of [
  ["create", false],
  ["restart", true],
] as const) {
  test(`tracing: ${tracing} begins traces${restarted ? ", and a stranger's again" : ", and goes on with valid ones"}`, async (t) => {
    const app = await startHttpApp(t, (request, response) => response.end(String(request.headers["traceparent"])));
    const router = await startPair(t, app.url, { tracing });
    assert.match((await ask(router.port)).text, /^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
    const { text } = await ask(router.port, { headers: { traceparent: TRACE } });
    assert.equal(text !== TRACE, restarted);
    assert.match(text, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]$/);
  });
}

test("apps are told of the client by us alone", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(JSON.stringify(request.headers)));
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send(
    "GET / HTTP/1.1\r\nHost: shop.example:8080\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-Port: 1\r\n" +
      "X-Real-IP: 1.1.1.1\r\nTrue-Client-IP: 1.1.1.1\r\nCF-Connecting-IP: 1.1.1.1\r\nX_Forwarded_For: 1.1.1.1\r\nProxy: x\r\n\r\n",
  );
  const { body } = await client.response();
  const headers = JSON.parse(body) as Record<string, string>;
  assert.ok(!body.includes("1.1.1.1"));
  assert.equal(headers["proxy"], undefined);
  assert.equal(headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(headers["x-forwarded-host"], "shop.example:8080");
  assert.equal(headers["x-forwarded-port"], "8080");
  assert.match(headers["forwarded"] ?? "", /^for="127\.0\.0\.1:\d+";host="shop\.example:8080";proto=http$/);
});

test("gRPC clients find the error in grpc-status", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "0s" }]);
  const answer = await ask(router.port, {
    method: "POST",
    headers: { "Content-Type": "application/grpc+proto" },
    body: "x",
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["grpc-status"], "14");
  assert.match(decodeURIComponent(String(answer.headers["grpc-message"])), /no offer for service "web"/);
  assert.equal(answer.body.length, 0);
});
