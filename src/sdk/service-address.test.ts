import assert from "node:assert/strict";
import { test } from "node:test";
import { parseServiceAddress, parseServiceHost, serviceHost, wireServiceName } from "./service-address.ts";

test("the machine stands before the first dot, the rest is the service, and a port is passed over", () => {
  assert.deepEqual(parseServiceAddress("phone0.a.b"), { machine: "phone0", service: "a.b" });
  assert.deepEqual(parseServiceAddress("phone0.web:8080"), { machine: "phone0", service: "web" });
  assert.deepEqual(parseServiceAddress(".a.b"), { machine: undefined, service: "a.b" });
  assert.deepEqual(parseServiceAddress("phone0.two%20words"), parseServiceAddress("phone0.two words"));
  for (const bad of ["phone0", "phone0:80", "phone0.", ".", "", "a b.c", `phone0.${"x".repeat(254)}`]) {
    assert.throws(() => parseServiceAddress(bad), { code: "ADDRESS_INVALID" }, bad);
  }
});

test("names on links have no blanks and no control characters", () => {
  assert.equal(wireServiceName("two words\n"), "two%20words%0A");
  assert.equal(wireServiceName("two%20words%0A"), "two%20words%0A");
  assert.equal(wireServiceName("a,b;50%"), "a,b;50%");
});

test("every name survives a URL, in a host of its own", () => {
  const names = [
    "web",
    "a.b",
    "a,b",
    "two words",
    "two%20words",
    "line\n",
    "UPPER",
    "50%",
    "a%2Fb",
    "=41",
    "ü",
    "日本",
    "7",
    "a.0x1f",
    ".a",
    "a..b",
    "a.",
    "xn--p",
    "\u00a0",
    "*",
    "x".repeat(63) + ".y",
    "[::1]",
    "@?#/\\",
  ];
  const hosts = new Set<string>();
  for (const service of names) {
    const host = serviceHost({ machine: "phone0", service });
    const { hostname } = new URL(`http://${host}:80/`);
    assert.equal(hostname, host, "parsers leave it as it is");
    assert.match(host, /^[a-z0-9_=.-]+$/);
    assert.deepEqual(parseServiceHost(hostname), { machine: "phone0", service: wireServiceName(service) }, service);
    hosts.add(host);
  }
  assert.equal(hosts.size, names.length - 1, "only the two spellings of one name share a host");
  assert.equal(serviceHost({ machine: "phone0", service: "Two Words" }), "phone0.=54wo=20=57ords");
  assert.equal(serviceHost({ machine: undefined, service: "web" }), ".web");
  assert.equal(parseServiceHost(new URL("http://Phone0.grüße/").host).service, "grüße");
});
