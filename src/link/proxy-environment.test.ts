import assert from "node:assert/strict";
import { test } from "node:test";

import { parseLinkAddress } from "../base/address.ts";
import { type Environment, proxyFor } from "./proxy-environment.ts";
import { ReconnectDelay } from "./reconnect-delay.ts";

const secure = { HTTPS_PROXY: "http://secure:1" };
const plain = { HTTP_PROXY: "http://plain:2" };
const both = { ...secure, ...plain };

const cases: readonly (readonly [string, Environment, string | undefined])[] = [
  ["wss://edge.example", both, "secure:1"],
  ["tls://edge.example:1", both, "secure:1"],
  ["ws://edge.example", both, "plain:2"],
  ["tcp://edge.example:1", both, "secure:1"],
  ["tcp://edge.example:1", plain, "plain:2"],
  ["wss://edge.example", plain, undefined],
  ["ws://edge.example", secure, undefined],
  ["wss://edge.example", { ALL_PROXY: "any:3" }, "any:3"],
  ["wss://edge.example", { https_proxy: "http://lower:4", HTTPS_PROXY: "http://upper:5" }, "lower:4"],
  ["wss://edge.example", { HTTPS_PROXY: "" }, undefined],
  ["wss://edge.example", { ...secure, NO_PROXY: "*" }, undefined],
  ["wss://edge.example", { ...secure, no_proxy: "other, edge.example" }, undefined],
  ["wss://a.edge.example", { ...secure, NO_PROXY: "edge.example" }, undefined],
  ["wss://a.edge.example", { ...secure, NO_PROXY: ".edge.example" }, undefined],
  ["wss://a.edge.example", { ...secure, NO_PROXY: "*.edge.example" }, undefined],
  ["wss://hedge.example", { ...secure, NO_PROXY: "edge.example" }, "secure:1"],
  ["wss://edge.example:8443", { ...secure, NO_PROXY: "edge.example:443" }, "secure:1"],
  ["wss://edge.example", { ...secure, NO_PROXY: "EDGE.example:443" }, undefined],
  ["wss://10.1.2.3", { ...secure, NO_PROXY: "10.0.0.0/8" }, undefined],
  ["wss://11.1.2.3", { ...secure, NO_PROXY: "10.0.0.0/8" }, "secure:1"],
  ["wss://[2001:db8::1]", { ...secure, NO_PROXY: "2001:db8::1" }, undefined],
  ["wss://[2001:db8::1]", { ...secure, NO_PROXY: "[2001:db8::1]:443" }, undefined],
  ["wss://[2001:0DB8:0::1]", { ...secure, NO_PROXY: "2001:db8::1" }, undefined],
  ["wss://[fd00:1::7]", { ...secure, NO_PROXY: "fd00::/8" }, undefined],
  ["wss://[fe00:1::7]", { ...secure, NO_PROXY: "fd00::/8" }, "secure:1"],
  ["wss://[fd00:1::7]", { ...secure, NO_PROXY: "10.0.0.0/8, [fd00::]/8" }, undefined],
  ["wss://[::ffff:10.1.2.3]", { ...secure, NO_PROXY: "10.0.0.0/8" }, undefined],
  ["wss://10.1.2.3", { ...secure, NO_PROXY: "10.0.0.0/33 fd00::/129 x/8" }, "secure:1"],
  ["wss://edge.example", { ...secure, NO_PROXY: "10.0.0.0/8" }, "secure:1"],
  ["unix:///run/link.sock", both, undefined],
  ["tcp://127.0.0.1:8000", both, undefined],
  ["tls://localhost:8000", both, undefined],
  ["ws://127.0.0.1:8000", both, "plain:2"],
];
for (const [url, environment, expected] of cases) {
  test(`${url} with ${JSON.stringify(environment)} goes ${expected === undefined ? "straight" : `through ${expected}`}`, () => {
    assert.equal(proxyFor(parseLinkAddress(url), environment)?.host, expected);
  });
}

test("a proxy that cannot be read is named by the variable as it is written", () => {
  assert.throws(
    () => proxyFor(parseLinkAddress("wss://edge.example"), { https_proxy: "http://[::1" }),
    /^PolarityError: the environment variable https_proxy is no URL of a proxy, such as http:\/\//,
  );
});

test("a proxy that cannot be used is an error that does not show its password", () => {
  for (const value of ["socks5://user:secret@p:1", "http://user:secret@:x"]) {
    assert.throws(
      () => proxyFor(parseLinkAddress("wss://edge.example"), { HTTPS_PROXY: value }),
      (error: Error) => error.message.includes("HTTPS_PROXY") && !error.message.includes("secret"),
    );
  }
});

test("the wait before dialling again doubles from 250 ms to 10 s, anywhere below its bound", () => {
  const latest = new ReconnectDelay(() => 1);
  const waits = Array.from({ length: 9 }, () => latest.afterFailure());
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  assert.equal(new ReconnectDelay(() => 0).afterFailure(), 0);
  const forEver = new ReconnectDelay(() => 1);
  for (let attempt = 0; attempt < 5_000; attempt++) forEver.afterFailure();
  assert.equal(forEver.afterFailure(), 10_000);
});

test("a link that lived a minute is replaced at once and counts as a fresh start; a shorter one does not", () => {
  const delay = new ReconnectDelay(() => 1);
  assert.equal(delay.afterLink(59_999), 250);
  assert.equal(delay.afterLink(100), 500);
  assert.equal(delay.afterLink(60_000), 0);
  assert.equal(delay.afterFailure(), 250);
});

test("a rejected node waits about half a minute", () => {
  assert.equal(new ReconnectDelay(() => 0).afterRejection(), 27_000);
  assert.equal(new ReconnectDelay(() => 1).afterRejection(), 33_000);
});
