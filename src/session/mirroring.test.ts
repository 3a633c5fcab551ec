import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "../../test/support/scripted-client.ts";
import { ScriptedUpstream, SessionWorld } from "../../test/support/scripted-upstream.ts";
import { PolarityError } from "../base/errors.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
const mirror = { service: "shadow", percent: 100, bodyBytesMax: 1000 };

function setUp(options: Parameters<typeof begin>[1] = {}) {
  const world = new SessionWorld();
  const web = world.offer("web-node");
  const shadow = new ScriptedUpstream("shadow-node");
  const announcement = { service: "shadow", weight: 1, protocol: "http/1.1", labels: {}, health: "up" } as const;
  world.registry.add(shadow, "anonymous", 0, announcement);
  const { client, exchange } = begin(world, { policy: { mirror }, ...options });
  return { world, web, shadow, client, exchange, statistics: world.registry.statistics("web")! };
}

test("another service gets the same with a mark, and its answer is dropped", () => {
  const { world, web, shadow, client, exchange, statistics } = setUp({ method: "POST" });
  exchange.requestBody(Buffer.from("body"));
  exchange.requestEnd();
  assert.match(shadow.stream.written, /X-Polarity-Mirror: 1\r\n/);
  assert.equal(shadow.stream.written.replace("X-Polarity-Mirror: 1\r\n", ""), web.stream.written);
  assert.ok(shadow.stream.ended);
  shadow.stream.deliver(`HTTP/1.1 500 Broken\r\nContent-Length: 3\r\n\r\nbad`);
  assert.equal(shadow.stream.owedBytes, 0);
  assert.deepEqual(client.heard, []);
  web.stream.deliver(`${OK}ok`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  assert.equal(statistics.mirrors, 1);
  assert.equal(statistics.mirrorsDropped, 0);
  assert.equal(statistics.requests, 1);
  assert.equal(world.outstanding, 0);
  assert.equal(world.context.copies.size, 0);
  assert.equal(world.context.deadlines.size, 0);
});

test("a copy that hangs, breaks or takes nothing never holds the client back", () => {
  const { world, web, shadow, client, exchange } = setUp({ method: "POST" });
  shadow.stream.room = false;
  assert.equal(exchange.requestBody(Buffer.from("body")), true);
  exchange.requestEnd();
  web.stream.deliver(`${OK}ok`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  shadow.stream.breakWith(new PolarityError("LINK_LOST", "as the test says"));
  assert.equal(world.context.copies.size, 0);
  assert.equal(world.outstanding, 0);
});

test("a request that is over before all of it came takes its copy with it", () => {
  for (const how of ["answered", "failed", "aborted"] as const) {
    const { world, web, shadow, exchange, statistics } = setUp({ method: "POST" });
    exchange.requestBody(Buffer.from("the first part"));
    if (how === "answered") web.stream.deliver(`${OK}ok`);
    else if (how === "failed") web.stream.breakWith(new PolarityError("TARGET_FAILED", "as the test says"));
    else exchange.abort(new PolarityError("CLIENT_GONE", "as the test says"));
    assert.equal(shadow.stream.resetBy?.code === undefined, false, how);
    assert.equal(statistics.mirrorsDropped, 1, how);
    assert.equal(world.context.copies.size, 0, how);
    assert.equal(world.context.deadlines.size, 0, how);
    assert.equal(world.outstanding, 0, how);
  }
});

test("a service that nobody offers gets no copy, and the request does not wait for it", () => {
  const world = new SessionWorld();
  const web = world.offer("web-node");
  const { client, exchange } = begin(world, { waitMs: 5000, policy: { mirror } });
  exchange.requestEnd();
  assert.equal(world.waiters.size, 0);
  web.stream.deliver(`${OK}ok`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
});

test("a longer body than the route's bound breaks the copy off, and only that", () => {
  const { world, web, shadow, client, exchange, statistics } = setUp({ method: "POST" });
  exchange.requestBody(Buffer.alloc(1000, "b"));
  assert.equal(shadow.stream.over, false);
  exchange.requestBody(Buffer.from("more"));
  assert.equal(shadow.stream.resetBy?.code, "CLIENT_GONE");
  assert.equal(statistics.mirrorsDropped, 1);
  exchange.requestEnd();
  assert.match(web.stream.written, /bmore$/);
  web.stream.deliver(`${OK}ok`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  assert.equal(world.context.copies.size, 0);
});

test("a copy has a minute for its answer", () => {
  const { world, web, shadow, exchange, statistics } = setUp({ method: "POST" });
  exchange.requestBody(Buffer.from("all"));
  exchange.requestEnd();
  web.stream.deliver(`${OK}ok`);
  world.advance(59_999);
  assert.equal(shadow.stream.over, false);
  world.advance(1);
  assert.equal(shadow.stream.resetBy?.code, "CLIENT_GONE");
  assert.equal(statistics.mirrorsDropped, 1);
  assert.equal(world.outstanding, 0);
});

test("a client that leaves in the middle of its body takes the copy along, one that has sent all does not", () => {
  for (const whole of [false, true]) {
    const { world, shadow, exchange } = setUp({ method: "POST" });
    exchange.requestBody(Buffer.from("part"));
    if (whole) exchange.requestEnd();
    exchange.abort(new PolarityError("CLIENT_GONE", "as the test says"));
    assert.equal(shadow.stream.resetBy?.code, whole ? undefined : "CLIENT_GONE");
    assert.equal(world.context.copies.size, whole ? 1 : 0);
  }
});

test("as many of a hundred are copied as the route says, and no change of protocols", () => {
  const cases = [
    { policy: { mirror: { ...mirror, percent: 50 } }, copied: 1 },
    { policy: { mirror: { ...mirror, percent: 0 } }, copied: 0 },
    { policy: { mirror }, upgrade: true, copied: 0 },
  ];
  for (const { copied, ...options } of cases) assert.equal(setUp(options).shadow.streams.length, copied);
});
