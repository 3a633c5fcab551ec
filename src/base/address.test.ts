import assert from "node:assert/strict";
import { test } from "node:test";
import {
  certificateName,
  formatPlace,
  isLocalPlace,
  isLoopback,
  parseLinkAddress,
  parseLinkListenerAddress,
  parseListenerAddress,
  parseTargetAddress,
} from "./address.ts";
import { PolarityError } from "./errors.ts";

const tcp = (host: string, port: number) => ({ kind: "tcp", host, port });

test("a target says its protocol by its scheme, and a port alone is http on this machine", () => {
  const cases = [
    ["http://127.0.0.1:3000", "http", "http/1.1", tcp("127.0.0.1", 3000), "http://127.0.0.1:3000"],
    ["HTTP://App.Example.com:3000/", "http", "http/1.1", tcp("app.example.com", 3000), "http://app.example.com:3000"],
    ["http://app", "http", "http/1.1", tcp("app", 80), "http://app:80"],
    ["3000", "http", "http/1.1", tcp("127.0.0.1", 3000), "http://127.0.0.1:3000"],
    ["localhost:3000", "http", "http/1.1", tcp("localhost", 3000), "http://localhost:3000"],
    ["tcp://[::1]:5432", "tcp", "tcp", tcp("::1", 5432), "tcp://[::1]:5432"],
    ["tcp://[fe80::1%eth0]:22", "tcp", "tcp", tcp("fe80::1%eth0", 22), "tcp://[fe80::1%eth0]:22"],
    ["udp://dns.example.com:53", "udp", "udp", tcp("dns.example.com", 53), "udp://dns.example.com:53"],
    ["unix:8080", "http", "http/1.1", tcp("unix", 8080), "http://unix:8080"],
    ["unix:/run/app.sock", "unix", "tcp", { kind: "unix", path: "/run/app.sock" }, "unix:///run/app.sock"],
    ["unix:///run/app.sock", "unix", "tcp", { kind: "unix", path: "/run/app.sock" }, "unix:///run/app.sock"],
  ] as const;
  for (const [text, scheme, protocol, place, url] of cases) {
    assert.deepEqual(parseTargetAddress(text), { scheme, protocol, place, url });
  }
});

test("a listener may use every interface and port 0", () => {
  const cases = [
    [":8001", "http", tcp("", 8001), "http://:8001"],
    ["http://:8001", "http", tcp("", 8001), "http://:8001"],
    ["http://*:8001", "http", tcp("", 8001), "http://:8001"],
    ["127.0.0.1:8001", "http", tcp("127.0.0.1", 8001), "http://127.0.0.1:8001"],
    ["tcp://0.0.0.0:0", "tcp", tcp("0.0.0.0", 0), "tcp://0.0.0.0:0"],
    ["udp://:53", "udp", tcp("", 53), "udp://:53"],
    ["udp://[::1]:0", "udp", tcp("::1", 0), "udp://[::1]:0"],
    ["tls://:8443", "tls", tcp("", 8443), "tls://:8443"],
    ["https://:8443", "https", tcp("", 8443), "https://:8443"],
    ["http://[::]:80", "http", tcp("::", 80), "http://[::]:80"],
    ["unix:///run/bus.sock", "unix", { kind: "unix", path: "/run/bus.sock" }, "unix:///run/bus.sock"],
  ] as const;
  for (const [text, scheme, place, url] of cases) {
    const protocol = scheme === "udp" ? "udp" : scheme === "http" || scheme === "https" ? "http/1.1" : "tcp";
    assert.deepEqual(parseListenerAddress(text), { scheme, protocol, place, url });
  }
});

test("a router can be dialled over every transport; websockets keep their path and have the usual ports", () => {
  const cases = [
    ["tcp://edge:8000", "tcp", tcp("edge", 8000), "", "tcp://edge:8000"],
    ["edge:8000", "tcp", tcp("edge", 8000), "", "tcp://edge:8000"],
    ["8000", "tcp", tcp("127.0.0.1", 8000), "", "tcp://127.0.0.1:8000"],
    ["tls://edge:8000", "tls", tcp("edge", 8000), "", "tls://edge:8000"],
    ["ws://edge", "ws", tcp("edge", 80), "/", "ws://edge:80"],
    ["wss://edge/link?a=b", "wss", tcp("edge", 443), "/link?a=b", "wss://edge:443/link?a=b"],
    ["unix:///run/link", "unix", { kind: "unix", path: "/run/link" }, "", "unix:///run/link"],
  ] as const;
  for (const [text, transport, place, path, url] of cases) {
    assert.deepEqual(parseLinkAddress(text), { transport, place, path, url });
  }
});

test("an abstract unix socket is written unix:@name, with or without slashes, and printed as @name", () => {
  for (const text of ["unix:@bus", "unix://@bus", "UNIX:@bus"]) {
    for (const parse of [parseTargetAddress, parseListenerAddress, parseLinkAddress, parseLinkListenerAddress]) {
      const { place, url } = parse(text);
      assert.deepEqual(place, { kind: "unix", path: "\0bus" });
      assert.equal(url, "unix:@bus");
      assert.equal(formatPlace(place), "@bus");
      assert.ok(isLocalPlace(place));
    }
  }
  const odd = parseTargetAddress("unix:@Bus/a=b@c:1#x");
  assert.deepEqual(odd.place, { kind: "unix", path: "\0Bus/a=b@c:1#x" });
  assert.deepEqual(parseTargetAddress(`unix:@${"x".repeat(107)}`).place, {
    kind: "unix",
    path: `\0${"x".repeat(107)}`,
  });
});

test("a name with records has no port of its own where the records have it", () => {
  const place = (host: string, port: number, records: object) => ({ kind: "tcp", host, port, records });
  const naptr = (service: string) => ({ kind: "naptr", service });
  const cases = [
    [
      "srv+http://_web._tcp.Example.com",
      place("_web._tcp.example.com", 0, { kind: "srv" }),
      "srv+http://_web._tcp.example.com",
    ],
    ["srv+tcp://web.service.consul/", place("web.service.consul", 0, { kind: "srv" }), "srv+tcp://web.service.consul"],
    ["srv+udp://_dns._udp.test", place("_dns._udp.test", 0, { kind: "srv" }), "srv+udp://_dns._udp.test"],
    [
      "naptr+tcp://example.com?service=bus:tcp",
      place("example.com", 0, naptr("bus:tcp")),
      "naptr+tcp://example.com?service=bus:tcp",
    ],
    [
      "naptr+tcp://example.com:7000/?service=SIP+D2T",
      place("example.com", 7000, naptr("SIP+D2T")),
      "naptr+tcp://example.com:7000?service=SIP+D2T",
    ],
    ["naptr+http://example.com", place("example.com", 80, naptr("")), "naptr+http://example.com:80"],
  ] as const;
  for (const [text, expected, url] of cases) {
    const parsed = parseTargetAddress(text);
    assert.deepEqual([parsed.place, parsed.url], [expected, url]);
    assert.deepEqual(parseTargetAddress(url), parsed);
  }
  const link = parseLinkAddress("srv+wss://_edge._tcp.example.com/link?a=b");
  assert.deepEqual(
    [link.transport, link.path, link.url],
    ["wss", "/link?a=b", "srv+wss://_edge._tcp.example.com/link?a=b"],
  );
  assert.equal(certificateName(link.place), "example.com");
  assert.equal(certificateName(parseTargetAddress("https://_odd._tcp.example.com").place), "_odd._tcp.example.com");
  assert.ok(!isLocalPlace(link.place));
});

test("a URL that was understood is understood again in its normalised form", () => {
  for (const text of ["3000", "tcp://[::1]:1", "http://a", "unix:///x", "unix:@x"]) {
    const { url } = parseTargetAddress(text);
    assert.equal(parseTargetAddress(url).url, url);
  }
  for (const text of [":80", "127.0.0.1:0", "tcp://[::]:1"]) {
    const { url } = parseListenerAddress(text);
    assert.equal(parseListenerAddress(url).url, url);
  }
  for (const text of ["ws://a", "wss://a/b?c", "tls://[::1]:9"]) {
    const { url } = parseLinkAddress(text);
    assert.equal(parseLinkAddress(url).url, url);
  }
});

test("what cannot be understood is refused with a form that would do and the reason", () => {
  const cases: readonly (readonly [(text: string) => unknown, string, RegExp])[] = [
    [parseTargetAddress, "", /^expected a URL such as http:\/\/127\.0\.0\.1:3000 .*it is empty$/],
    [parseTargetAddress, "http://", /the host is missing/],
    [parseTargetAddress, "http://:3000", /the host is missing/],
    [parseTargetAddress, "tcp://db", /the port is missing \(got tcp:\/\/db\)/],
    [parseTargetAddress, "web", /the port is missing \(got web\)/],
    [parseTargetAddress, "tcp://db:", /the port is missing/],
    [parseTargetAddress, "tcp://db:0", /a port is a number from 1 to 65535, not 0/],
    [parseTargetAddress, "tcp://db:65536", /not 65536/],
    [parseTargetAddress, "tcp://db:080000", /not 080000/],
    [parseTargetAddress, "tcp://db:54x2", /not 54x2/],
    [parseTargetAddress, "tcp://::1:5432", /an IPv6 host needs brackets/],
    [parseTargetAddress, "tcp://[::1:5432", /the brackets do not match/],
    [parseTargetAddress, "tcp://[::1]5432", /the brackets do not match/],
    [parseTargetAddress, "tcp://[1:2]:5", /"1:2" is not an IPv6 address/],
    [parseTargetAddress, "tcp://[1::2::3]:5", /is not an IPv6 address/],
    [parseTargetAddress, "tcp://256.1.1.1:5", /256\.1\.1\.1 is not an IPv4 address/],
    [parseTargetAddress, "tcp://1.2.3:5", /is not an IPv4 address/],
    [parseTargetAddress, "tcp://-a-:5", /"-a-" is not a host name/],
    [parseTargetAddress, "tcp://a..b:5", /is not a host name/],
    [parseTargetAddress, "http://a:1/base", /nothing may follow the port, but \/base does/],
    [parseTargetAddress, "http://a:1?x", /nothing may follow the port/],
    [parseTargetAddress, "http://a:1#x", /nothing may follow a #/],
    [
      parseTargetAddress,
      "ftp://a:1",
      /ftp:\/\/ is not one of http:\/\/, https:\/\/, h2c:\/\/, tcp:\/\/, tls:\/\/, unix:\/\/, udp:\/\//,
    ],
    [parseTargetAddress, "udp://a", /the port is missing/],
    [parseTargetAddress, "http://a b:1", /a space or a control character/],
    [parseTargetAddress, "http://a:1\n", /a space or a control character/],
    [parseTargetAddress, "/run/app.sock", /the scheme is missing/],
    [parseTargetAddress, "unix://run/app.sock", /a unix socket needs an absolute path/],
    [parseTargetAddress, `unix:///${"x".repeat(107)}`, /the path of a unix socket has at most 107 bytes/],
    [parseTargetAddress, "unix:@", /the name of the abstract unix socket is missing/],
    [
      parseTargetAddress,
      "unix:run/app.sock",
      /a unix socket needs an absolute path, as in unix:\/\/\/run\/app.sock, or a name, as in unix:@app/,
    ],
    [parseTargetAddress, "unix:@a b", /a space or a control character/],
    [parseTargetAddress, `unix:@${"é".repeat(54)}`, /the name of an abstract unix socket has at most 107 bytes/],
    [parseTargetAddress, "srv+tcp://_db._tcp.test:5432", /SRV records say the port, so the URL has none/],
    [parseTargetAddress, "srv+tcp://127.0.0.1", /a name with records is no address/],
    [parseTargetAddress, "srv+tcp://[::1]", /a name with records is no address/],
    [parseTargetAddress, "srv+unix:///run/x", /srv\+unix:\/\/ is for what is dialled by a name/],
    [parseTargetAddress, "srv+ftp://a.test", /ftp:\/\/ is not one of/],
    [parseTargetAddress, "naptr+tcp://a.test?protocol=x", /of NAPTR records a URL says at most \?service=NAME/],
    [parseListenerAddress, "srv+tcp://_db._tcp.test", /srv\+tcp:\/\/ is for what is dialled by a name/],
    [parseTargetAddress, "https+unix:///run/x", /https\+unix:\/\/ is not one of/],
    [parseTargetAddress, "http+unix://run/x", /a unix socket needs an absolute path/],
    [parseListenerAddress, "http+unix:///run/x", /http\+unix:\/\/ is not one of/],
    [parseListenerAddress, "http://0.0.0.0", /^expected a URL such as http:\/\/0\.0\.0\.0:8001: the port is missing/],
    [parseLinkListenerAddress, "udp://:443", /udp:\/\/ is not one of tcp:\/\/, unix:\/\//],
    [parseLinkAddress, "udp://a:443", /udp:\/\/ is not one of/],
    [
      parseLinkListenerAddress,
      "wss://:8000",
      /use tcp:\/\/ instead of wss:\/\/: one port takes raw, websocket and TLS/,
    ],
    [parseLinkListenerAddress, "http://:8000", /http:\/\/ is not one of tcp:\/\/, unix:\/\//],
    [parseLinkAddress, "http://edge:8000", /http:\/\/ is not one of/],
    [parseLinkAddress, "ws://edge?x", /a path starts with \//],
    [parseLinkAddress, "tls://edge", /the port is missing/],
  ];
  for (const [parse, text, message] of cases) {
    assert.throws(
      () => parse(text),
      (error) => {
        assert.ok(error instanceof PolarityError);
        assert.equal(error.code, "ADDRESS_INVALID");
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test("credentials in a URL are refused without being repeated", () => {
  assert.throws(
    () => parseLinkAddress("wss://me:secret@edge"),
    (error: Error) => {
      assert.match(error.message, /use a token file/);
      return !error.message.includes("secret");
    },
  );
});

test("loopback is what only this machine can reach", () => {
  for (const host of ["localhost", "LOCALHOST", "app.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of [
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "127.example.com",
    "1127.0.0.1",
    "localhost.example.com",
    "::ffff:10.0.0.1",
    "127.0.0.1.example.com",
  ]) {
    assert.equal(isLoopback(host), false, host);
  }
});

test("a place is written with brackets round an IPv6 host", () => {
  assert.equal(formatPlace({ kind: "tcp", host: "::1", port: 80 }), "[::1]:80");
  assert.equal(formatPlace({ kind: "tcp", host: "a", port: 80 }), "a:80");
  assert.equal(formatPlace({ kind: "unix", path: "/run/x" }), "/run/x");
});

test("a port alone is one of this machine, for what listens as for what is dialled", () => {
  assert.equal(parseListenerAddress("8001").url, "http://127.0.0.1:8001");
  assert.equal(parseLinkListenerAddress("8000").url, "tcp://127.0.0.1:8000");
  assert.equal(parseTargetAddress("3000").url, "http://127.0.0.1:3000");
});

test("an HTTP app behind a unix socket is named by both", () => {
  const path = parseTargetAddress("http+unix:///run/app.sock");
  assert.deepEqual(path, {
    scheme: "http",
    protocol: "http/1.1",
    place: { kind: "unix", path: "/run/app.sock" },
    url: "http+unix:///run/app.sock",
  });
  const abstract = parseTargetAddress("h2c+unix:@app");
  assert.deepEqual(
    [abstract.scheme, abstract.place, abstract.url],
    ["h2c", { kind: "unix", path: "\0app" }, "h2c+unix:@app"],
  );
});
