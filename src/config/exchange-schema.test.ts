import assert from "node:assert/strict";
import { test } from "node:test";
import { PolarityError } from "../base/errors.ts";
import { DEFAULT_POLICY } from "../session/exchange-policy.ts";
import { parseConfig } from "./file.ts";

const parse = (text: string) => parseConfig(text, { file: "polarity.yaml", folder: ".", environment: {} }).config;

function problem(keys: string): string {
  try {
    parse(`listeners: [{ url: "http://127.0.0.1:8001", service: web, ${keys} }]`);
  } catch (error) {
    assert.ok(error instanceof PolarityError);
    return error.message;
  }
  return "";
}

test("a listener that says nothing has the default policy, and so have its routes", () => {
  const [listener] = parse(`listeners: [{ url: "http://127.0.0.1:8001", routes: [{ service: web }] }]`).listeners;
  assert.deepEqual(listener?.policy, DEFAULT_POLICY);
  assert.deepEqual(listener?.routes[0]?.policy, DEFAULT_POLICY);
});

test("a route has what it says, else what its listener says, key by key", () => {
  const [listener] = parse(`
listeners:
  - url: http://127.0.0.1:8001
    timeout: 30s
    retries: { attempts: 2, budget: 12.5%, on: [502, 503] }
    hedge: { after: 100ms, max: 3 }
    mirror: { service: shadow, percent: 10, body: 1KiB }
    sticky: { cookie: polarity, maxAge: 1h }
    routes:
      - { path: /plain, service: web }
      - path: /own
        service: web
        timeout: 0s
        stallTimeout: 1h
        retries: { floor: 1, on: [] }
        hedge: { max: 1 }
        mirror: { service: shadow, percent: 0 }
        sticky: { header: X-User }
      - { path: /free, service: web, sticky: {}, hedge: {} }
`).listeners;
  const plain = listener?.routes[0]?.policy;
  assert.deepEqual(plain, listener?.policy);
  assert.deepEqual(plain, {
    timeoutMs: 30_000,
    stallTimeoutMs: 300_000,
    retries: { attemptsMax: 2, share: 0.125, floorPerSecond: 100, statuses: [502, 503] },
    hedge: { afterMs: 100, max: 3 },
    mirror: { service: "shadow", percent: 10, bodyBytesMax: 1024 },
    sticky: { kind: "cookie", name: "polarity", maxAgeSeconds: 3600 },
    fanOut: undefined,
  });
  assert.deepEqual(listener?.routes[1]?.policy, {
    timeoutMs: 0,
    stallTimeoutMs: 3_600_000,
    retries: { attemptsMax: 2, share: 0.125, floorPerSecond: 1, statuses: undefined },
    hedge: undefined,
    mirror: undefined,
    sticky: { kind: "header", name: "x-user", maxAgeSeconds: 0 },
    fanOut: undefined,
  });
  assert.equal(listener?.routes[2]?.policy.sticky, undefined);
  assert.deepEqual(listener?.routes[2]?.policy.hedge, { afterMs: 200, max: 2 });
});

test("what makes no sense is refused where it stands", () => {
  const cases: [string, RegExp][] = [
    ["timeout: 25h", /\.timeout: expected a duration from 0s to 24h/],
    ["retries: { attempts: 0 }", /retries\.attempts: expected a whole number from 1 to 16/],
    ["retries: { budget: 0.2 }", /retries\.budget: expected a percentage from 0% to 100%, such as 20%/],
    ["retries: { budget: 120% }", /retries\.budget: expected a percentage/],
    ["retries: { on: [500] }", /retries\.on\[0\]: expected 502, 503 or 504/],
    ["hedge: { after: 0s }", /hedge\.after: expected a duration from 1ms to 10m/],
    ["hedge: { max: 9 }", /hedge\.max: expected a whole number from 1 to 8/],
    ["mirror: { percent: 10 }", /mirror\.service: expected/],
    ["mirror: { service: a, percent: 101 }", /mirror\.percent: expected a number from 0 to 100/],
    ["sticky: { cookie: a b }", /sticky\.cookie: expected a cookie's name/],
    ["sticky: { cookie: a, header: b }", /sticky by a cookie or a header, not both/],
    ["sticky: { header: b, maxAge: 1h }", /maxAge is a cookie's/],
    ["sticky: { cooky: a }", /unknown key/],
  ];
  for (const [keys, message] of cases) assert.match(problem(keys), message, keys);
});

test("a listener of raw bytes has none of it", () => {
  assert.throws(
    () => parse(`listeners: [{ url: "tcp://127.0.0.1:5432", service: db, timeout: 1s }]`),
    /timeout needs an http:\/\/ or https/,
  );
});
