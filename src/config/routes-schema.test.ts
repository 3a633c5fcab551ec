import assert from "node:assert/strict";
import { test } from "node:test";
import { PolarityError } from "../base/errors.ts";
import { DEFAULT_POLICY } from "../session/exchange-policy.ts";
import { parseConfig } from "./file.ts";
import type { RouteConfig } from "./node-config.ts";

function parse(...routes: readonly string[]): readonly RouteConfig[] {
  const lines = routes.map((route) => `      - { ${route} }\n`);
  const text = `listeners:\n  - url: ":1"\n    routes:\n${lines.join("")}`;
  return parseConfig(text, { file: "f", folder: ".", environment: {} }).config.listeners[0]!.routes;
}

function problem(...routes: readonly string[]): string {
  try {
    parse(...routes);
  } catch (error) {
    assert.ok(error instanceof PolarityError);
    return error.message.replaceAll("listeners[0].routes", "routes");
  }
  return "none";
}

test("a route may match by anything, change its requests and divide them", () => {
  const [all, split] = parse(
    "host: '*.Example.com', path: /api/, method: [GET, PUT, GET], headers: { X-Beta: on-2, x-v: { prefix: v }, x-a: { present: true }, x-b: { present: false } }, service: web, stripPrefix: true, addPrefix: /v1/, rewriteHost: app.internal:8080, requestHeaders: { set: { X-A: b }, remove: [Cookie] }, responseHeaders: { add: { Vary: X-Beta } }, redirect: https, limits: { body: 1KiB }",
    "host: '::1', pathExact: /login, split: { web: 90, canary: 10 }",
  );
  assert.deepEqual(all, {
    match: {
      host: "*.example.com",
      path: "/api/",
      pathExact: undefined,
      methods: ["GET", "PUT"],
      fields: [
        { kind: "exact", name: "x-beta", value: "on-2" },
        { kind: "prefix", name: "x-v", value: "v" },
        { kind: "present", name: "x-a" },
        { kind: "absent", name: "x-b" },
      ],
    },
    service: "web",
    split: [],
    rules: {
      stripPrefix: "/api",
      addPrefix: "/v1",
      rewriteHost: "app.internal:8080",
      request: { dropped: ["x-a", "cookie"], lines: "X-A: b\r\n", ofDate: false },
      response: { dropped: [], lines: "Vary: X-Beta\r\n", ofDate: false },
      redirect: { toHttps: true, origin: "", target: "", port: 0, status: 308 },
      bodyBytesMax: 1024,
    },
    policy: DEFAULT_POLICY,
  });
  assert.deepEqual([split?.match.host, split?.match.pathExact, split?.service], ["[::1]", "/login", ""]);
  assert.deepEqual(split?.split, [
    { service: "web", weight: 90 },
    { service: "canary", weight: 10 },
  ]);
});

test("a route that only names its service has no rules", () => {
  const [plain] = parse("service: web");
  assert.deepEqual([plain?.rules, plain?.match.methods, plain?.match.fields], [undefined, [], []]);
});

test("a redirect is a word, a URL or a path, with a status and a port", () => {
  const [there, path] = parse(
    "path: /a, redirect: { to: https, status: 301, port: 8443 }",
    "path: /b, redirect: { to: /new, status: 302 }",
  );
  assert.deepEqual(there?.rules?.redirect, { toHttps: true, origin: "", target: "", port: 8443, status: 301 });
  assert.deepEqual(path?.rules?.redirect, { toHttps: false, origin: "", target: "/new", port: 0, status: 302 });
});

test("what cannot be meant is refused, with the line and the key", () => {
  const cases: readonly (readonly [route: string, line: string])[] = [
    ["path: /a", "service: a route needs a service, a split or a redirect"],
    ["service: a, split: { b: 1 }", "split: a route has a service or a split, not both"],
    ["split: { b: 0 }", "split: expected a weight above 0"],
    ["split: {}", "split: expected a weight above 0"],
    ["split: { b: 1.5 }", "split.b: expected services and whole numbers from 0 to 1000000"],
    ["service: a, stripPrefix: true", "stripPrefix: stripPrefix takes a path off: set path"],
    ["service: a, path: /a, pathExact: /b", "pathExact: a route has a path or a pathExact, not both"],
    ["service: a, path: /a//b", "path: apps may read /a//b as /a/b: write it so"],
    ["service: a, path: /%7ea", "path: apps may read /%7ea as /~a: write it so"],
    [
      "service: a, path: /a/../b",
      "path: expected a path without dot segments, NULs and encodings of encodings (got /a/../b)",
    ],
    ["service: a, path: '/a?b'", "path: expected a path such as /api"],
    ["service: a, method: get", "method: expected a method such as GET, in capitals, or a list of them"],
    ["service: a, method: []", "method: expected a method such as GET, in capitals, or a list of them"],
    ["service: a, headers: { Host: b }", "headers.Host: say host for the host to match"],
    ["service: a, headers: { x: [1] }", "headers.x: expected a value, or one of exact, prefix and present"],
    [
      "service: a, headers: { x: { exact: a, prefix: b } }",
      "headers.x: expected a value, or one of exact, prefix and present",
    ],
    ["service: a, headers: { x: { exac: a } }", "headers.x.exac: unknown key; did you mean exact?"],
    [
      'service: a, requestHeaders: { set: { A: "b\\r\\nC: d" } }',
      "requestHeaders.set.A: expected printable ASCII without blanks at its ends and without line breaks",
    ],
    [
      "service: a, requestHeaders: { set: { Host: b } }",
      "requestHeaders.set.Host: Host cannot be changed by a route: say rewriteHost for the host that the app sees",
    ],
    [
      "service: a, responseHeaders: { remove: [Content_Length] }",
      "responseHeaders.remove[0]: Content_Length cannot be changed by a route: how long a message is and what becomes of its connection is said by each hop itself",
    ],
    [
      "service: a, rewriteHost: 'http://b'",
      "rewriteHost: expected a host such as app.internal, perhaps with a port (got http://b)",
    ],
    [
      "redirect: { to: 'ftp://b' }",
      "redirect.to: expected https, a URL such as https://www.example.com, or a path such as /new",
    ],
    ["redirect: { to: https, status: 200 }", "redirect.status: expected one of 301, 302, 303, 307, 308"],
    ["redirect: { to: /a, port: 1 }", "redirect.port: port needs to: https"],
    [
      "service: a, redirect: /b",
      "redirect: every request is redirected, so that no service is asked: leave it out, or redirect to https",
    ],
    ["service: a, limits: { body: 0B }", "limits.body: expected a size from 1B to 1048576GiB"],
  ];
  for (const [route, line] of cases) assert.equal(problem(route).replace(/^f:4:\d+: routes\[0\]\./, ""), line, route);
});

test("a route that no request can reach is a problem at its own line", () => {
  assert.equal(
    problem("path: /a, service: a", "host: h, service: h", "path: /a/, service: b"),
    "f:6:9: routes[2]: no request gets here: routes[0] takes all that this one matches",
  );
});
