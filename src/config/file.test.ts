import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { PolarityError } from "../base/errors.ts";
import { findConfigFile, loadConfigFile, parseConfig } from "./file.ts";

const folder = mkdtempSync(join(tmpdir(), "polarity-config-"));
after(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

const parse = (text: string, environment: Record<string, string> = {}) =>
  parseConfig(text, { file: "polarity.yaml", folder, environment });

const problems = (text: string, environment: Record<string, string> = {}): string[] => {
  try {
    parse(text, environment);
  } catch (error) {
    assert.ok(error instanceof PolarityError);
    return error.message.split("\n");
  }
  return [];
};

const LISTENER = "listeners: [{ url: 'http://127.0.0.1:8001' }]\n";

test("everything that is left out has its default", () => {
  const { config } = parse(LISTENER);
  assert.equal(config.node.drainTimeoutMs, 30_000);
  assert.match(config.node.name, /^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$/);
  assert.deepEqual(config.services, []);
  assert.equal(config.listeners[0]?.waitForOfferMs, 5000);
  assert.equal(config.admin, undefined);
  assert.equal(config.log.level, "info");
});

test("what is given comes out in the units that the engine uses", () => {
  write("token", "  s3cret\n");
  const { config } = parse(`
node: { name: edge-1, drainTimeout: 1m }
links:
  accept: [{ url: "tcp://127.0.0.1:8000" }]
  dial: [{ url: "wss://edge.example.com:8000", cost: 10, tokenFile: token, links: 2 }]
services:
  web: { target: "http://127.0.0.1:3000", weight: 2, health: { path: /healthz, interval: 250ms }, labels: { zone: a } }
  db: { targets: ["tcp://127.0.0.1:5432"], connectTimeout: 1.5s }
  raw: { target: "unix:///run/app.sock", protocol: http/1.1 }
listeners:
  - url: http://0.0.0.0:8001
    trustedProxies: ["10.0.0.0/8", "::1"]
    routes: [{ host: "App.example.com", path: /api, service: web, stripPrefix: true }]
    limits: { head: 64KiB, body: 1MiB }
  - { url: "tcp://0.0.0.0:5432", service: db, node: phone0 }
admin: { url: "http://127.0.0.1:8088" }
limits: { memory: 1GiB }
`);
  assert.equal(config.node.drainTimeoutMs, 60_000);
  assert.equal(config.links.dial[0]?.token?.text, "s3cret");
  assert.equal(config.links.dial[0]?.cost, 10);
  const [web, db, raw] = config.services;
  assert.deepEqual([web?.name, web?.protocol, web?.weight, web?.health?.intervalMs], ["web", "http/1.1", 2, 250]);
  assert.deepEqual([db?.name, db?.protocol, db?.connectTimeoutMs, db?.health], ["db", "tcp", 1500, undefined]);
  assert.equal(raw?.protocol, "http/1.1");
  const route = config.listeners[0]?.routes[0];
  assert.deepEqual(
    [route?.match.host, route?.match.path, route?.service, route?.rules?.stripPrefix],
    ["app.example.com", "/api", "web", "/api"],
  );
  assert.deepEqual(
    [config.listeners[0]?.limits.headBytesMax, config.listeners[0]?.limits.bodyBytesMax],
    [64 * 1024, 1024 * 1024],
  );
  assert.equal(config.listeners[1]?.node, "phone0");
  assert.equal(config.limits.memoryBytes, 1024 ** 3);
});

test("a resolved configuration cannot be changed", () => {
  const { config } = parse(LISTENER);
  assert.ok(
    Object.isFrozen(config) && Object.isFrozen(config.listeners) && Object.isFrozen(config.listeners[0]?.limits),
  );
});

test("each problem is one line with its place, its key and what was expected", () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      "node: { name: a }\nlisteners:\n  - url: http://0.0.0.0:8001\n  - url:\n      80020\n",
      "polarity.yaml:5:7: listeners[1].url: expected a URL such as http://0.0.0.0:8001: a port is a number from 0 to 65535, not 80020 (got 80020)",
    ],
    [`${LISTENER}listener: []\n`, "polarity.yaml:2:1: listener: unknown key; did you mean listeners?"],
    [
      "listeners:\n  - { url: ':1', waitforoffer: 5s }\n",
      "polarity.yaml:2:18: listeners[0].waitforoffer: unknown key; did you mean waitForOffer?",
    ],
    [
      "links:\n  dial:\n    - cost: 1\n",
      "polarity.yaml:3:7: links.dial[0].url: expected a URL such as wss://edge.example.com:8000",
    ],
    [
      "services: { web: { target: '3000', weight: 0 } }\n" + LISTENER,
      "polarity.yaml:1:44: services.web.weight: expected a whole number from 1 to 1000",
    ],
    ["services: { '*': {} }\n" + LISTENER, 'polarity.yaml:1:18: services["*"]: a service needs a target'],
    [
      "services: { 'a b': { target: '1' } }\n" + LISTENER,
      `polarity.yaml:1:20: services["a b"]: a service's name has no blanks or control characters (got "a b")`,
    ],
    [
      "services: { w: { target: '1', connectTimeout: 5 } }\n" + LISTENER,
      "polarity.yaml:1:47: services.w.connectTimeout: expected a duration such as 5s, 250ms or 1m",
    ],
    [
      "services: { w: { target: '1', connectTimeout: 2h } }\n" + LISTENER,
      "polarity.yaml:1:47: services.w.connectTimeout: expected a duration from 1ms to 10m",
    ],
    [
      "services: { w: { target: '1', mode: full-duplex } }\n" + LISTENER,
      "polarity.yaml:1:37: services.w.mode: full-duplex merges bytes, which is no answer in HTTP: use half-duplex, or tcp:// targets",
    ],
    [
      "services: { w: { target: '1', mode: two } }\n" + LISTENER,
      "polarity.yaml:1:37: services.w.mode: expected one, half-duplex or full-duplex",
    ],
    [
      "services: { w: { targets: ['1', '2'] } }\n" + LISTENER,
      "polarity.yaml:1:27: services.w.targets: several targets need mode: half-duplex or full-duplex; mode one has one target",
    ],
    [
      "services: { w: { target: '1', proxyProtocol: v3 } }\n" + LISTENER,
      "polarity.yaml:1:46: services.w.proxyProtocol: expected none, v1 or v2",
    ],
    [
      "listeners: [{ url: 'tcp://0.0.0.0:1', service: w, proxyProtocol: required }]",
      "polarity.yaml:1:66: listeners[0].proxyProtocol: tcp://0.0.0.0:1 is reachable beyond this machine and would let anybody say who they are: list in trustedProxies who may send PROXY headers (0.0.0.0/0 and ::/0 for everybody)",
    ],
    [
      "listeners: [{ url: ':1', limits: { rate: { requests: 0 } } }]",
      "polarity.yaml:1:54: listeners[0].limits.rate.requests: expected a whole number from 1 to 1000000",
    ],
    [
      "listeners: [{ url: ':1', limits: { rate: { burst: 1.5 } } }]",
      "polarity.yaml:1:51: listeners[0].limits.rate.burst: expected a whole number from 1 to 1000000",
    ],
    [
      "services: { w: { target: 'udp://a:1', protocol: tcp } }\n" + LISTENER,
      "polarity.yaml:1:49: services.w.protocol: a udp:// target speaks datagrams; leave protocol out",
    ],
    [
      "services: { w: { target: 'udp://a:1', health: {} } }\n" + LISTENER,
      "polarity.yaml:1:47: services.w.health: nothing can be connected to at udp://a:1: an app that hears datagrams cannot be checked",
    ],
    [
      "services: { w: { target: 'udp://a:1', analyze: bytes } }\n" + LISTENER,
      "polarity.yaml:1:48: services.w.analyze: analyzers read streams of bytes, and udp://a:1 has none",
    ],
    [
      "services: { w: { target: 'udp://a:1', proxyProtocol: v2 } }\n" + LISTENER,
      "polarity.yaml:1:54: services.w.proxyProtocol: datagrams have no PROXY header, so udp://a:1 gets none",
    ],
    [
      "services: { w: { target: '1', udp: {} } }\n" + LISTENER,
      "polarity.yaml:1:36: services.w.udp: udp needs a udp:// target, not http://127.0.0.1:1",
    ],
    [
      "services: { w: { targets: ['udp://a:1', 'tcp://a:2'], mode: half-duplex } }\n" + LISTENER,
      "polarity.yaml:1:27: services.w.targets: the targets of a service speak one protocol, and tcp://a:2 another than udp://a:1",
    ],
    ["listeners: [{ url: 'udp://:53' }]", "polarity.yaml:1:20: listeners[0].url: udp://:53 needs a service to lead to"],
    [
      "listeners: [{ url: 'udp://:53', service: w, analyze: bytes }]",
      "polarity.yaml:1:54: listeners[0].analyze: analyze needs a tcp://, tls:// or unix:// listener, not udp://:53",
    ],
    [
      "listeners: [{ url: 'udp://:53', service: w, proxyProtocol: required, trustedProxies: [10.0.0.1] }]",
      "polarity.yaml:1:60: listeners[0].proxyProtocol: datagrams have no PROXY header, so udp://:53 cannot require one",
    ],
    [
      "listeners: [{ url: 'tcp://:53', service: w, udp: {} }]",
      "polarity.yaml:1:50: listeners[0].udp: udp needs a udp:// listener, not tcp://:53",
    ],
    [
      "listeners: [{ url: 'udp://:53', service: w, udp: { idleTimeout: 1ms } }]",
      "polarity.yaml:1:65: listeners[0].udp.idleTimeout: expected a duration from 100ms to 24h",
    ],
    [
      "services: { w: { target: 'tcp://a:1' } }\nlisteners: [{ url: 'udp://:53', service: w }]",
      'polarity.yaml:2:42: listeners[0].service: udp://:53 cannot lead to service "w" at tcp://a:1: one is datagrams and the other is not',
    ],
    [
      "services: { w: { target: 'udp://a:1' } }\nlisteners: [{ url: ':80', routes: [{ path: /x, service: w }] }]",
      'polarity.yaml:2:57: listeners[0].routes[0].service: http://:80 cannot lead to service "w" at udp://a:1: one is datagrams and the other is not',
    ],
    [
      "services: { w: { target: '1', protocol: tcp } }\n" + LISTENER,
      "polarity.yaml:1:41: services.w.protocol: an http:// target speaks http/1.1; write tcp:// to pass raw bytes to http://127.0.0.1:1",
    ],
    [
      "services: { w: { target: '1', labels: { zone: [5] } } }\n" + LISTENER,
      "polarity.yaml:1:47: services.w.labels.zone: expected text of at most 256 characters",
    ],
    [
      "services: { w: { target: ~ } }\n" + LISTENER,
      "polarity.yaml:1:26: services.w.target: expected a URL such as http://127.0.0.1:3000",
    ],
    [
      "x-a: &a { weight: 0 }\nservices: { w: { <<: *a, target: 1 } }\n" + LISTENER,
      "polarity.yaml:1:19: services.w.weight: expected a whole number from 1 to 1000",
    ],
    [
      "services: { x-w: { target: 1, x-b: 2, weigt: 3 } }\n" + LISTENER,
      "polarity.yaml:1:39: services.x-w.weigt: unknown key; did you mean weight?",
    ],
    ["a: !S3cret b\n", "polarity.yaml:1:4: a tag (!) that is not known: put text that begins with ! in quotes"],
    ["a: *S3cret\n", "polarity.yaml:1:4: an alias (*) of no anchor: put text that begins with * in quotes"],
    [
      "node: { name: ${NAME}, x: ${Y}, z: 1 }\nlog: { level: debug }\n",
      'polarity.yaml:1:15: within { } and [ ] a variable goes in quotes: "${NAME}"',
    ],
    ["listeners: [${URL}]\n", 'polarity.yaml:1:13: within { } and [ ] a variable goes in quotes: "${NAME}"'],
    [
      "cluster: { name: prod }\n" + LISTENER,
      "polarity.yaml:1:10: cluster: not supported yet: leave the cluster section out",
    ],
    [
      "links: { accept: [{ url: ':8000' }] }\n",
      "polarity.yaml:1:19: links.accept[0]: tcp://:8000 is reachable beyond this machine and would let anybody join: set auth.tokensFile (--tokens-file), tls.clientCa (--client-ca), or insecure: true (--insecure)",
    ],
    [
      "admin: { url: ':8088' }\n",
      "polarity.yaml:1:8: admin: http://:8088 is reachable beyond this machine: set tokenFile",
    ],
    [
      "listeners: [{ url: 'tcp://127.0.0.1:1' }]\n",
      "polarity.yaml:1:20: listeners[0].url: tcp://127.0.0.1:1 needs a service to lead to",
    ],
    [
      "listeners: [{ url: 'tcp://127.0.0.1:1', routes: [{ service: a }] }]\n",
      "polarity.yaml:1:49: listeners[0].routes: routes need an http://, https:// or tls:// listener, not tcp://127.0.0.1:1",
    ],
    [
      "listeners: [{ url: ':1', trustedProxies: [10.0.0.0/33] }]\n",
      "polarity.yaml:1:43: listeners[0].trustedProxies[0]: expected an address or a network such as 10.0.0.0/8, not 10.0.0.0/33",
    ],
    [
      "listeners: [{ url: ':1', routes: [{ path: api, service: a }] }]\n",
      "polarity.yaml:1:43: listeners[0].routes[0].path: expected a path such as /api",
    ],
    [
      "links: { dial: [{ url: 'tcp://a:1', tls: { ca: missing.pem } }] }\n",
      "polarity.yaml:1:48: links.dial[0].tls.ca: cannot read missing.pem: no such file",
    ],
    [
      'links: { dial: [{ url: "tcp://a:1", identity: local }] }',
      'polarity.yaml:1:47: links.dial[0].identity: "local" is who this node itself is: take another name',
    ],
    [
      "links: { dial: [{ url: 'tcp://a:1', tls: { serverName: b } }] }\n",
      "polarity.yaml:1:42: links.dial[0].tls: tls settings need a tls:// or wss:// URL, and tcp://a:1 is neither",
    ],
    ["listeners:\n", "polarity.yaml:1:11: listeners: expected a list"],
    ["- a\n- b\n", "polarity.yaml:1:1: expected a group of keys"],
    ["", "polarity.yaml: nothing to do: set links, listeners or admin"],
    ["a: 1\na: 2\n", "polarity.yaml:2:1: map keys must be unique"],
    ["url: ${NONE}\n", "polarity.yaml:1:6: the environment variable NONE is not set and ${NONE} has no default"],
  ];
  for (const [text, line] of cases) assert.deepEqual(problems(text), [line]);
});

test("all problems are reported at once, in the order of the file", () => {
  const lines = problems("admin: 5\nlisteners: [{ url: [] }]\nbogus: 1\nlog: { level: loud }\n");
  assert.deepEqual(
    lines.map((line) => line.split(": ", 2).join(" ")),
    [
      "polarity.yaml:1:8 admin",
      "polarity.yaml:2:20 listeners[0].url",
      "polarity.yaml:3:1 bogus",
      "polarity.yaml:4:15 log.level",
    ],
  );
});

test("broken YAML is a problem with a place", () => {
  const [line, ...rest] = problems("listeners: [\n");
  assert.deepEqual(rest, []);
  assert.match(line ?? "", /^polarity\.yaml:\d+:\d+: /);
});

test("variables expand in values, and unquoted ones may be numbers", () => {
  const { config } = parse(
    "listeners:\n  - url: http://127.0.0.1:${PORT:8001}\nlinks:\n  dial:\n    - url: ${ROUTER}\n      cost: ${COST}\n",
    {
      ROUTER: "tcp://edge:8000",
      COST: "7",
    },
  );
  assert.equal(config.listeners[0]?.address.url, "http://127.0.0.1:8001");
  assert.equal(config.links.dial[0]?.address.url, "tcp://edge:8000");
  assert.equal(config.links.dial[0].cost, 7);
});

test("secrets are in no printed form of the configuration", () => {
  write("token", "s3cret");
  write("tokens.yaml", "alice: s3cret\n");
  const { config } = parse(
    "links: { dial: [{ url: 'tcp://a:1', tokenFile: token }, { url: 'tcp://a:1', token: s3cret }], accept: [{ url: ':1', auth: { tokensFile: tokens.yaml } }] }",
  );
  assert.equal(config.links.dial[1]?.token?.text, "s3cret");
  assert.equal(config.links.accept[0]?.tokens?.identify("s3cret"), "alice");
  assert.ok(!inspect(config, { depth: null, showHidden: true }).includes("s3cret"));
  assert.ok(!JSON.stringify(config).includes("s3cret"));
});

test("a secret that everybody can read is warned about", () => {
  const path = join(folder, "open-token");
  writeFileSync(path, "s3cret", { mode: 0o644 });
  const { warnings } = parse("links: { dial: [{ url: 'tcp://a:1', tokenFile: open-token }] }");
  assert.deepEqual(warnings, [`${path} can be read by every user of this machine`]);
});

test("an empty secret is a problem", () => {
  write("empty", "\n");
  assert.match(problems("links: { dial: [{ url: 'tcp://a:1', tokenFile: empty }] }").join(), /empty is empty/);
});

test("files are relative to the configuration file, and flags come before it", () => {
  write("token", "s3cret");
  const path = write(
    "polarity.yaml",
    "node: { name: from-file }\nlinks: { dial: [{ url: 'tcp://a:1', tokenFile: token }] }\n",
  );
  const { config } = loadConfigFile(
    path,
    {},
    { node: { name: "from-flag", drainTimeout: undefined }, log: { level: "debug" } },
  );
  assert.equal(config.node.name, "from-flag");
  assert.equal(config.node.drainTimeoutMs, 30_000);
  assert.equal(config.log.level, "debug");
  assert.equal(config.links.dial[0]?.token?.text, "s3cret");
});

test("the file is the given one, then the variable's, then the first that exists", () => {
  assert.equal(findConfigFile("a.yaml", { POLARITY_CONFIG: "b.yaml" }), "a.yaml");
  assert.equal(findConfigFile(undefined, { POLARITY_CONFIG: "b.yaml" }), "b.yaml");
  assert.throws(
    () => findConfigFile(undefined, { XDG_CONFIG_HOME: folder }),
    /no configuration: .*name one with --config/,
  );
});

test("a file that is not there is named", () => {
  assert.throws(
    () => loadConfigFile(join(folder, "none.yaml"), {}),
    /none\.yaml: cannot read the configuration: no such file/,
  );
});

test("cranker is a switch, or keys of its own", () => {
  const accept = (cranker: string): string =>
    `links: { accept: [{ url: 'tcp://127.0.0.1:8000', cranker: ${cranker} }] }\n`;
  const resolved = (cranker: string) => parse(accept(cranker)).config.links.accept[0]?.cranker;
  assert.equal(resolved("false"), undefined);
  assert.deepEqual(resolved("true"), { responseTimeoutMs: 60_000, routes: undefined });
  assert.deepEqual(resolved("{ responseTimeout: 5s, routes: { team: [web, '*'] } }"), {
    responseTimeoutMs: 5_000,
    routes: { team: ["web", "*"] },
  });
  assert.match(problems(accept("{ routes: { team: web } }"))[0] ?? "", /:1:\d+: .*expected names of services/);
  assert.match(problems(accept("{ responseTimeout: 0s }"))[0] ?? "", /expected a duration from 1ms/);
  assert.match(problems(accept("{ route: {} }"))[0] ?? "", /routes/);
  assert.match(problems(accept("1"))[0] ?? "", /expected a group of keys/);
});
