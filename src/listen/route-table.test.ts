import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import type { RouteMatch } from "../http/route-match.ts";
import { NO_RULES, type RouteRules } from "../http/route-rules.ts";
import { DEFAULT_POLICY } from "../session/exchange-policy.ts";
import { fixedRoute, type Route, routeByName, routeByTable } from "./route-table.ts";

function request(host: string, path: string, ...fields: readonly string[]): RequestHead {
  const head = parseRequestHead([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...fields, "", ""].join("\r\n"));
  if (head instanceof HttpProblem) throw new Error(head.reason);
  return head;
}

function route(service: string, match: Partial<RouteMatch> = {}, rules?: Partial<RouteRules>): Route {
  return {
    service,
    match: { host: undefined, path: undefined, pathExact: undefined, methods: [], fields: [], ...match },
    split: [],
    policy: DEFAULT_POLICY,
    rules: rules === undefined ? undefined : { ...NO_RULES, ...rules },
  };
}

function served(routes: readonly Route[], path: string, ...fields: readonly string[]): string {
  const resolution = routeByTable(routes).resolve(request("h", path, ...fields));
  return resolution.kind === "found" ? resolution.service : resolution.kind;
}

test("a request goes where its head says, fields in any case and joined where they repeat", () => {
  const routes = [route("web"), route("canary", { fields: [{ kind: "exact", name: "x-canary", value: "1" }] })];
  assert.equal(served(routes, "/"), "web");
  assert.equal(served(routes, "/", "X-CANARY:  1 "), "canary");
  assert.equal(served(routes, "/", "x-canary: 1", "x-canary: 0"), "web");
});

test("paths match by whole segments, up to the query, whatever the query says", () => {
  const routes = [route("api", { path: "/api" }), route("exact", { pathExact: "/login" })];
  for (const path of ["/api", "/api/", "/api/x", "/api?x=/apis", "/api?../%2e//;\\"])
    assert.equal(served(routes, path), "api", path);
  for (const path of ["/apis", "/ap", "/", "/x/api", "/API", "/login/"])
    assert.equal(served(routes, path), "none", path);
  assert.equal(served(routes, "/login?next=/x"), "exact");
});

test("a path reaches no route that an app would read as another one's", () => {
  const routes = [route("web"), route("admin", { path: "/admin" }), route("static", { path: "/static" })];
  const smuggled = ["//admin", "/%61dmin", "/%2fadmin", "/static%2f..%2fadmin", "/admin;x", "/\\admin", "/%5cadmin"];
  for (const path of [...smuggled, "/static/../admin", "/static/..;/admin", "/static/%2e%2e/admin", "/x/../x", "/a%00"])
    assert.equal(served(routes, path), "ambiguous", path);
  for (const path of ["/static/a%2fb//c;d", "/static/.well-known", "/static/caf%c3%a9"])
    assert.equal(served(routes, path), "static", path);
  assert.equal(served(routes, "/a//b"), "web", "every reading leads to the same route");
  assert.equal(served([route("static", { path: "/static" })], "/static%2fx"), "ambiguous", "one reading leads nowhere");
});

test("where no route looks at paths, every path is as good as another", () => {
  assert.equal(served([route("web", { host: "h" })], "//admin/../x"), "web");
  assert.equal(served([route("web", {}, { addPrefix: "/tenant" })], "/../x"), "ambiguous", "it would leave the prefix");
});

test("a table that has nothing says what it looked for, and whether it has the host at all", () => {
  const table = routeByTable([route("a", { host: "a.example", path: "/a" }), route("b", { host: "*.b.example" })]);
  const host = table.resolve(request("c.example", "/x?secret"));
  assert.ok(host.kind === "none" && host.hostNotServed);
  assert.match(host.tried.join(), /^host c\.example with GET \/x$/);
  const path = table.resolve(request("a.example", "/x"));
  assert.ok(path.kind === "none" && !path.hostNotServed);
  const wild = table.resolve(request("x.b.example", "/x"));
  assert.equal(wild.kind, "found");
});

test("a split chooses by the number that it is given", () => {
  const shares = [
    { service: "web", weight: 3 },
    { service: "canary", weight: 1 },
  ];
  const resolution = routeByTable([{ ...route(""), split: shares }]).resolve(request("h", "/"));
  assert.ok(resolution.kind === "found");
  assert.deepEqual([resolution.split?.pick(0.74), resolution.split?.pick(0.75)], ["web", "canary"]);
});

test("what is found is made once for a route", () => {
  const table = routeByTable([route("web")]);
  assert.equal(table.resolve(request("a", "/")), table.resolve(request("b", "/")));
});

test("a fixed route does not look at the request, and a route by name does at nothing else", () => {
  const fixed = fixedRoute("web", "shed", DEFAULT_POLICY).resolve(request("api.example", "/api"));
  assert.deepEqual(fixed, {
    kind: "found",
    service: "web",
    node: "shed",
    split: undefined,
    rules: undefined,
    policy: DEFAULT_POLICY,
  });
  const named = routeByName((service, node) => service === "api" && node === "", DEFAULT_POLICY).resolve(
    request("x", "/api/y"),
  );
  assert.deepEqual(named, {
    kind: "found",
    service: "api",
    node: undefined,
    split: undefined,
    rules: undefined,
    policy: DEFAULT_POLICY,
  });
  assert.ok(routeByName(() => false, DEFAULT_POLICY).dependsOnOffers);
});
