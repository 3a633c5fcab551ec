import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardedClient } from "./forwarded-client.ts";

const isTrusted = (host: string): boolean => host.startsWith("10.");

test("the client is the rightmost address that is no proxy of ours", () => {
  const lists: readonly (readonly [string, string])[] = [
    ["", "10.0.0.1"],
    ["192.0.2.1", "192.0.2.1"],
    ["203.0.113.9, 192.0.2.1", "192.0.2.1"],
    ["203.0.113.9, 192.0.2.1, 10.0.0.7,10.0.0.8", "192.0.2.1"],
    ["10.0.0.9, 10.0.0.7", "10.0.0.9"],
    ["192.0.2.1:5000", "192.0.2.1"],
    ["[2001:DB8::1]:5000", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["192.0.2.1,,  ,10.0.0.7,", "192.0.2.1"],
    ["192.0.2.1, unknown", "10.0.0.1"],
    ["192.0.2.1, _hidden, 10.0.0.7", "10.0.0.7"],
    ["192.0.2.1 10.0.0.7", "10.0.0.1"],
    [",", "10.0.0.1"],
  ];
  for (const [list, client] of lists) assert.equal(forwardedClient(list, "10.0.0.1", isTrusted), client, list);
});

test("a list without end costs no more than what is looked at", () => {
  assert.equal(forwardedClient("10.0.0.7,".repeat(10_000), "10.0.0.1", isTrusted), "10.0.0.7");
});
