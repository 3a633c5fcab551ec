import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressList, forwardedFrom, hostOf, parseForwarded, portOf, schemeOf } from "./forwarded-list.ts";

const lists: readonly (readonly [value: string, addresses: string | undefined])[] = [
  ["for=192.0.2.43", "192.0.2.43"],
  ["for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com", "192.0.2.43, 198.51.100.17"],
  ['For="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"],
  ['for="192.0.2.43:47011",for="[2001:db8::1]"', "192.0.2.43, 2001:db8::1"],
  ["for=unknown, for=_mdn, proto=https", "unknown, _mdn, unknown"],
  ['for="_gazonk:_port"', "unknown"],
  ["for=12.34.56.78;proto=https ; host=a , ,for=x", "12.34.56.78, unknown"],
  ['for="a\\"b, for=1.2.3.4"', "unknown"],
  ['for="1.2.3.4', undefined],
  ["for=1.2.3.4;for=5.6.7.8", undefined],
  ["for 1.2.3.4", undefined],
  ["for=1.2.3.4 for=5.6.7.8", undefined],
  ["for=[2001:db8::1]", undefined],
  ["", ""],
];

for (const [value, addresses] of lists) {
  test(`Forwarded ${JSON.stringify(value)} names ${addresses === undefined ? "nobody: it is malformed" : `"${addresses}"`}`, () => {
    const elements = parseForwarded(value);
    assert.equal(elements === undefined ? undefined : addressList(elements), addresses);
  });
}

test("protocol and host are read beside the address", () => {
  assert.deepEqual(parseForwarded('for=1.2.3.4;proto=HTTPS;host="a.example:8080"'), [
    { address: "1.2.3.4", proto: "https", host: "a.example:8080" },
  ]);
});

test("whatever X-Forwarded-For says, Forwarded made of it is well-formed and names as many hops", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6())),
      fc.string(),
      fc.string(),
      (items, proto, host) => {
        const forwardedFor = items.map((item) => item.replaceAll(",", "")).join(",");
        const made = forwardedFrom(forwardedFor, schemeOf(proto), hostOf(host));
        const elements = parseForwarded(made);
        assert.equal(elements?.length, items.filter((item) => item.replaceAll(",", "").trim() !== "").length);
        assert.equal(
          forwardedFrom(addressList(elements ?? []), elements?.[0]?.proto ?? "", elements?.[0]?.host ?? ""),
          made,
        );
      },
    ),
    { numRuns: 500 },
  );
});

test("ports follow the host, the listener and the scheme, in this order", () => {
  assert.equal(portOf("a:8080", "https", "8443"), "8080");
  assert.equal(portOf("a", "https", "8443"), "8443");
  assert.equal(portOf("a:", "https", "8443"), "8443");
  assert.equal(portOf("[::1]", "http", "8001"), "8001");
  assert.equal(portOf("a:", "https", ""), "443");
  assert.equal(portOf("", "http", ""), "80");
});
