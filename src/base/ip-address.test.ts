import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import { clientKey, formatIp, parseIp, parseIpv4, parseIpv6, unmapped } from "./ip-address.ts";

test("addresses are read and written back in their usual form", () => {
  const forms: readonly (readonly [string, string])[] = [
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["fe80::", "fe80::"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::ffff:c000:201", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ];
  for (const [text, usual] of forms) assert.equal(formatIp(parseIp(text)!), usual, text);
});

test("what is no address is refused, as Node refuses it", () => {
  const wrong = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "1.2.3.4 ",
    "0x1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "[::1]",
  ];
  for (const text of wrong) {
    assert.equal(parseIp(text), undefined, text);
    assert.equal(isIP(text), 0, text);
  }
  assert.equal(parseIp("fe80::1%eth0"), undefined, "a zone means nothing to others");
  assert.equal(parseIpv4("::1"), undefined);
  assert.equal(parseIpv6("1.2.3.4"), undefined);
});

test("one client is an IPv4 address, however it came, or the first half of an IPv6 one", () => {
  assert.equal(clientKey("192.0.2.1"), "192.0.2.1");
  assert.equal(clientKey("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(clientKey("2001:db8:1:2::1"), clientKey("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  assert.notEqual(clientKey("2001:db8:1:2::1"), clientKey("2001:db8:1:3::1"));
  assert.equal(clientKey("fe80::1%eth0"), clientKey("fe80::2"));
  assert.equal(clientKey(""), "");
  assert.equal(unmapped(parseIp("::ffff:1.2.3.4")!).length, 4);
});
