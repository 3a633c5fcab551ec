/** Targets and routers that are found by SRV and NAPTR records. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { offered, portOf, startConnector, startNode, startRouter, type ServicesInput } from "../support/cluster.ts";
import { DatagramClient, echoDatagrams } from "../support/datagrams.ts";
import { NameServer, type RecordData } from "../support/name-server.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { startTlsApp } from "../support/tls-apps.ts";
import { testCertificates } from "../support/link-media.ts";
import { authorityFile } from "../support/tls-files.ts";
import { WireClient } from "../support/wire-client.ts";

const TIMED = { timeout: 60_000 };
const LOOPBACK = { records: ["127.0.0.1"] };
const srv = (port: number, priority = 0, weight = 0, name = "app.test") => ({ priority, weight, port, name });
const naptr = (order: number, flags: string, service: string, replacement: string): RecordData => ({
  order,
  preference: 0,
  flags,
  service,
  replacement,
});

/** An HTTP listener before the service `web`, which `target` serves; `dns` says where that is. */
async function webAt(
  t: TestContext,
  target: string,
  dns: NameServer,
  more: ServicesInput[string] = {},
  refresh = "30s",
) {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const rest = { resolver: { servers: [dns.address], refresh, timeout: "200ms" } };
  await startConnector(t, router.link, { web: { target, ...more } }, { rest });
  await offered(router.node, "web");
  return async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${router.port}/`);
    return `${response.status} ${await response.text()}`;
  };
}

async function namedApp(t: TestContext, name: string): Promise<number> {
  return (await startHttpApp(t, (_request, response) => void response.end(name))).port;
}

test("SRV records are tried by priority, and the next serves when one does not accept", TIMED, async (t) => {
  const [dead, near, far] = [await freePort(), await namedApp(t, "near"), await namedApp(t, "far")];
  const dns = await NameServer.start(t, {
    "SRV _web._tcp.test": { records: [srv(far, 30), srv(near, 20), srv(dead, 10), srv(near, 5, 0, "gone.test")] },
    "A app.test": LOOPBACK,
  });
  const ask = await webAt(t, "srv+http://_web._tcp.test", dns);
  assert.equal(await ask(), "200 near");
});

test("among records of one priority the work is split by weight", TIMED, async (t) => {
  const [one, two] = [await namedApp(t, "one"), await namedApp(t, "two")];
  const dns = await NameServer.start(t, {
    "SRV _web._tcp.test": { records: [srv(one, 1, 10), srv(two, 1, 90)] },
    "A app.test": LOOPBACK,
  });
  // Each request has a connection of its own, and so a draw.
  const ask = await webAt(t, "srv+http://_web._tcp.test", dns, { keepAlive: { connections: 0 } });
  const answers = await Promise.all(Array.from({ length: 200 }, ask));
  const ones = answers.filter((answer) => answer === "200 one").length;
  assert.ok(ones > 2 && ones < 60, `${ones} of 200`);
  assert.equal(answers.filter((answer) => answer === "200 two").length, 200 - ones);
  assert.equal(dns.asked.filter((question) => question.startsWith("SRV")).length, 1);
});

test("records are asked for again, and kept connections follow them", TIMED, async (t) => {
  const [old, fresh] = [await namedApp(t, "old"), await namedApp(t, "fresh")];
  const dns = await NameServer.start(t, { "SRV _web._tcp.test": { records: [srv(old)] }, "A app.test": LOOPBACK });
  const ask = await webAt(t, "srv+http://_web._tcp.test", dns, {}, "100ms");
  assert.equal(await ask(), "200 old");
  dns.set("SRV _web._tcp.test", { records: [srv(fresh)] });
  await until("the new server serves", async () => (await ask()) === "200 fresh");
});

test("what the records lack is told: what was asked, of whom, and what the answer was", TIMED, async (t) => {
  const dead = await freePort();
  const dns = await NameServer.start(t, {
    "SRV _off._tcp.test": { records: [srv(0, 0, 0, ".")] },
    "SRV _silent._tcp.test": "silent",
    "SRV _failing._tcp.test": "failing",
    "A app.test": LOOPBACK,
    "SRV _dead._tcp.test": { records: [srv(dead), srv(dead, 1, 0, "gone.test")] },
    "NAPTR bus.test": { records: [naptr(1, "s", "mail:smtp", "_mail._tcp.test")] },
    "NAPTR hosts.test": { records: [naptr(1, "a", "web", "app.test")] },
    "NAPTR ring.test": { records: [naptr(1, "", "web", "ring.test")] },
  });
  const who = dns.address;
  const cases = [
    ["srv+http://_off._tcp.test", "the SRV record of _off._tcp.test says that the service is not offered"],
    ["srv+http://_none._tcp.test", `SRV of _none._tcp.test: there is no such name, asking ${who}`],
    ["srv+http://_silent._tcp.test", `SRV of _silent._tcp.test: no answer in time, asking ${who}`],
    ["srv+http://_failing._tcp.test", `SRV of _failing._tcp.test: the server failed, asking ${who}`],
    ["srv+http://app.test", `SRV of app.test: there is no such record, asking ${who}`],
    ["srv+http://_dead._tcp.test", `connect ECONNREFUSED 127.0.0.1:${dead}, AAAA of gone.test: there is no such name`],
    ["naptr+http://bus.test:80?service=web", "the NAPTR records of bus.test lead nowhere for the service web"],
    ["naptr+tcp://hosts.test", "leads to the host app.test, and the URL has no port for it"],
    ["naptr+http://ring.test:80", "the NAPTR records of ring.test lead too far"],
  ] as const;
  await Promise.all(
    cases.map(async ([target, why]) => {
      const ask = await webAt(t, target, dns, { protocol: "http/1.1" });
      const answer = await ask();
      assert.ok(
        answer.startsWith("502 ") && answer.includes(`cannot reach ${target.split("?")[0]}`) && answer.includes(why),
        answer,
      );
    }),
  );
});

test("NAPTR records that branch without end keep nobody busy", TIMED, async (t) => {
  const names = ["a.test", "b.test", "c.test", "d.test", "e.test"];
  const branches = (to: string) => ({ records: Array.from({ length: 30 }, () => naptr(1, "", "web", to)) });
  const dns = await NameServer.start(t, {
    ...Object.fromEntries(names.slice(1).map((to, index) => [`NAPTR ${names[index]}`, branches(to)])),
    "NAPTR e.test": { records: [naptr(1, "s", "mail", "_mail._tcp.test")] },
  });
  const ask = await webAt(t, "naptr+http://a.test:80?service=web", dns, { protocol: "http/1.1" });
  // 30 to the power of 4 ways, none of which leads anywhere.
  const startedAt = performance.now();
  const answer = await ask();
  assert.ok(answer.startsWith("502 ") && answer.includes("lead too far"), answer);
  assert.ok(performance.now() - startedAt < 2_000);
});

test("NAPTR records lead to SRV records, to hosts and to further NAPTR records, by order", TIMED, async (t) => {
  const [viaSrv, viaHost] = [await namedApp(t, "by srv"), await namedApp(t, "by host")];
  const dns = await NameServer.start(t, {
    "NAPTR example.test": {
      records: [
        naptr(10, "s", "mail:smtp", "_mail._tcp.test"),
        naptr(30, "a", "web", "app.test"),
        naptr(20, "", "web", "more.test"),
      ],
    },
    "NAPTR more.test": { records: [naptr(1, "S", "WEB:http", "_web._tcp.test")] },
    "SRV _web._tcp.test": { records: [srv(viaSrv)] },
    "A app.test": LOOPBACK,
  });
  const ask = await webAt(t, `naptr+http://example.test:${viaHost}?service=web`, dns, {}, "100ms");
  assert.equal(await ask(), "200 by srv");
  dns.set("SRV _web._tcp.test", { records: [srv(await freePort())] });
  await until("the next one serves", async () => (await ask()) === "200 by host");
});

test("a TLS server found by records must be the domain that was asked about", TIMED, async (t) => {
  const { authority } = await testCertificates();
  const rightful = await authority.issue({ commonName: "x", dns: ["example.test"] });
  const other = await authority.issue({ commonName: "x", dns: ["app.test"] });
  const apps = [
    await startTlsApp(t, rightful, (socket) => socket.end("rightful")),
    await startTlsApp(t, other, (socket) => socket.end("other")),
  ];
  const first = Promise.withResolvers<Buffer>();
  const plain = await startRawApp(t, (socket) => socket.once("data", first.resolve));
  const [right, wrong] = apps.map(({ place }) => portOf(place));
  const dns = await NameServer.start(t, {
    "SRV _db._tcp.example.test": { records: [srv(right!)] },
    "SRV _bad._tcp.example.test": { records: [srv(wrong!)] },
    "SRV _plain._tcp.example.test": { records: [srv(plain.port)] },
    "A app.test": LOOPBACK,
  });
  const tls = { ca: authorityFile(temporaryFolder(t), authority) };
  const router = await startRouter(t, [
    { url: "tcp://127.0.0.1:0", service: "good" },
    { url: "tcp://127.0.0.1:0", service: "bad" },
    { url: "tcp://127.0.0.1:0", service: "header" },
  ]);
  const services = {
    good: { target: "srv+tls://_db._tcp.example.test", tls },
    bad: { target: "srv+tls://_bad._tcp.example.test", tls },
    header: { target: "srv+tls://_plain._tcp.example.test", tls, proxyProtocol: "v2" as const },
  };
  const rest = { resolver: { servers: [dns.address] } };
  await startConnector(t, router.link, services, { rest });
  for (const service of Object.keys(services)) await offered(router.node, service);
  const [good, bad, header] = router.ports;
  assert.equal(await new WireClient(t, good!).readAll(), "rightful");
  assert.equal(await new WireClient(t, bad!).ended, "reset");
  assert.ok(new WireClient(t, header!));
  const bytes = await first.promise;
  assert.deepEqual(bytes.subarray(0, 12), Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"));
});

test("links are dialled by records: the first that accepts, or all of them", TIMED, async (t) => {
  const [one, two] = [
    await startRouter(t, [], { node: { name: "one" } }),
    await startRouter(t, [], { node: { name: "two" } }),
  ];
  const [dead, first, second] = [await freePort(), portOf(one.link), portOf(two.link)];
  const dns = await NameServer.start(t, {
    "SRV _link._tcp.test": { records: [srv(dead, 1), srv(first, 2), srv(second, 3)] },
    "SRV _all._tcp.test": { records: [srv(first, 1), srv(second, 2)] },
    "A app.test": LOOPBACK,
  });
  const rest = { resolver: { servers: [dns.address] } };
  const joined = await startConnector(t, "srv+tcp://_link._tcp.test", {}, { rest });
  await until("the first that accepts is joined", () => joined.view().links[0]?.node === "one");
  const both = await startNode(t, {
    ...rest,
    links: { dial: [{ url: "srv+tcp://_all._tcp.test", addresses: "all" }] },
  });
  await until("both are joined", () => both.view().links.length === 2);
  // Websockets ask for the domain, not for what the records say.
  const socketed = await startConnector(t, "srv+ws://_link._tcp.test/some/path", {}, { rest });
  await until("it has joined", () => socketed.view().links[0]?.transport === "ws");
});

test("datagrams go to the first server that the records name", TIMED, async (t) => {
  const app = await echoDatagrams(t);
  const dns = await NameServer.start(t, { "SRV _dns._udp.test": { records: [srv(app.port)] }, "A app.test": LOOPBACK });
  const router = await startRouter(t, [{ url: "udp://127.0.0.1:0", service: "dns" }]);
  const rest = { resolver: { servers: [dns.address] } };
  await startConnector(t, router.link, { dns: { target: "srv+udp://_dns._udp.test" } }, { rest });
  await offered(router.node, "dns");
  const client = await DatagramClient.open(t, router.port);
  assert.equal(String(await client.ask("hello")), "hello");
});

test("a configuration file says whom to ask, and `validate` takes such URLs", TIMED, async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("by name"));
  const dns = await NameServer.start(t, { "SRV _db._tcp.test": { records: [srv(app.port)] }, "A app.test": LOOPBACK });
  const file = join(temporaryFolder(t), "polarity.yaml");
  const text = `
resolver: { servers: ["${dns.address}"], timeout: 1s }
services: { db: { target: "srv+tcp://_db._tcp.test" } }
listeners: [{ url: "tcp://127.0.0.1:0", service: db }]
`;
  writeFileSync(file, text);
  assert.equal((await run(t, ["validate", "-c", file])).code, 0);
  const node = new PolarityProcess(t, ["run", "-c", file]);
  const { listeners } = await node.ready();
  assert.equal(await new WireClient(t, portOf(listeners[0]!)).readAll(), "by name");
  writeFileSync(file, text.replace(dns.address, "dns.example.com"));
  const wrong = await run(t, ["validate", "-c", file]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /polarity\.yaml:2:\d+: .*expected a name server by its address, such as 10\.0\.0\.2/);
});
