import assert from "node:assert/strict";
import { test } from "node:test";
import { NameRoutes } from "./name-routes.ts";

test("the most exact host wins, whatever the order, then what takes the rest", () => {
  const routes = [
    { host: "*.example.com", service: "wild" },
    { host: "*.eu.Example.com", service: "wilder" },
    { host: "a.eu.example.com", service: "exact" },
  ];
  const found = ["a.eu.example.com", "b.eu.example.com", "x.y.example.com", "example.com", "evilexample.com", ""];
  for (const order of [routes, routes.toReversed()]) {
    const names = new NameRoutes(order, "rest");
    assert.deepEqual(
      found.map((name) => names.find(name)),
      ["exact", "wilder", "wild", "rest", "rest", "rest"],
    );
  }
  assert.equal(new NameRoutes(routes, undefined).find("other.test"), undefined);
  assert.equal(new NameRoutes([{ host: undefined, service: "any" }], "rest").find("other.test"), "any");
});
