import assert from "node:assert/strict";
import { test } from "node:test";

import { Random } from "../../test/support/random.ts";
import { refusedHost } from "./host.ts";
import { readHost } from "./known-hosts.ts";

test("a host is the bytes that name it, whatever was read before it", () => {
  const random = new Random(3);
  const letters = ["a", "b", ".", "-", ":", "1"];
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: random.below(6) }, () => random.pick(letters)).join("");
    const bytes = Buffer.from(`Host: ${text}\r\n`);
    const end = bytes.length - 2;
    const refused = text === "" ? "" : refusedHost(bytes, 6, end);
    assert.deepEqual(readHost(bytes, 6, end), refused === "" ? text : { refused });
  }
});

test("a host that is named again is the same string, and does not depend on the memory that it was read from", () => {
  const bytes = Buffer.from("x.example.com:8080");
  const first = readHost(bytes, 0, bytes.length);
  bytes.fill("y");
  assert.equal(first, "x.example.com:8080");
  const again = Buffer.from("x.example.com:8080");
  assert.equal(readHost(again, 0, again.length), first);
  const long = Buffer.from("l".repeat(5_000));
  assert.equal(readHost(long, 0, long.length), String(long));
});
