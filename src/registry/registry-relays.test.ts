/** Offers that nobody made: routers that may find somebody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Upstream } from "../base/upstream.ts";
import type { Announcement } from "./announcement.ts";
import { Registry, REGISTRY_LIMITS } from "./registry.ts";

const RELAY_COST = 1_000_001;

const upstream = (node: string): Upstream => ({ node, open: () => undefined });
const db: Announcement = { service: "db", weight: 1, protocol: "tcp", labels: {}, health: "up" };

function setUp() {
  const registry = new Registry({ random: () => 0.5, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });
  const picked = (node?: string, directOnly = false): string => {
    const found = registry.pick("db", "tcp", undefined, node, directOnly);
    return found.kind === "picked" ? found.offer.upstream.node : `${found.reason}: ${found.detail}`;
  };
  return { registry, picked };
}

test("a relay serves only while nobody offers the service", () => {
  const { registry, picked } = setUp();
  const connector = upstream("phone0");
  registry.addRelay(upstream("edge"), "anonymous", RELAY_COST, db);
  assert.equal(picked(), "edge");
  registry.add(connector, "anonymous", 1_000_000, db);
  assert.equal(picked(), "phone0");
  registry.setUsable(connector, false, "suspect");
  assert.equal(picked(), "edge");
});

test("a relay may find any node, an offer is its own node's", () => {
  const { registry, picked } = setUp();
  registry.addRelay(upstream("edge"), "anonymous", RELAY_COST, db);
  registry.add(upstream("phone0"), "anonymous", 0, db);
  assert.equal(picked("phone0"), "phone0");
  assert.equal(picked("phone1"), "edge");
});

test("what came through a relay goes to no other", () => {
  const { registry, picked } = setUp();
  registry.addRelay(upstream("edge"), "anonymous", RELAY_COST, db);
  assert.equal(picked(undefined, true), "empty: no connector offers it");
  assert.equal(picked("phone0", true), 'empty: node "phone0" does not offer it');
  registry.add(upstream("phone0"), "anonymous", 0, db);
  assert.equal(picked(undefined, true), "phone0");
  assert.equal(picked("phone0", true), "phone0");
});

test("relays claim no name, and yield it to the first who does", () => {
  const { registry, picked } = setUp();
  const [edge, other, connector] = [upstream("edge"), upstream("other"), upstream("phone0")];
  assert.equal(registry.addRelay(edge, "CN=edge", RELAY_COST, db).kind, "added");
  assert.equal(registry.addRelay(other, "CN=other", RELAY_COST, db).kind, "added");
  assert.equal(registry.add(connector, "phones", 0, db).kind, "added");
  registry.withdraw(connector, "db");
  assert.equal(picked(), "empty: no connector offers it", "the name is the phones', even while they are away");
  const refused = registry.addRelay(edge, "CN=edge", RELAY_COST, db);
  assert.equal(refused.kind === "refused" && refused.error.code, "NAME_TAKEN");
});

test("a relay stays when the router itself comes to offer the service", () => {
  const { registry, picked } = setUp();
  const link = upstream("edge");
  registry.addRelay(upstream("edge"), "edge", RELAY_COST, db);
  registry.add(link, "edge", 0, db);
  assert.equal(picked("phone0"), "edge");
  registry.withdraw(link, "db");
  assert.equal(picked(), "edge");
});
