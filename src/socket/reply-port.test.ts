import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplyPort } from "./reply-port.ts";

test("the first other port of the app's address is the app's, and no third", () => {
  const app = new ReplyPort("10.0.0.1", 69);
  assert.equal(app.takes("10.0.0.2", 4000), false);
  assert.equal(app.takes("10.0.0.2", 69), false);
  assert.equal(app.takes("10.0.0.1", 69), true);
  assert.equal(app.port, 69);
  assert.equal(app.takes("10.0.0.1", 4000), true);
  assert.equal(app.port, 4000);
  assert.equal(app.takes("10.0.0.1", 4001), false);
  assert.equal(app.takes("10.0.0.1", 69), true);
  assert.equal(app.port, 4000);
});

test("an address is known however it is written", () => {
  assert.equal(new ReplyPort("fd00:0:0::1", 69).takes("fd00::1", 1), true);
  assert.equal(new ReplyPort("fe80::1%2", 69).takes("fe80::1%eth0", 1), true);
  assert.equal(new ReplyPort("0.0.0.0", 69).takes("127.0.0.1", 1), true);
  assert.equal(new ReplyPort("fd00::1", 69).takes("fd00::2", 69), false);
});

test("answers of this machine are waited for on loopback", () => {
  assert.equal(new ReplyPort("127.0.0.1", 69).waitAt, "127.0.0.1");
  assert.equal(new ReplyPort("::", 69).waitAt, "::1");
  assert.equal(new ReplyPort("10.0.0.1", 69).waitAt, undefined);
});
