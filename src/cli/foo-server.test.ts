import assert from "node:assert/strict";
import { test } from "node:test";
import { fooAnswer } from "./foo-server.ts";

for (const [line, answer] of [
  ["REQ 1 Hey", "ACK 1 f2e400a9bdc463dc10aa3596e0fe036a"],
  ["REQ 5 Hey", "NAK 5 2375d78ba68f41491c19f88c91d73dc5"],
  ["x", "NAK 0 ERRDECODE"],
  ["", "NAK 0 ERRDECODE"],
  ["REQ Hey", "NAK 0 ERRDECODE"],
  ["req 1 Hey", "NAK 0 ERRDECODE"],
] as const) {
  test(`the Foo server answers ${JSON.stringify(line)} with ${answer}`, () => {
    assert.equal(fooAnswer(line), answer);
  });
}

test("its answers have the number that was asked, ACK or NAK by how their hash begins", () => {
  for (let seq = -50; seq < 200; seq++) {
    const [type, number, hash, ...rest] = fooAnswer(`REQ ${seq} data ${"é👋".repeat(seq & 3)}`).split(" ");
    assert.deepEqual([number, rest], [`${seq}`, []]);
    assert.match(hash ?? "", /^[0-9a-f]{32}$/);
    assert.equal(type, /^[2d]/.test(hash ?? "") ? "NAK" : "ACK");
  }
});
