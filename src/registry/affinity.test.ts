import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "../../test/support/scripted-client.ts";
import { SessionWorld } from "../../test/support/scripted-upstream.ts";
import { type Affinity, affinityText as textOf, keyAffinity, parseAffinity } from "./affinity.ts";

/** What a client of `service` keeps that `node` serves. */
function affinityText(service: string, node: string): string {
  const world = new SessionWorld();
  world.offer(node);
  const [offer] = world.registry.services().flatMap(({ offers }) => offers);
  return textOf({ service, nodeId: service === "web" ? offer!.nodeId : "0".repeat(16) });
}

function servedBy(world: SessionWorld, affinity: Affinity): string {
  const { exchange } = begin(world, { affinity });
  return exchange.offer?.upstream.node ?? "";
}

test("a client that names a node gets it as long as that offers the service, and then another", () => {
  const world = new SessionWorld();
  const [, second] = [world.offer("first"), world.offer("second"), world.offer("third")];
  const affinity = parseAffinity(affinityText("web", "second"));
  assert.equal(servedBy(world, affinity), "second");
  world.registry.setUsable(second, false, "suspect");
  assert.equal(servedBy(world, affinity), "first");
  world.registry.setUsable(second, true, "");
  assert.equal(servedBy(world, affinity), "second");
  world.registry.removeUpstream(second);
  assert.equal(servedBy(world, affinity), "first");
  second.refuses = true;
});

test("what names no node, or one of another service, is as good as nothing", () => {
  const world = new SessionWorld();
  world.offer("first");
  world.offer("second");
  for (const text of ["", "second", "zz.zz", affinityText("other", "second"), `${affinityText("web", "second")}0`]) {
    assert.equal(servedBy(world, parseAffinity(text)), "first", text);
  }
});

test("what a client keeps shows no name, and is the same for every offer of a node", () => {
  assert.match(affinityText("web", "second"), /^[0-9a-f]{8}\.[0-9a-f]{16}$/);
  assert.equal(affinityText("web", "second"), affinityText("web", "second"));
  assert.notEqual(affinityText("web", "second"), affinityText("web", "third"));
});

test("a key goes to the same node every time, and elsewhere once that one failed", () => {
  const world = new SessionWorld();
  const upstreams = ["a", "b", "c"].map((node) => world.offer(node, "http/1.1", undefined, 0));
  const keys = Array.from({ length: 60 }, (_, index) => keyAffinity(`user ${index}`));
  const before = keys.map((key) => servedBy(world, key));
  assert.deepEqual(new Set(before), new Set(["a", "b", "c"]));
  assert.deepEqual(
    keys.map((key) => servedBy(world, key)),
    before,
  );
  world.registry.removeUpstream(upstreams[0]!);
  const after = keys.map((key) => servedBy(world, key));
  for (const [index, node] of before.entries()) if (node !== "a") assert.equal(after[index], node);
  assert.ok(!after.includes("a"));
});

test("an affine request is retried elsewhere like any other", () => {
  const world = new SessionWorld();
  const [, second] = [world.offer("first"), world.offer("second")];
  second.refuses = true;
  assert.equal(servedBy(world, parseAffinity(affinityText("web", "second"))), "first");
});
