import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead } from "./request-head.ts";
import { firstSegment, resolveService } from "./service-resolution.ts";
import type { ServiceResolution } from "./service-resolution.ts";

/** What is served: `service`, or `service at node`. */
type Case = readonly [sentence: string, served: readonly string[], lines: readonly string[], found: string];

const cases: readonly Case[] = [
  [
    "X-Service-Id comes first",
    ["web", "api", "x"],
    ["GET /api HTTP/1.1", "Host: x.example", "X-Service-Id: web"],
    "web",
  ],
  [
    "an unknown X-Service-Id lets the others try",
    ["api"],
    ["GET /api HTTP/1.1", "Host: x", "X-Service-Id: web"],
    "api",
  ],
  ["the first label of Host", ["web"], ["GET / HTTP/1.1", "Host: web.example.com:8001"], "web"],
  ["a Host of one label", ["web"], ["GET / HTTP/1.1", "Host: web"], "web"],
  ["a service whose name has dots", ["a.b", "a"], ["GET / HTTP/1.1", "Host: a.b.example.com"], "a.b"],
  [
    "a service that is a whole host name",
    ["app.example.com"],
    ["GET / HTTP/1.1", "Host: app.example.com"],
    "app.example.com",
  ],
  ["Host in another case", ["web"], ["GET / HTTP/1.1", "Host: WEB.Example.com"], "web"],
  ["a service with capitals", ["Web"], ["GET / HTTP/1.1", "Host: Web.example.com"], "Web"],
  ["a Host with a final dot", ["web"], ["GET / HTTP/1.1", "Host: web.example.com.:80"], "web"],
  ["a node and its service", ["foo at phone0"], ["GET / HTTP/1.1", "Host: phone0.foo"], "foo at phone0"],
  ["a node and a service with dots", ["a.b at phone0"], ["GET / HTTP/1.1", "Host: phone0.a.b:80"], "a.b at phone0"],
  ["a node that does not serve it is passed by", ["foo at phone1", "x"], ["GET /x HTTP/1.1", "Host: phone0.foo"], "x"],
  ["an absolute target's host", ["web"], ["GET http://web.example/ HTTP/1.1", "Host: other"], "web"],
  ["Host before the path", ["web", "api"], ["GET /api HTTP/1.1", "Host: web.example"], "web"],
  ["the first segment of the path", ["api"], ["GET /api/x?y HTTP/1.1", "Host: example.com"], "api"],
  ["a path of one segment with a query", ["api"], ["GET /api?x=/y HTTP/1.1", "Host: example.com"], "api"],
  ["an encoded segment", ["my svc"], ["GET /my%20svc/x HTTP/1.1", "Host: example.com"], "my svc"],
  ["addresses are no names", ["127", "127.0.0.1", "api"], ["GET /api HTTP/1.1", "Host: 127.0.0.1:8001"], "api"],
  ["IPv6 addresses are no names", ["[", "[::1]", "api"], ["GET /api HTTP/1.1", "Host: [::1]:8001"], "api"],
  ["the catch-all comes last", ["*", "api"], ["GET /other HTTP/1.1", "Host: example.com"], "*"],
  ["a request without Host", ["api"], ["GET /api HTTP/1.0"], "api"],
  ["a Host with odd characters", ["my_svc!"], ["GET / HTTP/1.1", "Host: my_svc!.example"], "my_svc!"],
];

for (const [sentence, served, lines, found] of cases) {
  test(sentence, () => {
    const resolution = resolve(served, lines);
    assert.equal(resolution.kind, "found");
    if (resolution.kind === "found") {
      assert.equal(resolution.node === "" ? resolution.service : `${resolution.service} at ${resolution.node}`, found);
    }
  });
}

test("when nothing is known, all that was tried is told, in order", () => {
  const lines = ["GET /api/x HTTP/1.1", "Host: a.b.c", "X-Service-Id: web"];
  assert.deepEqual(resolve([], lines), {
    kind: "none",
    tried: ["web", "a.b.c", "a.b", "a", "b.c at node a", "api", "*"],
  });
});

test("a Host of a thousand labels is not tried a thousand times", () => {
  const resolution = resolve([], ["GET / HTTP/1.1", `Host: ${"a.".repeat(1000)}b`]);
  assert.equal(resolution.kind, "none");
  if (resolution.kind === "none") assert.ok(resolution.tried.length < 30);
});

const segments: readonly (readonly [path: string, segment: string])[] = [
  ["/", ""],
  ["/?a", ""],
  ["*", ""],
  ["//evil.example/x", ""],
  ["/a", "a"],
  ["/a/", "a"],
  ["/a?b/c", "a"],
  ["/%61/", "a"],
  ["/a%2Fb/c", ""],
  ["/a%5Cb/c", ""],
  ["/a%00b/c", ""],
  ["/a%0d%0ab/c", ""],
  ["/a%/c", ""],
  ["/a%zz/c", ""],
  ["/%ff/c", ""],
  ["/%C3%A9/c", "\u00e9"],
];

for (const [path, segment] of segments) {
  test(`the service that ${path} could name is ${JSON.stringify(segment)}`, () =>
    assert.equal(firstSegment(path), segment));
}

function resolve(served: readonly string[], lines: readonly string[]): ServiceResolution {
  const head = parseRequestHead(`${lines.join("\r\n")}\r\n\r\n`);
  if (head instanceof HttpProblem) throw head.toError();
  return resolveService(head, (service, node) => served.includes(node === "" ? service : `${service} at ${node}`));
}

const crankerCases: readonly Case[] = [
  ["a host's own route", ["a.b/web", "a.b/*", "web", "*"], ["GET /web/x HTTP/1.1", "Host: A.b:80"], "a.b/web"],
  ["a host's own catch-all", ["a.b/*", "web", "*"], ["GET /web/x HTTP/1.1", "Host: a.b."], "a.b/*"],
  ["of another host, the route", ["a.b/web", "a.b/*", "web"], ["GET /web/x HTTP/1.1", "Host: c.a.b"], "web"],
  ["a host names no route", ["web", "*"], ["GET /x HTTP/1.1", "Host: web"], "*"],
  ["not even at a node", ["web at shed", "web", "*"], ["GET /x HTTP/1.1", "Host: shed.web"], "*"],
  ["what else it names is found as ever", ["native", "web"], ["GET /web HTTP/1.1", "Host: native.x"], "native"],
  ["X-Service-Id comes first", ["a.b/web", "z"], ["GET /web HTTP/1.1", "Host: a.b", "X-Service-Id: z"], "z"],
];

for (const [sentence, served, lines, expected] of crankerCases) {
  test(`with services by path: ${sentence}`, () => {
    const head = parseRequestHead(`${lines.join("\r\n")}\r\n\r\n`);
    assert.ok(!(head instanceof HttpProblem));
    const knows = (service: string, node: string): boolean =>
      served.includes(node === "" ? service : `${service} at ${node}`);
    const byPath = { anyByPath: true, isByPath: (service: string) => service !== "native" && served.includes(service) };
    const resolution = resolveService(head, knows, byPath);
    assert.equal(resolution.kind === "found" ? resolution.service : resolution.kind, expected);
  });
}
