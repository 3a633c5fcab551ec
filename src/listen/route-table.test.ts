import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import { fixedRoute, type Route, routeByName, routeByTable } from "./route-table.ts";

function request(host: string, path: string): RequestHead {
  const head = parseRequestHead(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  if (head instanceof HttpProblem) throw new Error(head.reason);
  return head;
}

function route(service: string, host?: string, path?: string, stripPrefix = false): Route {
  return { service, host, path, stripPrefix };
}

function served(routes: readonly Route[], host: string, path: string): string {
  const resolution = routeByTable(routes).resolve(request(host, path));
  if (resolution.kind !== "found") return "none";
  return resolution.stripPrefix === "" ? resolution.service : `${resolution.service} without ${resolution.stripPrefix}`;
}

test("the most exact host wins, whatever the order: exact, longest wildcard, any", () => {
  const routes = [
    route("any"),
    route("wild", "*.example.com"),
    route("wilder", "*.eu.example.com"),
    route("exact", "a.eu.example.com"),
  ];
  for (const order of [routes, routes.toReversed()]) {
    assert.equal(served(order, "a.eu.example.com", "/"), "exact");
    assert.equal(served(order, "b.eu.example.com:8080", "/"), "wilder");
    assert.equal(served(order, "B.Example.COM", "/"), "wild");
    assert.equal(served(order, "example.com", "/"), "any", "a wildcard needs a label");
    assert.equal(served(order, "evilexample.com", "/"), "any");
  }
});

test("an exact host beats a longer path elsewhere, and within a host the longest path wins", () => {
  const routes = [
    route("deep", undefined, "/a/b/c"),
    route("host", "h"),
    route("short", "g", "/a"),
    route("long", "g", "/a/b"),
  ];
  assert.equal(served(routes, "h", "/a/b/c"), "host");
  assert.equal(served(routes, "g", "/a/b/c"), "long");
  assert.equal(served(routes, "g", "/a/bc"), "short");
  assert.equal(served(routes, "i", "/a/b/c/d"), "deep");
});

test("paths match by whole segments, with or without a final slash in the route, up to the query", () => {
  for (const path of ["/api", "/api/"]) {
    const routes = [route("api", undefined, path, true)];
    for (const good of ["/api", "/api/", "/api/x", "/api?x=/apis"]) {
      assert.equal(served(routes, "h", good), "api without /api", good);
    }
    for (const bad of ["/apis", "/ap", "/", "/x/api", "/API"]) assert.equal(served(routes, "h", bad), "none", bad);
  }
  assert.equal(served([route("all", undefined, "/")], "h", "/x"), "all");
});

test("a table that has nothing says what it looked for", () => {
  const resolution = routeByTable([route("a", "a.example")]).resolve(request("b.example", "/x"));
  assert.equal(resolution.kind, "none");
  assert.match(resolution.kind === "none" ? resolution.tried.join() : "", /b\.example.*\/x/);
});

test("a fixed route does not look at the request, and a route by name does at nothing else", () => {
  const fixed = fixedRoute("web", "shed").resolve(request("api.example", "/api"));
  assert.deepEqual(
    [fixed.kind, fixed.kind === "found" && fixed.service, fixed.kind === "found" && fixed.node],
    ["found", "web", "shed"],
  );
  const named = routeByName((service, node) => service === "api" && node === "").resolve(request("x", "/api/y"));
  assert.deepEqual(named.kind === "found" && [named.service, named.node, named.stripPrefix], ["api", undefined, ""]);
  assert.ok(routeByName(() => false).dependsOnOffers);
});
