import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionWorld } from "../../test/support/scripted-upstream.ts";
import { ServiceSplit } from "../balance/service-split.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import { affinityText, parseAffinity, serviceId } from "../registry/affinity.ts";
import type { Offer } from "../registry/offer.ts";
import { affinityOf, chosenShare, stickyCookie } from "./stickiness.ts";

const COOKIE = { kind: "cookie", name: "node", maxAgeSeconds: 0 } as const;
const FIELD = { kind: "header", name: "x-user", maxAgeSeconds: 0 } as const;

function request(...fields: readonly string[]): RequestHead {
  const head = parseRequestHead(`GET / HTTP/1.1\r\nHost: x\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`);
  if (head instanceof HttpProblem) throw new Error(head.reason);
  return head;
}

function offerOf(node: string): Offer {
  const world = new SessionWorld();
  world.offer(node);
  return world.registry.services().flatMap(({ offers }) => offers)[0]!;
}

test("a cookie is found among others, by its whole name, and only the first one counts", () => {
  const text = affinityText(offerOf("shed"));
  const expected = parseAffinity(text);
  for (const fields of [
    [`Cookie: node=${text}`],
    [`Cookie: a=b; node=${text};c=d`],
    [`Cookie: a=b`, `Cookie: node=${text}`],
    [`Cookie: node=${text}; node=other`],
  ]) {
    assert.deepEqual(affinityOf(request(...fields), COOKIE), expected, fields.join());
  }
  for (const fields of [[], ["Cookie: anode=1; nodes=2; node"], ["X-Node: 1"]]) {
    assert.equal(affinityOf(request(...fields), COOKIE), undefined, fields.join());
  }
});

test("equal values of a field are equal keys, and without the field there is none", () => {
  assert.deepEqual(affinityOf(request("X-User: ann"), FIELD), affinityOf(request("x-user:  ann"), FIELD));
  assert.notDeepEqual(affinityOf(request("X-User: ann"), FIELD), affinityOf(request("X-User: bob"), FIELD));
  assert.equal(affinityOf(request(), FIELD), undefined);
});

test("a cookie is set where the client has none, or that of another node, and never for a field", () => {
  const [shed, barn] = [offerOf("shed"), offerOf("barn")];
  const known = parseAffinity(affinityText(shed));
  const line = `Set-Cookie: node=${affinityText(shed)}; Path=/; HttpOnly; SameSite=Lax\r\n`;
  assert.equal(stickyCookie(COOKIE, undefined, shed, false), line);
  assert.equal(stickyCookie(COOKIE, known, shed, false), "");
  assert.notEqual(stickyCookie(COOKIE, known, barn, false), "");
  assert.equal(stickyCookie(FIELD, undefined, shed, false), "");
  assert.match(stickyCookie({ ...COOKIE, maxAgeSeconds: 60 }, undefined, shed, true), /; Max-Age=60; .*; Secure\r\n$/);
});

test("a client of a split stays with its share while that takes anything", () => {
  const split = new ServiceSplit([
    { service: "web", weight: 90 },
    { service: "canary", weight: 10 },
  ]);
  const own = (service: string) => parseAffinity(`${serviceId(service)}.${"0".repeat(16)}`);
  const first = (): number => 0;
  assert.equal(chosenShare(split, own("canary"), first), "canary");
  assert.equal(chosenShare(split, own("other"), first), "web");
  assert.equal(
    chosenShare(split, undefined, () => 0.95),
    "canary",
  );
  const closed = new ServiceSplit([
    { service: "web", weight: 1 },
    { service: "canary", weight: 0 },
  ]);
  assert.equal(chosenShare(closed, own("canary"), first), "web");
});

test("keys are divided between shares by weight, each always to the same", () => {
  const split = new ServiceSplit([
    { service: "web", weight: 80 },
    { service: "canary", weight: 20 },
  ]);
  const never = (): number => assert.fail("nothing is left to chance");
  const shares = Array.from({ length: 5000 }, (_, user) =>
    chosenShare(split, affinityOf(request(`X-User: user ${user}`), FIELD), never),
  );
  const canary = shares.filter((service) => service === "canary").length;
  assert.ok(Math.abs(canary - 1000) < 120, `${canary}`);
});
