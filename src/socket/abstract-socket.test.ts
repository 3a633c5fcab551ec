import assert from "node:assert/strict";
import { test } from "node:test";
import { parseListenerAddress } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { ofThisSystem } from "./abstract-socket.ts";

test("abstract sockets are refused where the system has none, with what would do instead", () => {
  assert.equal(ofThisSystem(parseListenerAddress, "linux")("unix:@bus").url, "unix:@bus");
  for (const platform of ["darwin", "win32", "freebsd"] as const) {
    const parse = ofThisSystem(parseListenerAddress, platform);
    assert.equal(parse("unix:///run/bus").url, "unix:///run/bus");
    assert.throws(
      () => parse("unix://@bus"),
      (error) =>
        error instanceof PolarityError &&
        error.code === "ADDRESS_INVALID" &&
        error.message ===
          `unix:@bus is an abstract unix socket, which only Linux has, and this is ${platform}: use a path, as in unix:///run/app.sock`,
    );
  }
});
