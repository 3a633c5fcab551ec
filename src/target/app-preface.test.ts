import assert from "node:assert/strict";
import { test } from "node:test";
import type { Place } from "../base/address.ts";
import { ownPreface, prefaceFor } from "./app-preface.ts";

const APP: Place = { kind: "tcp", host: "127.0.0.1", port: 3000 };

test("an app is told the client's address, and its own as where the connection goes", () => {
  const lines: readonly (readonly [string, Place, string])[] = [
    ["192.0.2.1:5000", APP, "PROXY TCP4 192.0.2.1 127.0.0.1 5000 3000"],
    ["[2001:db8::1]:5000", APP, "PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 5000 3000"],
    ["[fe80::1%eth0]:5000", APP, "PROXY TCP6 fe80::1 ::ffff:127.0.0.1 5000 3000"],
    ["192.0.2.1:5000", { kind: "tcp", host: "::1", port: 3000 }, "PROXY TCP4 192.0.2.1 0.0.0.0 5000 3000"],
    ["192.0.2.1:5000", { kind: "tcp", host: "app.internal", port: 3000 }, "PROXY TCP4 192.0.2.1 0.0.0.0 5000 3000"],
    ["[::1]:5000", { kind: "unix", path: "/run/app.sock" }, "PROXY TCP6 ::1 :: 5000 0"],
  ];
  for (const [client, app, line] of lines) assert.equal(prefaceFor("v1", client, app).toString(), `${line}\r\n`);
  assert.equal(
    prefaceFor("v2", "192.0.2.1:5000", APP).toString("hex"),
    "0d0a0d0a000d0a515549540a2111000cc00002017f00000113880bb8",
  );
});

test("a client without an address is unknown, and so is whatever a peer makes up", () => {
  for (const client of ["", "unix", "192.0.2.1", "192.0.2.1:70000", "192.0.2.300:1", "a b:1", "1.2.3.4:5\r\nPROXY"]) {
    assert.equal(prefaceFor("v1", client, APP).toString(), "PROXY UNKNOWN\r\n");
    assert.equal(prefaceFor("v2", client, APP).toString("hex"), "0d0a0d0a000d0a515549540a21000000");
  }
  assert.equal(ownPreface("v1").toString(), "PROXY UNKNOWN\r\n");
  assert.equal(ownPreface("v2").toString("hex"), "0d0a0d0a000d0a515549540a20000000");
});
