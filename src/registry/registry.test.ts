import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { StreamProtocol, Upstream } from "../base/upstream.ts";
import type { Announcement } from "./announcement.ts";
import type { Offer } from "./offer.ts";
import { Registry, REGISTRY_LIMITS } from "./registry.ts";
import type { RegistryLimits } from "./registry.ts";

const HOUR_MS = 60 * 60 * 1000;

function upstream(node: string): Upstream {
  return { node, open: () => undefined };
}

function announcement(service: string, changes: Partial<Announcement> = {}): Announcement {
  return { service, weight: 1, protocol: "http/1.1", labels: {}, health: "up", ...changes };
}

function setUp(limits: Partial<RegistryLimits> = {}) {
  const clock = { time: 0, now: () => clock.time };
  const registry = new Registry({ random: () => 0.5, clock, limits: { ...REGISTRY_LIMITS, ...limits } });
  const add = (
    on: Upstream,
    service: string,
    changes: Partial<Announcement> = {},
    cost = 0,
    identity = "team",
  ): Offer => {
    const added = registry.add(on, identity, cost, announcement(service, changes));
    assert.ok(added.kind === "added");
    return added.offer;
  };
  return { registry, clock, add };
}

/** What a pick came to, in one line. */
function outcome(registry: Registry, service: string, excluded?: readonly Offer[], node?: string): string {
  const picked = registry.pick(service, "http/1.1", excluded, node);
  return picked.kind === "picked" ? picked.offer.upstream.node : `${picked.reason}: ${picked.detail}`;
}

test("an unknown service is told from a known one that nothing offers", () => {
  const { registry, add } = setUp();
  assert.equal(outcome(registry, "web"), "unknown: no connector has offered it");
  registry.declare("web");
  assert.equal(outcome(registry, "web"), "empty: no connector offers it");
  const link = upstream("a");
  add(link, "other");
  registry.withdraw(link, "other");
  assert.equal(outcome(registry, "other"), "empty: no connector offers it");
});

test("links that cannot be used are said with the reason, each", () => {
  const { registry, add } = setUp();
  const [a, b, c] = [upstream("a"), upstream("b"), upstream("c")];
  add(a, "web");
  registry.setUsable(a, false, "draining");
  assert.equal(outcome(registry, "web"), "unusable: 1 connector, draining");
  add(b, "web");
  registry.setUsable(b, false, "draining");
  assert.equal(outcome(registry, "web"), "unusable: 2 connectors, both draining");
  const down = add(c, "web", { health: "down" });
  assert.equal(outcome(registry, "web"), "unusable: 3 connectors: 2 draining, 1 down");
  registry.setUsable(c, false, "draining");
  assert.equal(outcome(registry, "web"), "unusable: 3 connectors, all draining");
  registry.setUsable(c, true, "");
  registry.setHealth(down, true);
  assert.equal(outcome(registry, "web"), "c");
  assert.equal(outcome(registry, "web", [down]), "exhausted: 3 connectors: 2 draining, 1 tried");
});

test("only offers of the same protocol serve, and the reason names the others", () => {
  const { registry, add } = setUp();
  add(upstream("a"), "web", { protocol: "tcp" });
  add(upstream("b"), "web", { protocol: "udp" });
  assert.equal(
    outcome(registry, "web"),
    'unusable: offered as tcp by node "a", and as udp by node "b", not as http/1.1',
  );
  assert.equal(registry.pick("web", "tcp", undefined).kind, "picked");
  for (const name of ["a", "b", "c", "d", "e"]) add(upstream(name), "dns", { protocol: "udp" });
  assert.equal(
    outcome(registry, "dns"),
    'unusable: offered as udp by nodes "a" and "b" and "c" and 2 more, not as http/1.1',
  );
});

test("a node that is asked for gets the stream, or nobody does", () => {
  const { registry, add } = setUp();
  const phone = upstream("phone");
  const offer = add(phone, "web", {}, 9);
  add(upstream("laptop"), "web");
  assert.equal(outcome(registry, "web", undefined, "phone"), "phone");
  assert.equal(outcome(registry, "web", [offer], "phone"), "exhausted: 1 connector, tried");
  assert.equal(outcome(registry, "web", undefined, "watch"), 'empty: node "watch" does not offer it');
  assert.equal(registry.knows("web", "watch"), false);
  registry.removeUpstream(phone);
  assert.equal(registry.knows("web", "phone"), true);
  assert.equal(outcome(registry, "web", undefined, "phone"), 'empty: node "phone" does not offer it');
});

test("a dearer link serves only while no cheaper one can", () => {
  const { registry, add } = setUp();
  const [near, far] = [upstream("near"), upstream("far")];
  const nearOffer = add(near, "web", {}, 1);
  add(far, "web", {}, 10);
  for (let streams = 0; streams < 50; streams++) nearOffer.begin();
  assert.equal(outcome(registry, "web"), "near");
  assert.equal(outcome(registry, "web", [nearOffer]), "far");
  registry.setUsable(near, false, "suspect");
  assert.equal(outcome(registry, "web"), "far");
  registry.setUsable(near, true, "");
  assert.equal(outcome(registry, "web"), "near");
});

test("picking makes nothing new: the answer is the offer's own", () => {
  const { registry, add } = setUp();
  const offer = add(upstream("a"), "web");
  assert.equal(registry.pick("web", "http/1.1", undefined), offer.picked);
  assert.equal(registry.pick("web", "http/1.1", [], "a"), offer.picked);
});

test("an offer that is announced again changes in place", () => {
  const { registry, add } = setUp();
  const link = upstream("a");
  const offer = add(link, "web", { weight: 1 });
  offer.begin();
  assert.equal(add(link, "web", { weight: 7, labels: { zone: "b" }, health: "down" }), offer);
  assert.deepEqual([offer.weight, offer.labels, offer.outstanding], [7, { zone: "b" }, 1]);
  assert.equal(outcome(registry, "web"), "unusable: 1 connector, down");
  assert.equal(registry.services()[0]?.offers.length, 1);
});

test("a name belongs to the identity that offered it first, even while it is away", () => {
  const { registry, clock, add } = setUp();
  const link = upstream("a");
  add(link, "web", {}, 0, "team");
  registry.removeUpstream(link);
  clock.time += 3 * HOUR_MS;
  assert.equal(registry.knows("web"), false);
  const refused = registry.add(upstream("b"), "rogue", 0, announcement("web"));
  assert.ok(refused.kind === "refused");
  assert.equal(refused.error.code, "NAME_TAKEN");
  assert.equal(refused.error.message, 'service "web" belongs to another identity than "rogue"');
  add(upstream("c"), "web", {}, 0, "team");
  assert.equal(outcome(registry, "web"), "c");
});

test("one link makes no more offers than it may", () => {
  const { registry, add } = setUp({ offersPerUpstreamMax: 2 });
  const link = upstream("a");
  add(link, "one");
  add(link, "two");
  const refused = registry.add(link, "team", 0, announcement("three"));
  assert.equal(refused.kind === "refused" && refused.error.code, "LINK_LIMIT");
  add(link, "two", { weight: 3 });
  registry.withdraw(link, "one");
  add(link, "three");
});

test("announcements that no peer may make are refused with what is wrong", () => {
  const { registry } = setUp();
  const refusal = (changes: Partial<Announcement>): string => {
    const added = registry.add(upstream("a"), "team", 0, announcement("web", changes));
    return added.kind === "refused" ? `${added.error.code}: ${added.error.message}` : "added";
  };
  assert.equal(refusal({ weight: 0 }), 'LINK_PROTOCOL: service "web" has weight 0, not 1 to 1000');
  assert.equal(refusal({ weight: Number.NaN }), 'LINK_PROTOCOL: service "web" has weight NaN, not 1 to 1000');
  assert.equal(refusal({ service: "" }), "LINK_PROTOCOL: the service's name is missing");
  assert.match(refusal({ service: "a\nb" }), /^LINK_PROTOCOL: .* no blanks or control characters \(got "a\\nb"\)$/);
  assert.match(refusal({ service: "x".repeat(254) }), /^LINK_PROTOCOL: .* at most 253 bytes \(got 254\)$/);
  assert.match(refusal({ labels: { zone: "x".repeat(1024) } }), /^LINK_LIMIT: the labels of service "web" are longer/);
  assert.match(refusal({ protocol: "smtp" as StreamProtocol }), /^LINK_PROTOCOL: .* unknown protocol "smtp"$/);
  assert.equal(registry.services().length, 0);
});

test("a name is forgotten two hours after its last offer went, unless it is configured", () => {
  const { registry, clock, add } = setUp();
  const link = upstream("a");
  registry.declare("configured");
  for (const service of ["configured", "passing"]) add(link, service);
  registry.removeUpstream(link);
  clock.time += 2 * HOUR_MS - 1;
  assert.equal(registry.knows("passing"), true);
  clock.time += 1;
  assert.equal(registry.knows("passing"), false);
  assert.equal(outcome(registry, "passing"), "unknown: no connector has offered it");
  assert.deepEqual(
    registry.services().map((service) => service.name),
    ["configured"],
  );
  registry.undeclare("configured");
  assert.equal(registry.knows("configured"), false);
});

test("an offer that comes back in time keeps the service's statistics", () => {
  const { registry, clock, add } = setUp();
  const link = upstream("a");
  add(link, "web").statistics.requests++;
  registry.removeUpstream(link);
  clock.time += HOUR_MS;
  assert.equal(add(upstream("a"), "web").statistics.requests, 1);
  clock.time += HOUR_MS;
  assert.equal(registry.statistics("web")?.requests, 1);
});

test("watchers hear of each service that a change touches, after the change", () => {
  const { registry, add } = setUp();
  const heard: string[] = [];
  const stop = registry.watch((service) => heard.push(`${service} ${registry.usable(service)}`));
  const link = upstream("a");
  const offer = add(link, "web");
  add(link, "db");
  registry.setUsable(link, false, "suspect");
  registry.setUsable(link, false, "draining");
  registry.setUsable(link, true, "");
  registry.setHealth(offer, false);
  registry.setHealth(offer, false);
  registry.removeUpstream(link);
  registry.removeUpstream(link);
  registry.withdraw(link, "web");
  assert.deepEqual(heard, [
    "web true",
    "db true",
    "web false",
    "db false",
    "web true",
    "db true",
    "web false",
    "web false",
    "db false",
  ]);
  stop();
  add(link, "web");
  assert.equal(heard.length, 9);
});

test("a link that is unusable before its first offer stays so", () => {
  const { registry, add } = setUp();
  const link = upstream("a");
  registry.setUsable(link, false, "draining");
  add(link, "web");
  assert.equal(outcome(registry, "web"), "unusable: 1 connector, draining");
});

test("a session that still holds an offer of a link that went sees that it is gone", () => {
  const { registry, add } = setUp();
  const link = upstream("a");
  const offer = add(link, "web");
  registry.removeUpstream(link);
  assert.deepEqual([offer.usable, offer.unusableReason], [false, "gone"]);
});

test("after any operations, picks agree with a plain list of offers", () => {
  const NODES = ["a", "b", "c", "d"];
  const SERVICES = ["web", "db", "bus"];
  const PROTOCOLS: StreamProtocol[] = ["tcp", "http/1.1"];
  const node = fc.nat(NODES.length - 1);
  const service = fc.constantFrom(...SERVICES);
  const operation = fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      node,
      service,
      protocol: fc.constantFrom(...PROTOCOLS),
      health: fc.constantFrom("up" as const, "down" as const),
      weight: fc.integer({ min: 1, max: 5 }),
    }),
    fc.record({ kind: fc.constant("withdraw" as const), node, service }),
    fc.record({ kind: fc.constant("removeUpstream" as const), node }),
    fc.record({ kind: fc.constant("setUsable" as const), node, usable: fc.boolean() }),
    fc.record({ kind: fc.constant("setHealth" as const), node, service, up: fc.boolean() }),
  );

  interface ModelOffer {
    readonly upstream: Upstream;
    readonly service: string;
    protocol: StreamProtocol;
    up: boolean;
    readonly offer: Offer;
  }

  const check = (registry: Registry, model: readonly ModelOffer[], unusable: ReadonlySet<Upstream>): void => {
    for (const service of SERVICES) {
      for (const protocol of PROTOCOLS) {
        for (const node of [undefined, ...NODES]) {
          const able = model.filter(
            (entry) =>
              entry.service === service &&
              entry.protocol === protocol &&
              entry.up &&
              !unusable.has(entry.upstream) &&
              (node === undefined || entry.upstream.node === node),
          );
          // Each pick is excluded from the next: all that can serve come, cheapest first, and nothing else.
          const seen: Offer[] = [];
          for (;;) {
            const picked = registry.pick(service, protocol, seen, node);
            if (picked.kind === "none") {
              assert.equal(picked.reason === "exhausted", able.length > 0);
              break;
            }
            assert.ok(!seen.includes(picked.offer));
            seen.push(picked.offer);
          }
          assert.deepEqual(new Set(seen), new Set(able.map((entry) => entry.offer)));
          assert.deepEqual(
            seen.map((offer) => offer.cost),
            seen.map((offer) => offer.cost).sort((left, right) => left - right),
          );
        }
      }
      assert.equal(
        registry.usable(service),
        model.some((entry) => entry.service === service && entry.up && !unusable.has(entry.upstream)),
      );
    }
  };

  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const { registry, add } = setUp();
      // A link that was removed is never used again; its node comes back with a fresh one.
      const links = NODES.map(upstream);
      const unusable = new Set<Upstream>();
      let model: ModelOffer[] = [];
      for (const step of operations) {
        const link = links[step.node]!;
        const known =
          "service" in step ? model.find((e) => e.upstream === link && e.service === step.service) : undefined;
        switch (step.kind) {
          case "add": {
            const { protocol, health, weight } = step;
            const offer = add(link, step.service, { protocol, health, weight }, step.node % 2);
            model = model.filter((entry) => entry !== known);
            model.push({ upstream: link, service: step.service, protocol, up: health === "up", offer });
            break;
          }
          case "withdraw":
            registry.withdraw(link, step.service);
            model = model.filter((entry) => entry !== known);
            break;
          case "removeUpstream":
            registry.removeUpstream(link);
            model = model.filter((entry) => entry.upstream !== link);
            links[step.node] = upstream(link.node);
            break;
          case "setUsable":
            registry.setUsable(link, step.usable, "suspect");
            if (step.usable) unusable.delete(link);
            else unusable.add(link);
            break;
          case "setHealth":
            if (known === undefined) break;
            registry.setHealth(known.offer, step.up);
            known.up = step.up;
            break;
        }
        check(registry, model, unusable);
      }
    }),
    { numRuns: 60 },
  );
});

test("a service is found by its path alone for as long as nobody offers it otherwise", () => {
  const { registry, clock, add } = setUp();
  const [connector, link] = [upstream("a"), upstream("b")];
  assert.equal(registry.anyByPath, false);
  add(connector, "web", { byPath: true });
  assert.deepEqual([registry.anyByPath, registry.isByPath("web"), registry.isByPath("api")], [true, true, false]);
  registry.withdraw(connector, "web");
  assert.equal(registry.isByPath("web"), true, "it may come back");
  add(link, "web");
  add(connector, "web", { byPath: true });
  assert.equal(registry.isByPath("web"), false, "its name is known to links");
  add(connector, "api", { byPath: true });
  registry.removeUpstream(connector);
  clock.time += 2 * HOUR_MS;
  registry.services();
  assert.equal(registry.anyByPath, false, "it is forgotten with the service");
});
