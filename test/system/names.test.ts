/** Names of targets and routers: both families of addresses, what is tried when, and what happens when names lead elsewhere. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { raceInto, RACING, canRace, type Destination } from "../../src/socket/connection-race.ts";
import { NameResolver } from "../../src/socket/name-resolver.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { configOf, offered, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { NAMES } from "../support/names.ts";
import { NameServer } from "../support/name-server.ts";
import { until } from "../support/patience.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { authorityFile } from "../support/tls-files.ts";
import { startHttpsApp } from "../support/tls-apps.ts";
import { testCertificates } from "../support/link-media.ts";
import { WireClient } from "../support/wire-client.ts";

const TIMED = { timeout: 60_000 };

/** A socket that races to these, and what it has come to. */
async function race(context: TestContext, destinations: readonly (Destination | Error)[]): Promise<Socket> {
  const socket = connect({ host: "name.test", port: 1, ...RACING });
  context.after(() => socket.destroy());
  const opened = once(socket, "connect");
  raceInto(
    socket,
    (async function* () {
      yield* destinations;
    })(),
  );
  await opened;
  return socket;
}

async function appAt(context: TestContext, host: string, port: number, answer: RequestListener): Promise<void> {
  const server = createServer(answer);
  server.listen(port, host);
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
}

/** A listener whose machine does not answer any more: its process is stopped, and what may wait for it waits already. */
async function hangingListener(context: TestContext): Promise<Destination & { resume(): void }> {
  const program = `require("node:net").createServer((socket) => socket.end("at last"))
    .listen({ host: "127.0.0.3", port: 0, backlog: 1 }, function () {
      process.stdout.write(String(this.address().port));
      process.kill(process.pid, "SIGSTOP");
    })`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
  context.after(() => child.kill("SIGKILL"));
  const port = Number(await new Promise((resolve) => child.stdout.once("data", resolve)));
  const waiting = Array.from({ length: 4 }, () => connect(port, "127.0.0.3"));
  context.after(() => waiting.forEach((socket) => socket.destroy()));
  for (const socket of waiting) socket.on("error", () => {});
  await once(waiting[0]!, "connect");
  return { host: "127.0.0.3", port, resume: () => child.kill("SIGCONT") };
}

test("this Node.js has what a race between addresses needs", () => assert.ok(canRace));

test(
  "of several destinations the first that accepts is connected to, and what was written meanwhile arrives",
  TIMED,
  async (t) => {
    const heard: string[] = [];
    const app = await startRawApp(t, (socket) => {
      socket.on("data", (chunk) => void heard.push(String(chunk)));
      socket.write("hello");
    });
    const socket = connect({ host: "name.test", port: 1, ...RACING });
    t.after(() => socket.destroy());
    socket.write("early");
    raceInto(
      socket,
      (async function* () {
        yield { host: "127.0.0.2", port: app.port };
        yield new Error("a part that cannot be found out");
        yield { host: "127.0.0.1", port: app.port };
      })(),
    );
    assert.equal(String((await once(socket, "data"))[0]), "hello");
    await until("the app heard it", () => heard.join("") === "early");
    assert.deepEqual([socket.remoteAddress, socket.remotePort], ["127.0.0.1", app.port]);
  },
);

test(
  "an address that hangs gets company after a quarter of a second, and the winner ends its attempt",
  TIMED,
  async (t) => {
    const hanging = await hangingListener(t);
    const app = await startRawApp(t, (socket) => socket.resume());
    const began = performance.now();
    const socket = await race(t, [hanging, { host: "127.0.0.1", port: app.port }]);
    assert.equal(socket.remotePort, app.port);
    const ms = performance.now() - began;
    assert.ok(ms > 200 && ms < 5_000, `${ms} ms`);
  },
);

test("an attempt that is slow still wins when all others have failed", TIMED, async (t) => {
  const hanging = await hangingListener(t);
  const dead = await freePort();
  const socket = connect({ host: "name.test", port: 1, ...RACING });
  t.after(() => socket.destroy());
  const opened = once(socket, "connect");
  raceInto(
    socket,
    (async function* () {
      yield hanging;
      yield { host: "127.0.0.1", port: dead };
      // Asked for once the second has failed.
      hanging.resume();
    })(),
  );
  await opened;
  assert.equal(socket.remotePort, hanging.port);
  assert.equal(String((await once(socket, "data"))[0]), "at last");
});

test("when nothing accepts, each failure is told; who gives up first ends every attempt", TIMED, async (t) => {
  const dead = await freePort();
  const failing = race(t, [
    { host: "127.0.0.1", port: dead },
    { host: "127.0.0.2", port: dead },
  ]);
  await assert.rejects(failing, {
    message: `connect ECONNREFUSED 127.0.0.1:${dead}, connect ECONNREFUSED 127.0.0.2:${dead}`,
  });
  await assert.rejects(race(t, [new Error("no answer")]), { message: "no answer" });

  const hanging = await hangingListener(t);
  const socket = connect({ host: "name.test", port: 1, ...RACING });
  let ended = false;
  raceInto(
    socket,
    (async function* () {
      try {
        yield hanging;
        yield hanging;
        yield hanging;
      } finally {
        ended = true;
      }
    })(),
  );
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await until("the attempts are over", () => ended);
});

test(
  "an app whose name has a dead address of one family is reached by the other, whatever it speaks",
  TIMED,
  async (t) => {
    const dns = await NameServer.start(t, {
      "AAAA app.test": { records: ["::1"] },
      "A app.test": { records: ["127.0.0.2", "127.0.0.1"] },
    });
    const resolver = { servers: [dns.address] };
    const { authority } = await testCertificates();
    const certificate = await authority.issue({ commonName: "app.test", dns: ["app.test"] });
    const ca = authorityFile(temporaryFolder(t), authority);
    const plain = await startHttpApp(t, (_request, response) => void response.end("plain"));
    const secure = await startHttpsApp(t, certificate, (_request, response) => void response.end("secure"));
    const raw = await startRawApp(t, (socket) => socket.end("raw"));
    const router = await startRouter(t, [
      { url: "http://127.0.0.1:0", service: "plain" },
      { url: "http://127.0.0.1:0", service: "secure" },
      { url: "tcp://127.0.0.1:0", service: "raw" },
    ]);
    const services = {
      plain: { target: `http://app.test:${plain.port}`, health: { path: "/", interval: "100ms" } },
      secure: { target: `https://app.test:${secure.port}`, tls: { ca } },
      raw: { target: `tcp://app.test:${raw.port}` },
    };
    await startConnector(t, router.link, services, { rest: { resolver } });
    for (const service of Object.keys(services)) await offered(router.node, service);
    const [plainPort, securePort, rawPort] = router.ports;
    assert.equal(await (await fetch(`http://127.0.0.1:${plainPort}/`)).text(), "plain");
    assert.equal(await (await fetch(`http://127.0.0.1:${securePort}/`)).text(), "secure");
    assert.equal(await new WireClient(t, rawPort!).readAll(), "raw");
  },
);

test("a name that leads nowhere is told with what was asked, whom, and the answer", TIMED, async (t) => {
  const dns = await NameServer.start(t, { "A silent.test": "silent", "AAAA silent.test": "silent" });
  const cases = [
    [
      "http://gone.test:80",
      new RegExp(
        `cannot reach http://gone.test:80: (A|AAAA) of gone.test: there is no such name, asking ${dns.address}`,
      ),
    ],
    ["http://silent.test:80", new RegExp(`(A|AAAA) of silent.test: no answer in time, asking ${dns.address}`)],
  ] as const;
  for (const [target, message] of cases) {
    const pair = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
    const rest = { resolver: { servers: [dns.address], timeout: "100ms" } };
    await startConnector(t, pair.link, { web: { target } }, { rest });
    await offered(pair.node, "web");
    const answer = await fetch(`http://127.0.0.1:${pair.port}/`);
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), message);
  }
});

for (const [type, other, address] of [
  ["AAAA", "A", "127.0.0.1"],
  ["A", "AAAA", "::1"],
] as const) {
  for (const answer of ["failing", "unimplemented", "refusing", "silent"] as const) {
    test(
      `a name server whose answer about ${type} is ${answer} has told enough with its ${other}`,
      TIMED,
      async (t) => {
        const dns = await NameServer.start(t, {
          [`${type} app.test`]: answer,
          [`${other} app.test`]: { records: [address], ttl: 0 },
          "SRV _app._tcp.test": {
            records: [
              { priority: 1, weight: 0, port: 1, name: "app.test" },
              { priority: 2, weight: 0, port: 2, name: "none.test" },
            ],
          },
          "A none.test": "failing",
          "AAAA none.test": "silent",
        });
        const timeoutMs = 2_000;
        const names = new NameResolver({ ...NAMES, servers: [dns.address], timeoutMs });
        const place = { kind: "tcp", host: "app.test", port: 1 } as const;
        const startedAt = performance.now();
        assert.deepEqual(await names.current(place), [{ host: address, port: 1 }]);
        assert.deepEqual(await names.first(place), { host: address, port: 1 });
        assert.ok(performance.now() - startedAt < timeoutMs, "nobody waited for what does not come");
        if (answer !== "failing") return;
        const records = { kind: "srv" } as const;
        const served = await names.current({ kind: "tcp", host: "_app._tcp.test", port: 0, records });
        assert.deepEqual(served, [{ host: address, port: 1 }]);
      },
    );
  }
}

test("what was known of a family serves on while nobody tells of it", TIMED, async (t) => {
  const dns = await NameServer.start(t, {
    "AAAA app.test": { records: ["::1"], ttl: 0 },
    "A app.test": { records: ["127.0.0.1"], ttl: 0 },
  });
  const names = new NameResolver({ ...NAMES, servers: [dns.address], timeoutMs: 2_000 });
  const place = { kind: "tcp", host: "app.test", port: 1 } as const;
  const both = [
    { host: "::1", port: 1 },
    { host: "127.0.0.1", port: 1 },
  ];
  assert.deepEqual(await names.current(place), both);
  for (const answer of ["silent", "failing"] as const) {
    dns.set("AAAA app.test", answer);
    assert.deepEqual(await names.current(place), both, answer);
  }
  // There are none of it: that is an answer.
  dns.set("AAAA app.test", { records: [] });
  await until("the cached answer is over", async () => (await names.current(place)).length === 1);
});

test("links to all addresses, and kept connections, need only one family's answer", TIMED, async (t) => {
  const port = await freePort();
  await appAt(t, "127.0.0.1", port, (_request, response) => void response.end("old"));
  await appAt(t, "127.0.0.2", port, (_request, response) => void response.end("new"));
  const dns = await NameServer.start(t, {
    "AAAA edge.test": "failing",
    "A edge.test": { records: ["127.0.0.1"] },
    "AAAA app.test": "refusing",
    "A app.test": { records: ["127.0.0.1"], ttl: 0 },
  });
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  await startNode(t, {
    resolver: { servers: [dns.address], refresh: "100ms" },
    links: { dial: [{ url: `tcp://edge.test:${new URL(router.link).port}`, addresses: "all" }] },
    services: { web: { target: `http://app.test:${port}` } },
  });
  await offered(router.node, "web");
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${router.port}/`)).text();
  assert.equal(await ask(), "old");
  dns.set("A app.test", { records: ["127.0.0.2"], ttl: 0 });
  await until("requests go where the name leads", async () => (await ask()) === "new");
});

test("connections that are kept to an app follow its name, also while it is busy", TIMED, async (t) => {
  const port = await freePort();
  await appAt(t, "127.0.0.1", port, (_request, response) => void response.end("old"));
  await appAt(t, "127.0.0.2", port, (_request, response) => void response.end("new"));
  const dns = await NameServer.start(t, { "A app.test": { records: ["127.0.0.1"], ttl: 0 } });
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const rest = { resolver: { servers: [dns.address], refresh: "100ms" } };
  await startConnector(t, router.link, { web: { target: `http://app.test:${port}` } }, { rest });
  await offered(router.node, "web");
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${router.port}/`)).text();
  assert.equal(await ask(), "old");
  dns.set("A app.test", { records: ["127.0.0.2"], ttl: 0 });
  await until("requests go where the name leads", async () => (await ask()) === "new");
  // A name server that fails moves nobody.
  dns.set("A app.test", "failing");
  const asked = dns.asked.length;
  await until("it was asked again", () => dns.asked.length > asked + 4);
  assert.equal(await ask(), "new");
});

test("an answer is believed for as long as it says, and whoever asks meanwhile shares it", TIMED, async (t) => {
  const dns = await NameServer.start(t, { "A app.test": { records: ["127.0.0.1"], ttl: 10 } });
  let now = 0;
  const names = new NameResolver({
    servers: [dns.address],
    refreshMs: 1_000,
    timeoutMs: 1_000,
    random: Math.random,
    now: () => now,
  });
  const asked = (): number => dns.asked.filter((question) => question === "A app.test").length;
  assert.deepEqual(await Promise.all([names.addressesOf("app.test"), names.addressesOf("app.test")]), [
    ["127.0.0.1"],
    ["127.0.0.1"],
  ]);
  assert.equal(asked(), 1);
  now = 9_999;
  await names.addressesOf("app.test");
  assert.equal(asked(), 1);
  now = 10_000;
  dns.set("A app.test", { records: ["127.0.0.2"], ttl: 10 });
  assert.deepEqual(await names.addressesOf("app.test"), ["127.0.0.2"]);
  // When nobody answers, what was known serves on; when the answer is that there is none, it does not.
  now = 30_000;
  dns.set("A app.test", "failing");
  assert.deepEqual(await names.addressesOf("app.test"), ["127.0.0.2"]);
  now = 60_000;
  dns.delete("A app.test");
  await assert.rejects(names.addressesOf("app.test"), /there is no such name/);
});

test("name servers are those of the newest configuration", TIMED, async (t) => {
  const app = await startHttpApp(t, (_request, response) => void response.end("found"));
  const [wrong, right] = [
    await NameServer.start(t),
    await NameServer.start(t, { "A app.test": { records: ["127.0.0.1"] } }),
  ];
  const raw = (server: NameServer) => ({
    node: { name: "reloaded" },
    resolver: { servers: [server.address] },
    services: { web: { target: `http://app.test:${app.port}` } },
    listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
  });
  const node = await startNode(t, raw(wrong));
  const ask = () => fetch(node.addresses.listeners[0]!);
  assert.equal((await ask()).status, 502);
  await node.reload(configOf(raw(right)));
  assert.equal(await (await ask()).text(), "found");
});

test("a router's name with a dead address is joined at another", TIMED, async (t) => {
  const router = await startRouter(t);
  const port = Number(new URL(router.link).port);
  const dns = await NameServer.start(t, {
    "AAAA edge.test": { records: ["::1"] },
    "A edge.test": { records: ["127.0.0.2", "127.0.0.1"] },
  });
  await startConnector(t, `tcp://edge.test:${port}`, {}, { rest: { resolver: { servers: [dns.address] } } });
  await until("it has joined", () => router.node.view().links.length === 1);
});
