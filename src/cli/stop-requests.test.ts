import assert from "node:assert/strict";
import { test } from "node:test";
import { StopRequests } from "./stop-requests.ts";

test("one Ctrl-C that arrives twice is one, and a second one insists", () => {
  let now = 0;
  const requests = new StopRequests({ now: () => now });
  assert.equal(requests.any, false);
  assert.equal(requests.receive("SIGINT"), "first");
  now = 5;
  assert.equal(requests.receive("SIGINT"), "echo");
  now = 100;
  assert.equal(requests.receive("SIGINT"), "second");
  assert.equal(requests.any, true);
});

test("a second SIGTERM insists however soon it comes", () => {
  const requests = new StopRequests({ now: () => 0 });
  assert.equal(requests.receive("SIGTERM"), "first");
  assert.equal(requests.receive("SIGTERM"), "second");
});
