/** What apps are told of a request's way when a trusted proxy said something of it already. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpProblem } from "./http-problem.ts";
import { forwardedEnding, forwardedStart, ForwardingContext } from "./request-forwarding.ts";
import { parseRequestHead } from "./request-head.ts";

const CONTEXT = new ForwardingContext({
  via: "edge-1",
  instance: "1a2b3c",
  clientAddress: "192.0.2.7",
  clientPort: 0,
  proto: "http",
  trusted: true,
  defaultHost: "127.0.0.1:8001",
  port: 8001,
});

test("a trusted proxy's fields are kept and extended", () => {
  const sent = [
    "GET / HTTP/1.1",
    "Host: a",
    "X-Forwarded-For: 203.0.113.1",
    "X-Forwarded-For: 203.0.113.2",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: public.example",
    "X-Forwarded-Port: 443",
    "X-Real-IP: 203.0.113.1",
    'Forwarded: for="[2001:db8::1]"',
    "B: c",
  ];
  assert.deepEqual(forward(sent), [
    "GET / HTTP/1.1",
    "Host: a",
    "X-Real-IP: 203.0.113.1",
    "B: c",
    "Via: 1.1 edge-1",
    "X-Forwarded-For: 203.0.113.1, 203.0.113.2, 192.0.2.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: public.example",
    "X-Forwarded-Port: 443",
    'Forwarded: for="[2001:db8::1]", for=192.0.2.7;host="a";proto=http',
  ]);
});

test("a trusted proxy that says nothing gets the same lines as a stranger", () => {
  assert.deepEqual(forward(["GET / HTTP/1.1", "Host: a"]), [
    "GET / HTTP/1.1",
    "Host: a",
    "Via: 1.1 edge-1",
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: a",
    "X-Forwarded-Port: 8001",
    'Forwarded: for=192.0.2.7;host="a";proto=http',
  ]);
});

const hops: readonly (readonly [sentence: string, said: readonly string[], told: readonly string[]])[] = [
  [
    "a proxy that speaks only X-Forwarded-* is told in Forwarded too",
    ["X-Forwarded-For: 203.0.113.1, 2001:db8::1", "X-Forwarded-Proto: https", "X-Forwarded-Host: b.example:8443"],
    [
      "X-Forwarded-For: 203.0.113.1, 2001:db8::1, 192.0.2.7",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: b.example:8443",
      "X-Forwarded-Port: 8443",
      'Forwarded: for=203.0.113.1;host="b.example:8443";proto=https, for="[2001:db8::1]", for=192.0.2.7;host="a";proto=http',
    ],
  ],
  [
    "a proxy that speaks only Forwarded is told in X-Forwarded-* too",
    ['Forwarded: For="[2001:db8::1]:4711";Proto=https;Host=b.example, for=_hidden;by=203.0.113.9'],
    [
      "X-Forwarded-For: 2001:db8::1, _hidden, 192.0.2.7",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: b.example",
      "X-Forwarded-Port: 443",
      'Forwarded: For="[2001:db8::1]:4711";Proto=https;Host=b.example, for=_hidden;by=203.0.113.9, for=192.0.2.7;host="a";proto=http',
    ],
  ],
  [
    "a Forwarded that would swallow ours is dropped",
    ['Forwarded: for="203.0.113.1', "X-Forwarded-For: 203.0.113.2"],
    [
      "X-Forwarded-For: 203.0.113.2, 192.0.2.7",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: a",
      "X-Forwarded-Port: 8001",
      'Forwarded: for=203.0.113.2, for=192.0.2.7;host="a";proto=http',
    ],
  ],
  [
    "what is no address does not become part of Forwarded",
    [
      'X-Forwarded-For: x";proto=https, 203.0.113.2',
      "X-Forwarded-Proto: a b",
      'X-Forwarded-Host: "',
      "X-Forwarded-Port: 8x",
    ],
    [
      'X-Forwarded-For: x";proto=https, 203.0.113.2, 192.0.2.7',
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: a",
      "X-Forwarded-Port: 8001",
      'Forwarded: for=unknown, for=203.0.113.2, for=192.0.2.7;host="a";proto=http',
    ],
  ],
  [
    "of several protocols, hosts and ports the first proxy's count",
    ["X-Forwarded-Proto: HTTPS, http", "X-Forwarded-Host: b, c", "X-Forwarded-Port: 444, 80"],
    [
      "X-Forwarded-For: 192.0.2.7",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: b",
      "X-Forwarded-Port: 444",
      'Forwarded: for=192.0.2.7;host="a";proto=http',
    ],
  ],
];

for (const [sentence, said, told] of hops) {
  test(sentence, () => {
    const lines = forward(["GET / HTTP/1.1", "Host: a", ...said]);
    assert.deepEqual(lines, ["GET / HTTP/1.1", "Host: a", "Via: 1.1 edge-1", ...told]);
  });
}

for (const [port, told] of [
  ["1", "1"],
  ["65535", "65535"],
  [" 8443 , 80", "8443"],
  ["0080", "8001"],
  ["08443", "8001"],
  ["0", "8001"],
  ["65536", "8001"],
  ["99999", "8001"],
  ["+1", "8001"],
  ["-1", "8001"],
  ["1e3", "8001"],
  ["", "8001"],
] as const) {
  test(`a trusted proxy's port ${JSON.stringify(port)} is told as ${told}`, () => {
    const lines = forward(["GET / HTTP/1.1", "Host: a", `X-Forwarded-Port: ${port}`]);
    assert.ok(lines.includes(`X-Forwarded-Port: ${told}`), lines.join("\n"));
  });
}

function forward(lines: readonly string[]): string[] {
  const head = parseRequestHead(`${lines.join("\r\n")}\r\n\r\n`);
  if (head instanceof HttpProblem) throw head.toError();
  const text = forwardedStart(head, CONTEXT) + forwardedEnding(head, CONTEXT, "web");
  assert.ok(text.endsWith("\r\n\r\n"));
  return text.slice(0, -4).split("\r\n");
}
