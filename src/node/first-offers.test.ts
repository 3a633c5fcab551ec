import assert from "node:assert/strict";
import { test } from "node:test";
import type { Upstream } from "../base/upstream.ts";
import type { ConfigInput } from "../config/node-config.ts";
import { Registry, REGISTRY_LIMITS } from "../registry/registry.ts";
import { configOf } from "../../test/support/cluster.ts";
import { FirstOffers } from "./first-offers.ts";

const UNTIL = 10_000;

function setUp(listeners: NonNullable<ConfigInput["listeners"]>) {
  const registry = new Registry({ random: () => 0.5, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });
  const first = new FirstOffers(registry, configOf({ listeners }).listeners, UNTIL);
  const offer = (service: string): Upstream => {
    const upstream: Upstream = { node: "phone0", open: () => undefined };
    registry.add(upstream, "team", 0, { service, weight: 1, protocol: "http/1.1", labels: {}, health: "up" });
    return upstream;
  };
  return { registry, first, offer };
}

test("every service that a listener or a route names is waited for, and a mirror is not", () => {
  const { first, offer } = setUp([
    { url: "tcp://127.0.0.1:0", service: "db" },
    {
      url: "http://127.0.0.1:0",
      mirror: { service: "shadow" },
      routes: [{ path: "/a", service: "a" }, { path: "/old", redirect: "/a" }, { service: "web" }],
    },
  ]);
  assert.deepEqual(first.missing(0), ["db", "a", "web"]);
  for (const service of ["db", "a", "web"]) offer(service);
  assert.deepEqual(first.missing(1), []);
});

test("a listener that names no service waits for any offer, and a node without listeners for none", () => {
  const { first, offer } = setUp([{ url: "http://127.0.0.1:0" }]);
  assert.deepEqual(first.missing(0), ["*"]);
  offer("whatever");
  assert.deepEqual(first.missing(0), []);
  assert.deepEqual(setUp([]).first.missing(0), []);
});

test("waiting ends when time is up", () => {
  const { first } = setUp([{ url: "tcp://127.0.0.1:0", service: "db" }]);
  assert.deepEqual(first.missing(UNTIL - 1), ["db"]);
  assert.deepEqual(first.missing(UNTIL), []);
});

test("once over, waiting does not begin again when a service goes away", () => {
  const { first, offer, registry } = setUp([{ url: "tcp://127.0.0.1:0", service: "db" }]);
  const upstream = offer("db");
  assert.deepEqual(first.missing(0), []);
  registry.removeUpstream(upstream);
  assert.deepEqual(first.missing(1), []);
});
