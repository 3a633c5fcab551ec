import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAccess } from "./access.ts";
import type { AccessPolicy, RequestFacts } from "./access.ts";

const LOOPBACK: AccessPolicy = { token: undefined, host: "127.0.0.1" };

function facts(changes: Partial<RequestFacts> = {}): RequestFacts {
  return {
    method: "GET",
    remoteAddress: "127.0.0.1",
    authorization: undefined,
    host: "127.0.0.1:8088",
    origin: undefined,
    fetchSite: undefined,
    contentType: undefined,
    ...changes,
  };
}

function outcome(policy: AccessPolicy, changes: Partial<RequestFacts>): string {
  const refusal = checkAccess(policy, facts(changes));
  return refusal === undefined ? "granted" : `${refusal.status} ${refusal.code}`;
}

const POST = { method: "POST", contentType: "application/json" };

for (const [name, request, expected] of [
  ["a read by address", {}, "granted"],
  ["a read by localhost", { host: "localhost:8088" }, "granted"],
  ["a read by a name below localhost", { host: "admin.localhost" }, "granted"],
  ["a read over IPv6", { host: "[::1]:8088", remoteAddress: "::1" }, "granted"],
  ["a read over IPv4 on an IPv6 socket", { remoteAddress: "::ffff:127.0.0.1" }, "granted"],
  ["a read by a name that was pointed here", { host: "rebound.example:8088" }, "403 ADMIN_FORBIDDEN"],
  ["a read by a name that begins like a loopback address", { host: "127.0.0.1.example" }, "403 ADMIN_FORBIDDEN"],
  ["a read without a host", { host: undefined }, "403 ADMIN_FORBIDDEN"],
  ["a read with a host that is none", { host: "a:b:c" }, "403 ADMIN_FORBIDDEN"],
  ["a read from another machine", { remoteAddress: "10.0.0.7" }, "403 ADMIN_FORBIDDEN"],
  ["a read by a peer that has gone", { remoteAddress: undefined }, "403 ADMIN_FORBIDDEN"],
  ["a change by a program", POST, "granted"],
  ["a change with a charset", { ...POST, contentType: "application/json; charset=utf-8" }, "granted"],
  [
    "a change by this server's own page",
    { ...POST, origin: "http://127.0.0.1:8088", fetchSite: "same-origin" },
    "granted",
  ],
  ["a change by another page", { ...POST, origin: "https://evil.example" }, "403 ADMIN_FORBIDDEN"],
  ["a change by a page on another port", { ...POST, origin: "http://127.0.0.1:3000" }, "403 ADMIN_FORBIDDEN"],
  ["a change by a page that hides its origin", { ...POST, origin: "null" }, "403 ADMIN_FORBIDDEN"],
  ["a change across sites without an origin", { ...POST, fetchSite: "cross-site" }, "403 ADMIN_FORBIDDEN"],
  ["a change in the form of a form", { ...POST, contentType: "text/plain" }, "415 ADMIN_FORBIDDEN"],
  ["a change with a type that begins like JSON", { ...POST, contentType: "application/jsonp" }, "415 ADMIN_FORBIDDEN"],
  ["a change without a type", { method: "POST" }, "415 ADMIN_FORBIDDEN"],
  ["a removal by a program", { method: "DELETE" }, "granted"],
  ["a removal by another page", { method: "DELETE", origin: "https://evil.example" }, "403 ADMIN_FORBIDDEN"],
] as const) {
  test(`without a token, ${name}: ${expected}`, () => {
    assert.equal(outcome(LOOPBACK, request), expected);
  });
}

test("the name that the configuration gives the listener may be asked for", () => {
  assert.equal(outcome({ token: undefined, host: "admin.internal" }, { host: "Admin.Internal:8088" }), "granted");
});

test("a unix socket asks for nothing: its permissions did", () => {
  const policy = { token: undefined, host: undefined };
  assert.equal(outcome(policy, { remoteAddress: undefined, host: "polarity" }), "granted");
});

for (const [authorization, expected] of [
  ["Bearer right", "granted"],
  ["bearer  right ", "granted"],
  ["Bearer wrong", "401 AUTH_FAILED"],
  ["Bearer rightly", "401 AUTH_FAILED"],
  ["Bearer", "401 AUTH_FAILED"],
  ["Basic right", "401 AUTH_FAILED"],
  ["right", "401 AUTH_FAILED"],
  [undefined, "401 AUTH_FAILED"],
] as const) {
  test(`with a token, authorization ${JSON.stringify(authorization)}: ${expected}, from wherever it comes`, () => {
    const policy = { token: "right", host: "0.0.0.0" };
    assert.equal(outcome(policy, { authorization }), expected);
    assert.equal(
      outcome(policy, { authorization, remoteAddress: "10.0.0.7", host: "edge.example", ...POST }),
      expected,
    );
  });
}
