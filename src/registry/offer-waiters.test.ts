import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamRequest, type Upstream } from "../base/upstream.ts";
import { OfferWaiters } from "./offer-waiters.ts";
import { Registry, REGISTRY_LIMITS } from "./registry.ts";

function setUp(waitersMax = 100) {
  const registry = new Registry({ random: () => 0, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });
  const waiters = new OfferWaiters(registry, waitersMax);
  const link: Upstream = { node: "a", open: () => undefined };
  const offer = (service: string, health: "up" | "down" = "up"): void => {
    registry.add(link, "team", 0, { service, weight: 1, protocol: "tcp", labels: {}, health });
  };
  const log: string[] = [];
  const wait = (name: string, service: string | undefined, deadline: number) =>
    waiters.wait(service, deadline, {
      ready: () => log.push(`${name} ready`),
      timedOut: () => log.push(`${name} timed out`),
    });
  return { registry, waiters, link, offer, log, wait };
}

test("those who wait for a service are woken in order when it can serve, once", () => {
  const { offer, log, wait, waiters } = setUp();
  wait("first", "web", 5000);
  wait("second", "web", 5000);
  wait("other", "db", 5000);
  offer("web", "down");
  assert.deepEqual(log, []);
  offer("web", "up");
  assert.deepEqual(log, ["first ready", "second ready"]);
  offer("web", "up");
  assert.equal(log.length, 2);
  assert.equal(waiters.size, 1);
});

test("a link that is trusted again wakes those who wait for its services", () => {
  const { registry, link, offer, log, wait } = setUp();
  offer("web");
  registry.setUsable(link, false, "suspect");
  wait("client", "web", 5000);
  registry.setUsable(link, true, "");
  assert.deepEqual(log, ["client ready"]);
});

test("a wait without a service ends at any change", () => {
  const { offer, log, wait } = setUp();
  wait("any", undefined, 5000);
  offer("db", "down");
  assert.deepEqual(log, ["any ready"]);
});

test("a wait ends at its deadline, not before and not much later", () => {
  const { log, wait, waiters } = setUp();
  assert.equal(waiters.nextDeadline(), undefined);
  wait("late", "web", 5000);
  wait("early", "web", 1001);
  const next = waiters.nextDeadline()!;
  assert.ok(next >= 1001 && next <= 1021);
  waiters.tick(next - 1);
  assert.deepEqual(log, []);
  waiters.tick(next);
  assert.deepEqual(log, ["early timed out"]);
  assert.equal(waiters.nextDeadline(), 5000);
  waiters.tick(9000);
  assert.deepEqual(log, ["early timed out", "late timed out"]);
  assert.equal(waiters.nextDeadline(), undefined);
});

test("a cancelled wait is silent, and cancelling again changes nothing", () => {
  const { offer, log, wait, waiters } = setUp();
  const handle = wait("client", "web", 1000)!;
  waiters.cancel(handle);
  waiters.cancel(handle);
  offer("web");
  waiters.tick(2000);
  assert.deepEqual(log, []);
  assert.equal(waiters.size, 0);
});

test("one that is woken may cancel another or wait again", () => {
  const { offer, waiters } = setUp();
  let woken = 0;
  let other: object | undefined;
  const again = (): void => {
    waiters.wait("web", 5000, {
      ready: () => {
        woken++;
        waiters.cancel(other!);
        again();
      },
      timedOut: () => assert.fail("it was not due"),
    });
  };
  again();
  other = waiters.wait("web", 5000, { ready: () => assert.fail("it was cancelled"), timedOut: () => {} });
  offer("web");
  assert.deepEqual([woken, waiters.size], [1, 1]);
});

test("no more wait than the node has room for, and room comes back", () => {
  const { offer, wait, waiters } = setUp(2);
  wait("one", "web", 1000);
  const two = wait("two", "db", 1000)!;
  assert.equal(wait("three", "web", 1000), undefined);
  waiters.cancel(two);
  assert.notEqual(wait("three", "web", 1000), undefined);
  offer("web");
  assert.equal(waiters.size, 0);
});

test("closing ends every wait and hears no more changes", () => {
  const { offer, log, wait, waiters } = setUp();
  wait("client", "web", 1000);
  waiters.close();
  offer("web");
  assert.deepEqual(log, ["client timed out"]);
});

test("when most places are taken, whoever has most of them gets no more, and others do", () => {
  const registry = new Registry({ random: () => 0, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });
  const waiters = new OfferWaiters(registry, 400);
  const waiter = { ready: () => {}, timedOut: () => {} };
  const from = (client: string, service: string): StreamRequest => new StreamRequest(service, "tcp", `${client}:1`);
  const handles: object[] = [];
  const wait = (request: StreamRequest): boolean => {
    const handle = waiters.wait(request.service, 1_000, waiter, request);
    if (handle !== undefined) handles.push(handle);
    return handle !== undefined;
  };
  for (let index = 0; index < 400; index++) wait(from("192.0.2.1", "dead"));
  assert.equal(waiters.size, 300);
  assert.deepEqual(waiters.usedShare(from("192.0.2.1", "dead")), { whose: "the client 192.0.2.1", streams: 300 });
  for (let index = 0; index < 20; index++) assert.ok(wait(from("192.0.2.2", "restarting")));
  for (const handle of handles) waiters.cancel(handle);
  assert.equal(waiters.size, 0);
  assert.ok(wait(from("192.0.2.1", "dead")));
});
