/** What peers may fill the registry with: offers, words and names, each charged to whoever brought them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Upstream } from "../base/upstream.ts";
import type { Announcement } from "./announcement.ts";
import { Registry, REGISTRY_LIMITS, type RegistryLimits } from "./registry.ts";

function upstream(node: string, payer: string): Upstream {
  return { node, payer, open: () => undefined };
}

function announcement(service: string, changes: Partial<Announcement> = {}): Announcement {
  return { service, weight: 1, protocol: "http/1.1", labels: {}, health: "up", ...changes };
}

function setUp(limits: Partial<RegistryLimits>) {
  const clock = { time: 0, now: () => clock.time };
  return { clock, registry: new Registry({ random: () => 0.5, clock, limits: { ...REGISTRY_LIMITS, ...limits } }) };
}

test("an endless stream of new names stops at the limit of claims", () => {
  const { registry } = setUp({ claimsPerPayerMax: 10 });
  const link = upstream("a", "team");
  const results = Array.from({ length: 12 }, (_, index) => {
    const added = registry.add(link, "team", 0, announcement(`name-${index}`));
    registry.withdraw(link, `name-${index}`);
    return added.kind === "added" ? "added" : added.error.code;
  });
  assert.deepEqual(results, [...Array.from({ length: 10 }, () => "added"), "LINK_LIMIT", "LINK_LIMIT"]);
  assert.equal(registry.services().length, 10);
  assert.equal(registry.add(link, "team", 0, announcement("name-3")).kind, "added");
  assert.equal(registry.add(upstream("b", "others"), "others", 0, announcement("fresh")).kind, "added");
});

test("the offers of one payer are bounded together, over all of its links and by their words", () => {
  const { registry } = setUp({ offerBytesPerPayerMax: 20_000 });
  const links = ["a", "b", "c"].map((node) => upstream(node, "team"));
  const words = { word: "x".repeat(1_000) };
  const codes = links.flatMap((link, at) =>
    [0, 1, 2, 3].map((number) => {
      const added = registry.add(link, "team", 0, announcement(`s-${at}-${number}`, { labels: words }));
      return added.kind === "added" ? "added" : added.error.code;
    }),
  );
  const room = codes.filter((code) => code === "added").length;
  assert.ok(room >= 4 && room < codes.length, codes.join());
  assert.deepEqual(new Set(codes.slice(room)), new Set(["LINK_LIMIT"]));
  const refused = registry.add(links[2]!, "team", 0, announcement("more", { labels: words }));
  assert.ok(refused.kind === "refused");
  assert.match(refused.error.message, /20000 bytes that all offers of team may take/);
  const others = registry.add(upstream("d", "others"), "others", 0, announcement("theirs", { labels: words }));
  assert.equal(others.kind, "added", "who pays for itself has its own");
  registry.removeUpstream(links[0]!);
  assert.equal(registry.add(links[2]!, "team", 0, announcement("more", { labels: words })).kind, "added");
});

test("words that an offer gets later are counted too, and what was refused leaves the old ones in force", () => {
  const { registry } = setUp({ offerBytesPerPayerMax: 4_000 });
  const link = upstream("a", "team");
  assert.equal(registry.add(link, "team", 0, announcement("one", { labels: { is: "old" } })).kind, "added");
  assert.equal(registry.add(link, "team", 0, announcement("two")).kind, "added");
  const grown = registry.add(link, "team", 0, announcement("one", { labels: { is: "x".repeat(1_000) } }));
  assert.equal(grown.kind === "refused" && grown.error.code, "LINK_LIMIT");
  assert.deepEqual(registry.offersOf("one")[0]!.labels, { is: "old" });
  for (let turn = 0; turn < 50; turn++) {
    registry.withdraw(link, "two");
    assert.equal(registry.add(link, "team", 0, announcement("two")).kind, "added", "what was given back can be taken");
  }
});

test("offers that lead on are charged to the peer that passes them on, with their paths", () => {
  const { registry } = setUp({ offerBytesPerPayerMax: 10_000 });
  const path = ["router", "middle".repeat(40), "origin"].map((node) => ({ node, instance: node }));
  const codes = Array.from({ length: 20 }, (_, at) => {
    const added = registry.add(upstream(`n-${at}`, "router"), "router", 0, announcement(`s-${at}`), path);
    return added.kind === "added" ? "added" : added.error.code;
  });
  assert.ok(codes.includes("LINK_LIMIT") && codes.indexOf("LINK_LIMIT") < 8, codes.join());
});

test("names out of use are remembered up to a bound, and whoever has most of them loses its oldest", () => {
  const { registry, clock } = setUp({ claimsPerPayerMax: 1_000_000 });
  const modest = upstream("modest", "modest");
  registry.add(modest, "modest", 0, announcement("mine"));
  registry.withdraw(modest, "mine");
  const path = ["greedy", "origin"].map((node) => ({ node, instance: node }));
  const greedy = upstream("greedy", "greedy");
  for (let at = 0; at < 10_050; at++) {
    clock.time++;
    registry.add(greedy, "greedy", 0, announcement(`junk-${at}`), path);
    registry.withdraw(greedy, `junk-${at}`);
  }
  assert.equal(registry.knows("mine"), true);
  assert.equal(registry.knows("junk-0"), false);
  assert.equal(registry.knows("junk-10049"), true);
  assert.equal(registry.services().length, 10_000);
});

test("however many greedy payers there are, whoever wants little finds names and room for its offers", () => {
  const { registry } = setUp({ claimsPerPayerMax: 1_000, offerBytesPerPayerMax: 1024 * 1024 });
  const words = { word: "x".repeat(1_000) };
  const refused = new Set<string>();
  for (let who = 0; who < 13; who++) {
    const greedy = upstream(`greedy-${who}`, `greedy ${who}`);
    for (let at = 0; at < 1_100; at++) {
      const name = `junk-${who}-${at}`;
      const added = registry.add(greedy, `greedy ${who}`, 0, announcement(name, at < 500 ? { labels: words } : {}));
      if (added.kind === "refused") refused.add(added.error.message.replaceAll(/\d+/g, "N"));
      // What it does not keep on offer it has claimed all the same.
      else if (at >= 500) registry.withdraw(greedy, name);
    }
  }
  assert.equal(refused.size > 0, true);
  const modest = upstream("modest", "modest");
  for (const name of ["web", "api"]) assert.equal(registry.add(modest, "modest", 0, announcement(name)).kind, "added");
});
