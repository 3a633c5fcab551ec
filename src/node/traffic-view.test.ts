import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry, REGISTRY_LIMITS } from "../registry/registry.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { viewListener, viewPeers, viewService } from "./traffic-view.ts";
import type { LinkView } from "./view.ts";

function setUp() {
  const registry = new Registry({ random: () => 0, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });
  const upstream = (node: string) => ({ node, open: () => undefined });
  const offer = (on: ReturnType<typeof upstream>, service: string, identity = "team"): void => {
    const added = registry.add(on, identity, 5, {
      service,
      weight: 2,
      protocol: "http/1.1",
      labels: { zone: "b" },
      health: "up",
    });
    assert.equal(added.kind, "added");
  };
  return { registry, upstream, offer };
}

function link(id: string, node: string, changes: Partial<LinkView> = {}): LinkView {
  return {
    id,
    node,
    instance: "i1",
    identity: "team",
    address: "127.0.0.1:5000",
    transport: "tcp",
    dialled: false,
    state: "up",
    cost: 0,
    roundTripMs: null,
    streamsOpen: 0,
    streamsTotal: 0,
    bytesInTotal: 0,
    bytesOutTotal: 0,
    ...changes,
  };
}

test("a service shows its counters, and each offer with why it cannot be used", () => {
  const { registry, upstream, offer } = setUp();
  const phone = upstream("phone");
  offer(phone, "web");
  registry.setUsable(phone, false, "draining");
  const picked = registry.services()[0]!;
  picked.offers[0]!.begin();
  picked.offers[0]!.begin();
  picked.offers[0]!.finish(true);
  picked.statistics.requests = 2;
  picked.statistics.latency.record(3);
  const view = viewService(picked, () => "link-1", 0);
  assert.deepEqual([view.name, view.owner, view.usable, view.requestsTotal], ["web", "team", false, 2]);
  assert.deepEqual(view.offers, [
    {
      node: "phone",
      link: "link-1",
      relay: false,
      path: [],
      identity: "team",
      protocol: "http/1.1",
      weight: 2,
      cost: 5,
      labels: { zone: "b" },
      health: "up",
      usable: false,
      unusableReason: "draining",
      outstanding: 1,
      requestsTotal: 2,
      failuresTotal: 1,
    },
  ]);
  assert.equal(view.latency.count, 1);
  assert.deepEqual(view.latency.buckets.find((bucket) => bucket.count > 0)?.upToMs, 5);
});

test("a service that nothing offers shows nulls where nothing is known, and survives JSON", () => {
  const { registry } = setUp();
  registry.declare("web");
  const view = viewService(registry.services()[0]!, () => null, 0);
  assert.deepEqual([view.owner, view.latency.p99Ms, view.offers], [null, null, []]);
  assert.deepEqual(JSON.parse(JSON.stringify(view)), view);
});

test("a listener shows what came in at it", () => {
  const statistics = new ListenerStatistics();
  statistics.requests = 3;
  statistics.countStatus(404);
  statistics.countError("NO_ROUTE");
  const view = viewListener({ url: "http://127.0.0.1:1", state: "listening", service: null }, statistics);
  assert.deepEqual([view.requestsTotal, view.statuses["4xx"], view.errors], [3, 1, { NO_ROUTE: 1 }]);
});

test("nodes are made of their links and of what came over them", () => {
  const { registry, upstream, offer } = setUp();
  const phone = upstream("phone");
  for (const service of ["web", "db"]) offer(phone, service);
  offer(upstream("edge"), "local", "local");
  const services = registry
    .services()
    .map((service) => viewService(service, (shown) => (shown.identity === "local" ? null : "link-1"), 0));
  const links = [
    link("link-1", "phone"),
    link("link-2", "phone", { instance: "i2", state: "draining" }),
    link("link-3", "idle"),
  ];
  assert.deepEqual(viewPeers(links, services), [
    { name: "idle", instances: ["i1"], links: 1, linksUp: 1, services: [] },
    { name: "phone", instances: ["i1", "i2"], links: 2, linksUp: 1, services: ["db", "web"] },
  ]);
});
