import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { forwardedEnding, forwardedStart, ForwardingContext, rewritePath, viaName } from "./request-forwarding.ts";
import type { ForwardingOptions } from "./request-forwarding.ts";
import { parseRequestHead } from "./request-head.ts";

const OPTIONS: ForwardingOptions = {
  via: "edge-1",
  instance: "1a2b3c",
  clientAddress: "192.0.2.7",
  clientPort: 0,
  proto: "http",
  trusted: false,
  defaultHost: "127.0.0.1:8001",
  port: 8001,
};
const TRUSTED: ForwardingOptions = { ...OPTIONS, trusted: true };

/** What an untrusted client's request with Host `a` ends with. */
const ENDING = [
  "Via: 1.1 edge-1",
  "X-Forwarded-For: 192.0.2.7",
  "X-Forwarded-Proto: http",
  "X-Forwarded-Host: a",
  "X-Forwarded-Port: 8001",
  'Forwarded: for=192.0.2.7;host="a";proto=http',
];

/** One of each family that some framework, proxy or cloud made up. */
const CLAIMS = [
  "X-Real-IP",
  "X-Client-IP",
  "X-Cluster-Client-IP",
  "X-Forwarded",
  "X-Forwarded-Server",
  "X-Forwarded-Prefix",
  "X-Forwarded-Ssl",
  "X-Forwarded-Scheme",
  "X-Original-URL",
  "X-Rewrite-URL",
  "X-Original-Host",
  "X-Original-Forwarded-For",
  "X-Envoy-External-Address",
  "X-Remote-Addr",
  "Client-IP",
  "True-Client-IP",
  "CF-Connecting-IP",
  "CF-Connecting-IPv6",
  "Fastly-Client-IP",
  "Front-End-Https",
  "WL-Proxy-Client-IP",
];

const cases: readonly (readonly [sentence: string, sent: readonly string[], forwarded: readonly string[]])[] = [
  [
    "end-to-end fields travel verbatim and in order",
    ["GET /x?y HTTP/1.1", "Host: a", "B:  c ", "accept: */*", "B: d"],
    ["GET /x?y HTTP/1.1", "Host: a", "B:  c ", "accept: */*", "B: d", ...ENDING],
  ],
  ["a request without further fields", ["GET / HTTP/1.1", "Host: a"], ["GET / HTTP/1.1", "Host: a", ...ENDING]],
  [
    "Host comes first",
    ["GET / HTTP/1.1", "B: c", "Host:a", "D: e"],
    ["GET / HTTP/1.1", "Host: a", "B: c", "D: e", ...ENDING],
  ],
  [
    "an absolute target becomes a path and names the host",
    ["GET http://a/x HTTP/1.1", "Host: other", "B: c"],
    ["GET /x HTTP/1.1", "Host: a", "B: c", ...ENDING],
  ],
  ["* stays *", ["OPTIONS * HTTP/1.1", "Host: a"], ["OPTIONS * HTTP/1.1", "Host: a", ...ENDING]],
  [
    "connection fields end here",
    [
      "GET / HTTP/1.1",
      "Host: a",
      "Connection: keep-alive",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "B: c",
    ],
    ["GET / HTTP/1.1", "Host: a", "B: c", ...ENDING],
  ],
  [
    "what Connection names ends here",
    ["GET / HTTP/1.1", "Host: a", "X-Hop: 1", "B: c", "Connection: x-hop, close", "X-HOP: 2"],
    ["GET / HTTP/1.1", "Host: a", "B: c", ...ENDING],
  ],
  [
    "Connection cannot remove framing, routing or identity",
    [
      "POST / HTTP/1.1",
      "Host: a",
      "Content-Length: 3",
      "Content-Type: t",
      "X-Service-Id: s",
      "Authorization: b",
      "Connection: host, content-length, Content-Type, x-service-id, authorization, via",
    ],
    [
      "POST / HTTP/1.1",
      "Host: a",
      "Content-Length: 3",
      "Content-Type: t",
      "X-Service-Id: s",
      "Authorization: b",
      ...ENDING,
    ],
  ],
  [
    "Connection cannot remove chunking",
    [
      "POST / HTTP/1.1",
      "Host: a",
      "Transfer-Encoding: chunked",
      "Trailer: x",
      "Connection: transfer-encoding, trailer",
    ],
    ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Trailer: x", ...ENDING],
  ],
  [
    "credentials for a proxy end here",
    ["GET / HTTP/1.1", "Host: a", "Proxy-Authorization: Basic x", "Authorization: Basic y"],
    ["GET / HTTP/1.1", "Host: a", "Authorization: Basic y", ...ENDING],
  ],
  [
    "an expectation travels on",
    ["POST / HTTP/1.1", "Host: a", "Expect: 100-continue", "Content-Length: 1"],
    ["POST / HTTP/1.1", "Host: a", "Expect: 100-continue", "Content-Length: 1", ...ENDING],
  ],
  [
    "of TE only trailers travels on",
    ["GET / HTTP/1.1", "Host: a", "TE: gzip, trailers", "Connection: TE"],
    ["GET / HTTP/1.1", "Host: a", "Connection: TE", "TE: trailers", ...ENDING],
  ],
  [
    "TE without trailers ends here",
    ["GET / HTTP/1.1", "Host: a", "TE: gzip", "Connection: TE"],
    ["GET / HTTP/1.1", "Host: a", ...ENDING],
  ],
  [
    "an upgrade is asked for again",
    ["GET / HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Key: k"],
    ["GET / HTTP/1.1", "Host: a", "Sec-WebSocket-Key: k", "Connection: upgrade", "Upgrade: websocket", ...ENDING],
  ],
  [
    "an upgrade to h2c ends here",
    ["GET / HTTP/1.1", "Host: a", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: A"],
    ["GET / HTTP/1.1", "Host: a", ...ENDING],
  ],
  [
    "HTTP2-Settings ends here even unnamed",
    ["GET / HTTP/1.1", "Host: a", "HTTP2-Settings: A"],
    ["GET / HTTP/1.1", "Host: a", ...ENDING],
  ],
  [
    "what a stranger says about its client is replaced",
    [
      "GET / HTTP/1.1",
      "Host: a",
      "X-Forwarded-For: 10.0.0.1",
      "Forwarded: for=10.0.0.1",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: b",
      "X-Forwarded-Port: 1",
      "X-Real-IP: 10.0.0.1",
      "B: c",
    ],
    ["GET / HTTP/1.1", "Host: a", "B: c", ...ENDING],
  ],
  [
    "nobody sets a CGI program's proxy",
    ["GET / HTTP/1.1", "Host: a", "Proxy: http://evil", "B: c"],
    ["GET / HTTP/1.1", "Host: a", "B: c", ...ENDING],
  ],
  [
    "underscores do not smuggle an address in",
    [
      "GET / HTTP/1.1",
      "Host: a",
      "X_Forwarded_For: 10.0.0.1",
      "x-real_ip: 10.0.0.1",
      "x_service_id: admin",
      "X_Request_Id: r1",
      "True_Client_IP: 10.0.0.1",
      "My_Own: c",
    ],
    ["GET / HTTP/1.1", "Host: a", "My_Own: c", ...ENDING],
  ],
  [
    "an existing Via is followed by ours",
    ["GET / HTTP/1.1", "Host: a", "Via: 1.0 fred"],
    ["GET / HTTP/1.1", "Host: a", "Via: 1.0 fred", ...ENDING],
  ],
  [
    "a request id travels on",
    ["GET / HTTP/1.1", "Host: a", "X-Request-Id: r1"],
    ["GET / HTTP/1.1", "Host: a", "X-Request-Id: r1", ...ENDING],
  ],
  [
    "bytes above ASCII travel on",
    ["GET / HTTP/1.1", "Host: a", "B: \xe9\xff"],
    ["GET / HTTP/1.1", "Host: a", "B: \xe9\xff", ...ENDING],
  ],
];

for (const [sentence, sent, expected] of cases) {
  test(sentence, () => assert.deepEqual(forward(sent, OPTIONS), expected));
}

test("an HTTP/1.0 request is forwarded as HTTP/1.1, with a Host, and Via tells", () => {
  assert.deepEqual(forward(["POST / HTTP/1.0", "Content-Length: 2", "Expect: 100-continue"], OPTIONS).slice(0, 4), [
    "POST / HTTP/1.1",
    "Host: 127.0.0.1:8001",
    "Content-Length: 2",
    "Via: 1.0 edge-1",
  ]);
});

const addresses: readonly (readonly [address: string, port: number, forwardedFor: string, node: string])[] = [
  ["192.0.2.7", 0, "192.0.2.7", "192.0.2.7"],
  ["192.0.2.7", 55010, "192.0.2.7", '"192.0.2.7:55010"'],
  ["2001:db8::7", 0, "2001:db8::7", '"[2001:db8::7]"'],
  ["2001:db8::7", 55010, "2001:db8::7", '"[2001:db8::7]:55010"'],
  ["::ffff:192.0.2.7", 0, "192.0.2.7", "192.0.2.7"],
  ["", 0, "unknown", "unknown"],
];

for (const [clientAddress, clientPort, forwardedFor, node] of addresses) {
  test(`a client at ${JSON.stringify(clientAddress)} port ${clientPort} is told as ${node}`, () => {
    const lines = forward(["GET / HTTP/1.1", "Host: a"], { ...OPTIONS, clientAddress, clientPort, proto: "https" });
    assert.ok(lines.includes(`X-Forwarded-For: ${forwardedFor}`));
    assert.ok(lines.includes(`Forwarded: for=${node};host="a";proto=https`));
    assert.ok(lines.includes("X-Forwarded-Proto: https"));
  });
}

test("one connection may ask for several hosts", () => {
  const context = new ForwardingContext(OPTIONS);
  for (const host of ["a", "b", "a"]) {
    const text = forwardText(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, context);
    assert.ok(text.includes(`\r\nX-Forwarded-Host: ${host}\r\n`));
  }
  assert.ok(forwardText("GET / HTTP/1.0\r\nHost: a\r\n\r\n", context).includes("\r\nVia: 1.0 edge-1\r\n"));
});

for (const name of CLAIMS) {
  test(`${name} is believed of trusted proxies only`, () => {
    const sent = ["GET / HTTP/1.1", "Host: a", `${name}: 10.0.0.1`, "B: c"];
    assert.deepEqual(forward(sent, OPTIONS), ["GET / HTTP/1.1", "Host: a", "B: c", ...ENDING]);
    assert.deepEqual(forward(sent, TRUSTED), ["GET / HTTP/1.1", "Host: a", `${name}: 10.0.0.1`, "B: c", ...ENDING]);
  });
}

test("the port that a client asked for is its host's, or the listener's, or its scheme's", () => {
  const portFor = (host: string, proto: "http" | "https", port = 0) =>
    forward(["GET / HTTP/1.1", `Host: ${host}`], { ...OPTIONS, proto, port }).find((line) =>
      line.startsWith("X-Forwarded-Port"),
    );
  assert.equal(portFor("a:8001", "http", 9000), "X-Forwarded-Port: 8001");
  assert.equal(portFor("a", "https", 8443), "X-Forwarded-Port: 8443");
  assert.equal(portFor("a", "https"), "X-Forwarded-Port: 443");
  assert.equal(portFor("[2001:db8::1]", "http", 8001), "X-Forwarded-Port: 8001");
  assert.equal(portFor("[2001:db8::1]", "http"), "X-Forwarded-Port: 80");
  assert.equal(portFor("[2001:db8::1]:81", "http", 8001), "X-Forwarded-Port: 81");
});

test("a request that has passed this node's name gets this node's mark, and is known by it the next time", () => {
  const own = new ForwardingContext(OPTIONS);
  const other = new ForwardingContext({ ...OPTIONS, instance: "9f8e7d" });
  const head = (via: string) => {
    const parsed = parseRequestHead(`GET / HTTP/1.1\r\nHost: a\r\n${via}\r\n`);
    return parsed instanceof HttpProblem ? assert.fail(parsed.reason) : parsed;
  };
  const viaOf = (via: string, context: ForwardingContext, service: string) =>
    /^Via: .*\r\n/.exec(forwardedEnding(head(via), context, service))?.[0] ?? "";

  const first = viaOf("", own, "web");
  assert.equal(first, "Via: 1.1 edge-1\r\n");
  assert.equal(viaOf("Via: 1.1 elsewhere\r\n", own, "web"), first);
  assert.equal(own.knowsTurn(head(first), "web"), false);
  const second = viaOf(first, own, "web");
  assert.match(second, /^Via: 1\.1 edge-1 \(1a2b3c-[0-9a-f]{1,8}\)\r\n$/);
  assert.equal(viaOf("via: 1.1 a, HTTP/1.1 edge-1\r\n", own, "web"), second);

  for (const seen of [first + second, `Via: 1.0 a, ${second.slice(5)}`, second.replace("Via: ", "VIA:")]) {
    assert.equal(own.knowsTurn(head(seen), "web"), true, seen);
    // It is on its way to something else, or was marked by another node of the name.
    assert.equal(own.knowsTurn(head(seen), "api"), false, seen);
    assert.equal(other.knowsTurn(head(seen), "web"), false, seen);
  }
});

test("a new request id replaces the one that came; without one, it travels on", () => {
  const text = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: theirs\r\nB: c\r\n\r\n";
  const ours = forwardText(text, new ForwardingContext(OPTIONS), undefined, "ours");
  assert.ok(ours.includes("\r\nX-Request-Id: ours\r\n") && !ours.includes("theirs"));
  const theirs = forwardText(text, new ForwardingContext(OPTIONS));
  assert.ok(theirs.includes("\r\nX-Request-Id: theirs\r\n"));
});

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const traces: readonly (readonly [sentence: string, sent: readonly string[], forwarded: readonly string[]])[] = [
  [
    "a trace travels on with its state",
    [`Traceparent: ${TRACE}`, "tracestate: a=b"],
    [`Traceparent: ${TRACE}`, "tracestate: a=b"],
  ],
  ["state without a trace ends here", ["tracestate: a=b", "B: c"], ["B: c"]],
  ["an invalid trace ends here with its state", ["traceparent: 00-0-0-01", "tracestate: a=b", "B: c"], ["B: c"]],
  ["two traces are none", [`traceparent: ${TRACE}`, `traceparent: ${TRACE}`], []],
  [
    "invalid state ends here, its trace does not",
    [`traceparent: ${TRACE}`, "tracestate: =b"],
    [`traceparent: ${TRACE}`],
  ],
];

for (const [sentence, sent, expected] of traces) {
  test(sentence, () => {
    const lines = forward(["GET / HTTP/1.1", "Host: a", ...sent], OPTIONS);
    assert.deepEqual(lines, ["GET / HTTP/1.1", "Host: a", ...expected, ...ENDING]);
  });
}

test("a new trace replaces whatever came", () => {
  const text = `GET / HTTP/1.1\r\nHost: a\r\ntraceparent: ${TRACE}\r\ntracestate: a=b\r\nB: c\r\n\r\n`;
  const forwarded = forwardText(text, new ForwardingContext(OPTIONS), undefined, "", "00-1-2-03");
  assert.ok(forwarded.startsWith("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\ntraceparent: 00-1-2-03\r\nVia"));
});

test("a route's path replaces the request's and nothing else", () => {
  const text = forwardText("GET /api/x HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", new ForwardingContext(OPTIONS), "/x");
  assert.ok(text.startsWith("GET /x HTTP/1.1\r\nHost: a\r\nB: c\r\nVia"));
});

test("what is forwarded is accepted again, and forwarded without loss", () => {
  for (const [, sent] of cases) {
    const once = forwardText(`${sent.join("\r\n")}\r\n\r\n`, new ForwardingContext(OPTIONS));
    const again = forwardText(once, new ForwardingContext(TRUSTED));
    assert.equal(again.split("\r\n")[0], once.split("\r\n")[0]);
    assert.ok(again.includes("X-Forwarded-For: 192.0.2.7, 192.0.2.7\r\n"));
  }
});

const paths: readonly (readonly [path: string, strip: string, add: string, rewritten: string])[] = [
  ["/api/x?y", "/api", "", "/x?y"],
  ["/api", "/api", "", "/"],
  ["/api?x=/y", "/api", "", "/?x=/y"],
  ["/api/", "/api", "", "/"],
  ["/apix", "/api", "", "/apix"],
  ["/other", "/api", "", "/other"],
  ["/x", "", "/v2", "/v2/x"],
  ["/api/x", "/api", "/v2", "/v2/x"],
  ["/x", "", "", "/x"],
  ["*", "/api", "/v2", "*"],
];

for (const [path, strip, add, rewritten] of paths) {
  test(`${path} without "${strip}" and with "${add}" is ${rewritten}`, () => {
    assert.equal(rewritePath(path, strip, add), rewritten);
  });
}

test("any node name can stand in Via", () => {
  assert.equal(viaName("edge 1\r\nX: y"), "edge-1--X--y");
  assert.equal(viaName(""), "polarity");
});

function forward(lines: readonly string[], options: ForwardingOptions): string[] {
  const text = forwardText(`${lines.join("\r\n")}\r\n\r\n`, new ForwardingContext(options));
  assert.ok(text.endsWith("\r\n\r\n"));
  return text.slice(0, -4).split("\r\n");
}

function forwardText(
  text: string,
  context: ForwardingContext,
  path?: string,
  requestId?: string,
  traceparent?: string,
): string {
  const head = parseRequestHead(text);
  if (head instanceof HttpProblem) throw head.toError();
  return forwardedStart(head, context, path, requestId, traceparent) + forwardedEnding(head, context, "web");
}
