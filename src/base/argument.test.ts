import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkNodeName,
  checkServiceName,
  parseAnalyzeArgument,
  parseListenArgument,
  parseRouterArgument,
  parseServiceReference,
  parseTargetArgument,
} from "./argument.ts";

test("a target has its service's name in front, or is for whatever no other service takes", () => {
  const cases = [
    ["web=http://127.0.0.1:3000", "web", "http://127.0.0.1:3000"],
    ["web=3000", "web", "http://127.0.0.1:3000"],
    ["db=tcp://db:5432", "db", "tcp://db:5432"],
    ["http://127.0.0.1:3000", "*", "http://127.0.0.1:3000"],
    ["3000", "*", "http://127.0.0.1:3000"],
    ["*=3000", "*", "http://127.0.0.1:3000"],
    ["unix:///run/a=b", "*", "unix:///run/a=b"],
    ["bus=unix:///run/a=b", "bus", "unix:///run/a=b"],
    ["unix:@a=b", "*", "unix:@a=b"],
    ["bus=unix:@a=b", "bus", "unix:@a=b"],
    ["my.odd/service=3000", "my.odd/service", "http://127.0.0.1:3000"],
  ] as const;
  for (const [text, service, url] of cases) {
    const parsed = parseTargetArgument(text);
    assert.deepEqual([parsed.service, parsed.address.url], [service, url]);
  }
  assert.throws(() => parseTargetArgument("=3000"), /the name is missing/);
  assert.throws(() => parseTargetArgument("web="), /it is empty/);
});

test("a listener has the service that it leads to behind it, on one node if that is given", () => {
  const cases = [
    ["http://127.0.0.1:8001", "http://127.0.0.1:8001", undefined],
    ["http://127.0.0.1:8001=web", "http://127.0.0.1:8001", { service: "web", node: undefined }],
    ["tcp://127.0.0.1:15432=phone0.db", "tcp://127.0.0.1:15432", { service: "db", node: "phone0" }],
    ["unix:///run/a=b=db", "unix:///run/a=b", { service: "db", node: undefined }],
    ["unix:@a=b=db", "unix:@a=b", { service: "db", node: undefined }],
    [":8001=web", "http://:8001", { service: "web", node: undefined }],
  ] as const;
  for (const [text, url, service] of cases) {
    const parsed = parseListenArgument(text);
    assert.deepEqual([parsed.address.url, parsed.service], [url, service]);
  }
  assert.throws(() => parseListenArgument("tcp://127.0.0.1:1"), /write tcp:\/\/127\.0\.0\.1:1=SERVICE/);
  assert.throws(() => parseListenArgument("tcp://127.0.0.1:1="), /the service's name is missing/);
});

test("a router has its cost and its number of links behind a hash", () => {
  const read = (text: string) => {
    const { address, cost, links } = parseRouterArgument(text);
    return [address.url, cost, links];
  };
  assert.deepEqual(read("ws://edge:8000"), ["ws://edge:8000", undefined, undefined]);
  assert.deepEqual(read("ws://edge:8000#cost=10"), ["ws://edge:8000", 10, undefined]);
  assert.deepEqual(read("ws://edge:8000/x#links=2&cost=0"), ["ws://edge:8000/x", 0, 2]);
  for (const text of [
    "ws://e#",
    "ws://e#cost=",
    "ws://e#cost=x",
    "ws://e#cost=1&cost=2",
    "ws://e#price=1",
    "ws://e#cost=1&",
  ]) {
    assert.throws(() => parseRouterArgument(text), /expected #cost=10/, text);
  }
});

test("the node of a service is what stands before the first dot", () => {
  assert.deepEqual(parseServiceReference("db"), { service: "db", node: undefined });
  assert.deepEqual(parseServiceReference("phone0.a.b"), { service: "a.b", node: "phone0" });
  assert.deepEqual(parseServiceReference(".a.b"), { service: "a.b", node: undefined });
  assert.throws(() => parseServiceReference("phone0."), /the service's name is missing/);
  assert.throws(() => parseServiceReference("pho ne.x"), /a node's name is/);
});

test("names have bounds", () => {
  for (const name of ["web", "*", "a/b", "ünï", "x".repeat(253)]) assert.equal(checkServiceName(name), name);
  for (const name of ["", "a b", "a\n", "\u0000", "x".repeat(254), "a\u2028"])
    assert.throws(() => checkServiceName(name));
  for (const name of ["a", "edge-1", "A_b", "x".repeat(63)]) assert.equal(checkNodeName(name), name);
  for (const name of ["", "a.b", "-a", "a-", "x".repeat(64), "ü"]) assert.throws(() => checkNodeName(name));
});

test("an analyzer has its service in front", () => {
  assert.deepEqual(parseAnalyzeArgument("db=postgres"), { service: "db", analyzer: "postgres" });
  assert.deepEqual(parseAnalyzeArgument("db=./a=b.ts"), { service: "db", analyzer: "./a=b.ts" });
  for (const text of ["postgres", "=postgres", "db="]) {
    assert.throws(() => parseAnalyzeArgument(text), { code: "USAGE", message: /expected SERVICE=ANALYZER/ });
  }
});
