import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, HEAD } from "../../test/support/scripted-client.ts";
import { SessionWorld } from "../../test/support/scripted-upstream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import { DEFAULT_RETRIES } from "./exchange-policy.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
const BUSY = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n";

const error = (code: ErrorCode): PolarityError => new PolarityError(code, "as the test says");

// ── timeout ──

test("an answer that does not begin in time is a 504 that says who was asked", () => {
  const world = new SessionWorld();
  const slow = world.offer("slow");
  const { client, exchange } = begin(world, { policy: { timeoutMs: 2000 } });
  exchange.requestEnd();
  world.advance(1999);
  assert.deepEqual(client.heard, []);
  world.advance(1);
  assert.deepEqual(client.heard, ["failed ROUTE_TIMEOUT"]);
  assert.equal(client.error?.status, 504);
  assert.match(client.error?.message ?? "", /^node "slow" began no answer within the route's 2000 ms$/);
  assert.equal(slow.stream.resetBy?.code, "ROUTE_TIMEOUT");
  assert.equal(world.outstanding, 0);
});

test("the time covers waiting for an offer, and further offers", () => {
  const world = new SessionWorld();
  const waiting = begin(world, { waitMs: 60_000, policy: { timeoutMs: 2000 } });
  world.advance(2000);
  assert.deepEqual(waiting.client.heard, ["failed ROUTE_TIMEOUT"]);
  assert.match(waiting.client.error?.message ?? "", /^service "web" had no offer within/);
  assert.equal(world.waiters.size, 0);
  const [broken] = [world.offer("broken"), world.offer("slow")];
  const retried = begin(world, { policy: { timeoutMs: 2000 } });
  retried.exchange.requestEnd();
  world.advance(1500);
  broken.stream.breakWith(error("TARGET_UNREACHABLE"));
  world.advance(500);
  assert.deepEqual(retried.client.heard, ["failed ROUTE_TIMEOUT"]);
  assert.equal(world.outstanding, 0);
});

test("an answer that has begun, or a request that is over, has no deadline any more", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const { client, exchange } = begin(world, { policy: { timeoutMs: 2000 } });
  exchange.requestEnd();
  shed.stream.deliver(`${OK}o`);
  assert.equal(world.context.deadlines.size, 0);
  world.advance(5000);
  shed.stream.deliver("k");
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  const second = begin(world, { policy: { timeoutMs: 2000 } });
  second.exchange.abort(error("CLIENT_GONE"));
  assert.equal(world.context.deadlines.size, 0);
});

test("a client that takes long to upload is not the app's delay; an app that takes no body is", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const slow = begin(world, { method: "POST", policy: { timeoutMs: 1000 } });
  for (let part = 0; part < 5; part++) {
    slow.exchange.requestBody(Buffer.from("part"));
    world.advance(900);
  }
  slow.exchange.requestEnd();
  world.advance(999);
  assert.deepEqual(slow.client.heard, []);
  world.advance(1);
  assert.deepEqual(slow.client.heard, ["failed ROUTE_TIMEOUT"]);

  shed.room = false;
  const held = begin(world, { method: "POST", policy: { timeoutMs: 1000 } });
  assert.equal(held.exchange.requestBody(Buffer.from("part")), false);
  world.advance(1000);
  assert.deepEqual(held.client.heard, [], "body moved in this time");
  world.advance(1000);
  assert.deepEqual(held.client.heard, ["failed ROUTE_TIMEOUT"]);
});

// ── stall ──

test("an app that falls silent in the middle of its body is given up, and the answer cut", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const { client, exchange } = begin(world, { policy: { stallTimeoutMs: 1000 } });
  exchange.requestEnd();
  shed.stream.deliver(`${OK}o`);
  for (let tick = 0; tick < 19; tick++) world.advance(50);
  assert.deepEqual(client.heard, ["response 200"]);
  for (let tick = 0; tick < 2; tick++) world.advance(50);
  assert.deepEqual(client.heard, ["response 200", "failed TARGET_STALLED"]);
  assert.equal(shed.stream.resetBy?.code, "TARGET_STALLED");
  assert.equal(world.context.stallWatches.size, 0);
  assert.equal(world.outstanding, 0);
});

test("a byte now and then, and a client that does not read, are no stall", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const { client, exchange } = begin(world, { policy: { stallTimeoutMs: 1000 } });
  exchange.requestEnd();
  shed.stream.deliver("HTTP/1.1 200 OK\r\n\r\n");
  for (let tick = 0; tick < 10; tick++) {
    world.advance(900);
    shed.stream.deliver("x");
  }
  client.room = false;
  shed.stream.deliver("x");
  for (let tick = 0; tick < 10; tick++) world.advance(900);
  assert.deepEqual(client.heard, ["response 200"]);
  client.room = true;
  exchange.responseDrained();
  world.advance(900);
  world.advance(900);
  world.advance(900);
  assert.equal(client.heard.at(-1), "failed TARGET_STALLED");
});

test("bodies that come whole, tunnels, and routes without a limit are not watched", () => {
  const tunnel = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
  const cases = [
    [`${OK}ok`, {}],
    [tunnel, { upgrade: true }],
    [`${OK}o`, { policy: { stallTimeoutMs: 0 } }],
  ] as const;
  for (const [answer, options] of cases) {
    const world = new SessionWorld();
    const shed = world.offer("shed");
    const { exchange } = begin(world, { policy: { stallTimeoutMs: 1000 }, ...options });
    exchange.requestEnd();
    shed.stream.deliver(answer);
    assert.equal(world.context.stallWatches.size, 0);
  }
});

// ── retries ──

test("as many offers are tried as the route says", () => {
  for (const attemptsMax of [1, 2, 3]) {
    const world = new SessionWorld();
    const upstreams = ["a", "b", "c", "d"].map((node) => world.offer(node));
    const { client } = begin(world, { policy: { retries: { ...DEFAULT_RETRIES, attemptsMax } } });
    for (const { stream } of upstreams.slice(0, attemptsMax)) stream.breakWith(error("TARGET_UNREACHABLE"));
    assert.equal(upstreams[attemptsMax]!.streams.length, 0);
    assert.deepEqual(client.heard, ["failed TARGET_UNREACHABLE"]);
  }
});

test("a fleet that fails gets a fifth more requests and not three times as many, and clients the first failure", () => {
  const world = new SessionWorld();
  const [first, second] = [world.offer("first"), world.offer("second")];
  const retries = { ...DEFAULT_RETRIES, floorPerSecond: 1 };
  for (let request = 0; request < 200; request++) {
    const { client, exchange } = begin(world, { policy: { retries } });
    exchange.requestEnd();
    first.stream.breakWith(error("TARGET_UNREACHABLE"));
    if (client.heard.length === 0) second.stream.breakWith(error("TARGET_FAILED"));
    else assert.deepEqual(client.heard, ["failed TARGET_UNREACHABLE"]);
    world.advance(10);
  }
  assert.equal(second.streams.length, 10 + 0.2 * 200);
  const statistics = world.registry.statistics("web")!;
  assert.equal(statistics.retries, 50);
  assert.equal(statistics.retriesDenied, 150);
  assert.equal(world.outstanding, 0);
});

test("moving off a link that drains, or that takes no stream, costs nothing of the budget", () => {
  const world = new SessionWorld();
  const [full, draining, good] = [world.offer("full"), world.offer("draining"), world.offer("good")];
  full.refuses = true;
  const { client, exchange } = begin(world, {
    method: "POST",
    policy: { retries: { ...DEFAULT_RETRIES, share: 0, floorPerSecond: 0 } },
  });
  exchange.requestEnd();
  draining.stream.breakWith(error("LINK_DRAINING"));
  good.stream.deliver(`${OK}ok`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
});

test("without budget a silent node keeps its requests", () => {
  const world = new SessionWorld();
  const [silent, other] = [world.offer("silent"), world.offer("other")];
  const retries = { ...DEFAULT_RETRIES, share: 0, floorPerSecond: 0 };
  const { exchange } = begin(world, { policy: { retries } });
  exchange.requestEnd();
  exchange.upstreamSuspect(silent);
  assert.equal(silent.stream.resetBy, undefined);
  assert.equal(other.streams.length, 0);
});

test("an answer with a status that the route names is replaced by another offer's, the last one is passed on", () => {
  const retries = { ...DEFAULT_RETRIES, statuses: [503] };
  for (const last of [OK, BUSY]) {
    const world = new SessionWorld();
    const [busy, other] = [world.offer("busy"), world.offer("other")];
    const { client, exchange } = begin(world, { policy: { retries } });
    exchange.requestEnd();
    busy.stream.deliver(`${BUSY}no`);
    assert.deepEqual(client.heard, []);
    assert.notEqual(busy.stream.resetBy, undefined);
    assert.equal(other.stream.written, HEAD);
    other.stream.deliver(`${last}ok`);
    assert.deepEqual(client.heard, [`response ${last === OK ? 200 : 503}`, "ended"]);
    assert.equal(client.body, "ok");
    assert.equal(world.outstanding, 0);
    assert.equal(world.registry.statistics("web")?.latency.count, 1);
  }
});

test("an answer is not replaced for a request that may have had effects, without budget, or where none was asked", () => {
  const statuses = [503];
  const cases = [
    { method: "POST", policy: { retries: { ...DEFAULT_RETRIES, statuses } } },
    { policy: { retries: { ...DEFAULT_RETRIES, statuses, share: 0, floorPerSecond: 0 } } },
    { policy: { retries: { ...DEFAULT_RETRIES, statuses: [502] } } },
    { policy: { retries: DEFAULT_RETRIES } },
  ];
  for (const options of cases) {
    const world = new SessionWorld();
    const [busy, other] = [world.offer("busy"), world.offer("other")];
    const { client, exchange } = begin(world, options);
    exchange.requestEnd();
    busy.stream.deliver(`${BUSY}no`);
    assert.deepEqual(client.heard, ["response 503", "ended"]);
    assert.equal(other.streams.length, 0);
  }
});
