import assert from "node:assert/strict";
import { test } from "node:test";
import { UnheardRequests } from "./http2-unheard.ts";

test("requests that come in order are none of those that were refused", () => {
  const unheard = new UnheardRequests();
  for (let id = 15; id < 99; id += 2) {
    assert.equal(unheard.heard(id), 0);
    assert.equal(unheard.seen(id, id * 1000), 0);
  }
  assert.equal(unheard.rest(), 0);
});

test("ids between two requests are requests that were refused", () => {
  const unheard = new UnheardRequests();
  unheard.heard(1);
  assert.equal(unheard.heard(9), 3);
  assert.equal(unheard.heard(11), 0);
  assert.equal(unheard.heard(2 ** 31 - 1), 100, "a client that leaves out ids costs no more than that");
});

test("an id that never comes as a request is one after a second, or when the connection is over", () => {
  const unheard = new UnheardRequests();
  assert.equal(unheard.seen(1, 0), 0);
  assert.equal(unheard.seen(1, 999), 0);
  assert.equal(unheard.seen(1, 1000), 1);
  assert.equal(unheard.seen(1, 5000), 0);
  assert.equal(unheard.heard(3), 0);
  assert.equal(unheard.seen(9, 6000), 0);
  assert.ok(unheard.waiting);
  assert.equal(unheard.rest(), 3);
  assert.equal(unheard.rest(), 0);
});

test("a head that comes in several frames is no refused request", () => {
  const unheard = new UnheardRequests();
  assert.equal(unheard.seen(1, 0), 0);
  assert.equal(unheard.heard(1), 0);
  assert.equal(unheard.seen(1, 2000), 0);
  assert.equal(unheard.rest(), 0);
});
