import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RouteIndex } from "./route-index.ts";
import {
  compareMatches,
  meetsConditions,
  prefixOf,
  type RoutedRequest,
  type RouteMatch,
  unreachedRoutes,
} from "./route-match.ts";

type Written = Partial<RouteMatch>;

function match(written: Written): RouteMatch {
  return { host: undefined, path: undefined, pathExact: undefined, methods: [], fields: [], ...written };
}

function request(line: string, fields: Readonly<Record<string, string>> = {}): RoutedRequest {
  const [method = "", host = "", path = ""] = line.split(" ");
  return { method, host, path, header: (name) => fields[name] };
}

const X1 = { kind: "exact", name: "x", value: "1" } as const;
const X_ANY = { kind: "present", name: "x" } as const;
const Y_NONE = { kind: "absent", name: "y" } as const;
const V = { kind: "prefix", name: "v", value: "2." } as const;

/** Routes by name, a request, and the name of the route that takes it. */
const cases: readonly (readonly [
  sentence: string,
  routes: Readonly<Record<string, Written>>,
  asked: readonly (readonly [line: string, taken: string, fields?: Readonly<Record<string, string>>])[],
])[] = [
  [
    "the most exact host wins, and a wildcard stands for one or more labels",
    {
      any: {},
      wild: { host: "*.example.com" },
      wilder: { host: "*.eu.example.com" },
      exact: { host: "a.eu.example.com" },
      address: { host: "[::1]" },
    },
    [
      ["GET a.eu.example.com /", "exact"],
      ["GET A.EU.Example.COM.:8080 /", "exact"],
      ["GET b.eu.example.com:8080 /", "wilder"],
      ["GET x.y.eu.example.com /", "wilder"],
      ["GET eu.example.com /", "wild"],
      ["GET B.Example.COM /", "wild"],
      ["GET example.com /", "any"],
      ["GET .example.com /", "any"],
      ["GET evilexample.com /", "any"],
      ["GET [::1]:80 /", "address"],
      ["GET a%2eeu.example.com /", "wild"],
    ],
  ],
  [
    "an exact host comes before a longer path elsewhere; where its paths do not match, the next host's are tried",
    { deep: { path: "/a/b/c" }, host: { host: "h" }, short: { host: "g", path: "/a" } },
    [
      ["GET h /a/b/c", "host"],
      ["GET g /a/b/c", "short"],
      ["GET g /b", "none"],
      ["GET i /a/b/c/d", "deep"],
    ],
  ],
  [
    "an exact path comes before every prefix, and of these the longest wins",
    { root: { path: "/" }, a: { path: "/a" }, ab: { path: "/a/b/" }, exact: { pathExact: "/a/b" } },
    [
      ["GET h /a/b", "exact"],
      ["GET h /a/b/", "ab"],
      ["GET h /a/b/c", "ab"],
      ["GET h /a/bc", "a"],
      ["GET h /A", "root"],
      ["OPTIONS h *", "none"],
    ],
  ],
  [
    "a path comes before a method, a method before fields, more fields before fewer",
    {
      path: { path: "/a" },
      get: { methods: ["GET"] },
      read: { methods: ["GET", "HEAD"], fields: [X_ANY] },
      one: { fields: [X1] },
      two: { fields: [X_ANY, Y_NONE] },
    },
    [
      ["GET h /a", "path", { x: "1" }],
      ["GET h /b", "get", { x: "1" }],
      ["HEAD h /b", "read", { x: "1" }],
      ["PUT h /b", "two", { x: "1" }],
      ["PUT h /b", "one", { x: "1", y: "2" }],
      ["PUT h /b", "none", { x: "2", y: "2" }],
      ["HEAD h /b", "none"],
      ["get h /b", "none"],
    ],
  ],
  [
    "a field is compared as a whole, or by its beginning",
    { version: { fields: [V] }, one: { fields: [X1] } },
    [
      ["GET h /", "version", { v: "2.1" }],
      ["GET h /", "none", { v: "12.1" }],
      ["GET h /", "none", { x: "1, 1" }],
    ],
  ],
];

for (const [sentence, routes, asked] of cases) {
  test(sentence, () => {
    const entries = Object.entries(routes).map(([name, written]) => ({ name, match: match(written) }));
    for (const order of [entries, entries.toReversed()]) {
      const index = new RouteIndex(order);
      for (const [line, taken, fields] of asked) {
        const asking = request(line, fields);
        assert.equal(index.find(asking, asking.path)?.name ?? "none", taken, `${line} ${JSON.stringify(fields ?? {})}`);
      }
    }
  });
}

const anyMatch = fc
  .record({
    host: fc.constantFrom(undefined, "a.b.c", "b.c", "*.b.c", "*.c"),
    path: fc.constantFrom(undefined, "/", "/a", "/a/", "/a/b"),
    pathExact: fc.constantFrom(undefined, "/", "/a", "/a/b"),
    methods: fc.subarray(["GET", "PUT", "HEAD"]),
    fields: fc.subarray([X1, X_ANY, Y_NONE, V]),
  })
  .map((made): RouteMatch => (made.pathExact === undefined ? made : { ...made, path: undefined }));

const anyRequest = fc
  .record({
    method: fc.constantFrom("GET", "PUT", "HEAD", "POST"),
    host: fc.constantFrom("", "a.b.c", "b.c", "x.b.c:1", "c", "A.B.C."),
    path: fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "*"),
    fields: fc.constantFrom({}, { x: "1" }, { x: "2", y: "" }, { x: "1", v: "2.0" }),
  })
  .map(({ method, host, path, fields }) => request(`${method} ${host} ${path}`, fields));

/** What the table says, without the table. */
function chosen(routes: readonly RouteMatch[], asking: RoutedRequest): RouteMatch | undefined {
  const host = asking.host.toLowerCase().replace(/:1$|\.$/, "");
  return routes
    .filter((route) => {
      const prefix = prefixOf(route);
      const below = prefix === undefined || asking.path === prefix || asking.path.startsWith(`${prefix}/`);
      const hosts = route.host === undefined || route.host === host;
      const wild = route.host?.startsWith("*") === true && host.endsWith(route.host.slice(1));
      return (
        (hosts || wild) && below && (route.pathExact ?? asking.path) === asking.path && meetsConditions(route, asking)
      );
    })
    .toSorted(compareMatches)[0];
}

test("an index finds what a look at every route finds", () => {
  fc.assert(
    fc.property(fc.array(anyMatch, { maxLength: 12 }), anyRequest, (routes, asking) => {
      const index = new RouteIndex(routes.map((route) => ({ match: route })));
      assert.equal(index.find(asking, asking.path)?.match, chosen(routes, asking));
    }),
    { numRuns: 500 },
  );
});

test("the order of the file decides nothing but ties", () => {
  fc.assert(
    fc.property(
      fc
        .array(anyMatch, { maxLength: 12 })
        .chain((routes) => fc.tuple(fc.constant(routes), fc.shuffledSubarray(routes, { minLength: routes.length }))),
      anyRequest,
      ([routes, shuffled], asking) => {
        const one = new RouteIndex(routes.map((route) => ({ match: route }))).find(asking, asking.path)?.match;
        const other = new RouteIndex(shuffled.map((route) => ({ match: route }))).find(asking, asking.path)?.match;
        assert.equal(one === undefined, other === undefined);
        if (one !== undefined && other !== undefined) assert.equal(compareMatches(one, other), 0);
      },
    ),
    { numRuns: 500 },
  );
});

test("the order is one: no two routes each come before the other, and it is transitive", () => {
  fc.assert(
    fc.property(anyMatch, anyMatch, anyMatch, (a, b, c) => {
      assert.equal(Math.sign(compareMatches(a, b)), 0 - Math.sign(compareMatches(b, a)));
      if (compareMatches(a, b) <= 0 && compareMatches(b, c) <= 0) assert.ok(compareMatches(a, c) <= 0);
    }),
    { numRuns: 500 },
  );
});

test("a route is called unreached only if no request reaches it", () => {
  fc.assert(
    fc.property(
      fc.array(anyMatch, { maxLength: 8 }),
      fc.array(anyRequest, { minLength: 20, maxLength: 20 }),
      (routes, asked) => {
        const unreached = new Set(unreachedRoutes(routes).map(([index]) => routes[index]));
        const index = new RouteIndex(routes.map((route) => ({ match: route })));
        for (const asking of asked) {
          const found = index.find(asking, asking.path)?.match;
          assert.ok(found === undefined || !unreached.has(found));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("routes that take all of another's requests are told", () => {
  const unreached = (...written: readonly Written[]) => unreachedRoutes(written.map(match));
  assert.deepEqual(unreached({ path: "/a" }, { path: "/a/" }), [[1, 0]], "the same path twice");
  assert.deepEqual(unreached({ path: "/a" }, { pathExact: "/a" }, { path: "/a/b" }, { host: "h" }, {}), []);
  assert.deepEqual(
    unreached({ methods: ["GET", "PUT"] }, { methods: ["GET"] }, { methods: ["PUT"] }),
    [[0, 2]],
    "each of its methods has a route of its own",
  );
  assert.deepEqual(unreached({ fields: [X_ANY] }, { fields: [X1] }), [[1, 0]], "any value, then one of them");
  assert.deepEqual(unreached({ fields: [X1] }, { fields: [X_ANY] }), []);
  assert.deepEqual(unreached({ fields: [X1] }, { fields: [Y_NONE] }), []);
});

test("a thousand hosts and a long name cost no look at each", () => {
  let asked = 0;
  const routes = Array.from({ length: 1000 }, (_, at) => ({
    match: match({ host: at % 2 === 0 ? `h${at}.example.com` : `*.h${at}.example.com`, fields: [X1] }),
  }));
  const index = new RouteIndex(routes);
  const asking: RoutedRequest = {
    method: "GET",
    host: `${"a.".repeat(16_000)}h501.example.com`,
    path: "/",
    header: () => {
      asked++;
      return "1";
    },
  };
  assert.equal(index.find(asking, "/"), routes[501]);
  assert.equal(asked, 1, "the conditions of one route");
});
