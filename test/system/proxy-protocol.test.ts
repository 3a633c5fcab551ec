/** PROXY headers: of the proxies in front of a listener, and those that apps are told clients by. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createServer as createTlsServer, connect as connectTls } from "node:tls";
import { encodeProxyV2, type ProxyAddresses } from "../../src/base/proxy-header.ts";
import { readProxyHeader } from "../../src/base/proxy-header-reader.ts";
import { ProxyHeaderGate } from "../../src/listen/proxy-header-gate.ts";
import { clientAt, listenAt } from "../../src/listen/server-socket.ts";
import { startHttpApp, startRawApp, startWireApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { configOf, offered, startConnector, startNode, startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { certificateFiles } from "../support/tls-files.ts";
import { WireClient } from "../support/wire-client.ts";

const CLIENT: ProxyAddresses = {
  family: "inet",
  transport: "stream",
  source: { host: "192.0.2.7", port: 56_324 },
  destination: { host: "198.51.100.1", port: 443 },
};
const LINE = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const REQUIRED = { proxyProtocol: "required" } as const;

/** An app that says what it was told of its client. */
function startTellingApp(t: TestContext) {
  return startHttpApp(t, ({ headers }, response) => {
    response.end([headers["x-forwarded-for"], headers["forwarded"]].join(" "));
  });
}

test("the client that a PROXY header tells is the client everywhere", async (t) => {
  let answered: (() => void) | undefined;
  const app = await startHttpApp(t, ({ headers }, response) => {
    answered = () => response.end(String(headers["x-forwarded-for"]));
  });
  const router = await startPair(t, app.url, REQUIRED);
  for (const header of [LINE, encodeProxyV2(CLIENT, { checksum: true, extras: { authority: "a" } })]) {
    const client = new WireClient(t, router.port).send(header).send(REQUEST);
    await until("the request reaches the app", () => answered !== undefined);
    assert.equal(router.node.view().sessions[0]?.client, "192.0.2.7:56324");
    answered!();
    answered = undefined;
    assert.equal((await client.response()).body, "192.0.2.7");
  }
});

test("a header may come in pieces, or with its client's first bytes", async (t) => {
  const app = await startTellingApp(t);
  const router = await startPair(t, app.url, REQUIRED);
  const whole = new WireClient(t, router.port).send(LINE + REQUEST + REQUEST);
  for (let count = 0; count < 2; count++) assert.match((await whole.response()).body, /^192\.0\.2\.7 .*56324/);
  const slow = new WireClient(t, router.port);
  const bytes = Buffer.concat([encodeProxyV2(CLIENT), Buffer.from(REQUEST)]);
  for (const byte of bytes) {
    await new Promise((sent) => slow.socket.write(Buffer.from([byte]), sent));
    await new Promise(setImmediate);
  }
  assert.match((await slow.response()).body, /^192\.0\.2\.7 /);
});

test("large bodies pass whole behind a header, in both directions", async (t) => {
  const app = await startHttpApp(t, (request, response) => request.pipe(response));
  const router = await startPair(t, app.url, REQUIRED);
  const body = "0123456789".repeat(200_000);
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  const client = new WireClient(t, router.port).send(LINE + head + body);
  assert.equal((await client.response()).body === body, true);
});

test("raw listeners and unix sockets take headers too; half-close goes through", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const path = join(temporaryFolder(t), "in.sock");
  for (const url of ["tcp://127.0.0.1:0", `unix://${path}`]) {
    const router = await startPair(t, app.url, { url, ...REQUIRED });
    const where = url.startsWith("unix") ? { path } : router.port;
    const client = new WireClient(t, where).send(`${LINE}hello`);
    assert.equal(await client.read(5), "hello");
    assert.equal(router.node.view().sessions[0]?.client, "192.0.2.7:56324");
    client.send(" again").halfClose();
    assert.equal(await client.readAll(), " again");
  }
});

test("a proxy that speaks for itself, or does not know its client, is the client", async (t) => {
  const app = await startTellingApp(t);
  const router = await startPair(t, app.url, REQUIRED);
  for (const header of ["PROXY UNKNOWN\r\n", encodeProxyV2(undefined), encodeProxyV2(CLIENT, { command: "local" })]) {
    assert.match((await new WireClient(t, router.port).send(header).send(REQUEST).response()).body, /^127\.0\.0\.1 /);
  }
  const unix = encodeProxyV2({ family: "unix", transport: "stream", source: "/a", destination: "/b" });
  assert.match((await new WireClient(t, router.port).send(unix).send(REQUEST).response()).body, /^unknown /);
});

test("a connection without a header, or with a broken one, is closed and counted", async (t) => {
  const app = await startTellingApp(t);
  const router = await startPair(t, app.url, REQUIRED);
  const broken = encodeProxyV2(CLIENT, { checksum: true });
  broken[17]! ^= 1;
  const inputs = [
    REQUEST,
    LINE.replace("TCP4", "TCP5") + REQUEST,
    broken,
    `${LINE.slice(0, -2)}\n${REQUEST}`,
    "\x16\x03\x01",
  ];
  for (const input of inputs) {
    const client = new WireClient(t, router.port).send(input);
    assert.equal(await client.readAll(), "");
    assert.equal(await client.ended, "reset");
  }
  const ended = new WireClient(t, router.port).send("PROXY ").halfClose();
  assert.equal(await ended.readAll(), "");
  const [listener] = router.node.view().listeners;
  assert.equal(listener!.errors["PROXY_HEADER_INVALID"], inputs.length + 1);
  assert.equal(listener!.connectionsRefusedTotal, inputs.length + 1);
  assert.equal(listener!.connectionsOpen, 0);
});

test("a header that does not come in time ends its connection", async (t) => {
  const app = await startTellingApp(t);
  const router = await startPair(t, app.url, { ...REQUIRED, limits: { headTimeout: "50ms" } });
  const client = new WireClient(t, router.port).send("PROXY TCP4 ");
  assert.equal(await client.readAll(), "");
  assert.equal(router.node.view().listeners[0]!.connectionsOpen, 0);
});

test("only those among trustedProxies may say who their clients are", async (t) => {
  const app = await startTellingApp(t);
  const stranger = await startPair(t, app.url, { ...REQUIRED, trustedProxies: ["10.0.0.0/8"] });
  assert.equal(await new WireClient(t, stranger.port).send(LINE + REQUEST).readAll(), "");
  const known = await startPair(t, app.url, { ...REQUIRED, trustedProxies: ["127.0.0.0/8"] });
  const forwarded = REQUEST.replace("\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n");
  const { body } = await new WireClient(t, known.port).send(LINE + forwarded).response();
  assert.match(body, /^192\.0\.2\.7 /, "the header's client is no trusted proxy");
});

test("a reload may ask for headers, and stop asking", async (t) => {
  const app = await startTellingApp(t);
  const port = await freePort();
  const config = (rest: object) => ({
    node: { name: "edge" },
    services: { web: { target: app.url } },
    listeners: [{ url: `http://127.0.0.1:${port}`, service: "web", ...rest }],
  });
  const node = await startNode(t, config({}));
  assert.match((await ask(port)).text, /^127\.0\.0\.1 /);
  await node.reload(configOf(config(REQUIRED)));
  assert.match((await new WireClient(t, port).send(LINE + REQUEST).response()).body, /^192\.0\.2\.7 /);
  await node.reload(configOf(config({})));
  assert.match((await ask(port)).text, /^127\.0\.0\.1 /);
});

test("behind a header a socket is whole enough for TLS", async (t) => {
  const { cert, key } = await (await TestAuthority.create()).issue({ commonName: "edge" });
  const tls = createTlsServer({ cert, key }, (socket) => socket.pipe(socket));
  const gate = new ProxyHeaderGate({
    told: (socket) => tls.emit("connection", socket),
    refused: (_socket, _peer, reason) => assert.fail(reason),
  });
  const server = await listenAt({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    gate.take(socket, clientAt("127.0.0.1", 1), Number.POSITIVE_INFINITY);
  });
  t.after(() => server.close());
  const plain = connect(Number(server.address.split(":")[1]), "127.0.0.1");
  t.after(() => plain.destroy());
  // Header and hello in one piece.
  plain.cork();
  plain.write(LINE);
  const secure = connectTls({ socket: plain, rejectUnauthorized: false });
  setImmediate(() => plain.uncork());
  secure.write("hello");
  const echo = new Promise<string>((resolve) => secure.once("data", (chunk: Buffer) => resolve(chunk.toString())));
  assert.equal(await soon("an echo", echo), "hello");
  secure.end();
});

test("an https listener reads the header before TLS", async (t) => {
  const app = await startHttpApp(t, ({ headers }, response) => {
    response.end([headers["x-forwarded-for"], headers["x-forwarded-proto"]].join(" "));
  });
  const authority = await TestAuthority.create();
  const certificate = await certificateFiles(temporaryFolder(t), authority, "edge.test");
  const port = await freePort();
  await startNode(t, {
    services: { web: { target: app.url } },
    listeners: [
      { url: `https://127.0.0.1:${port}`, service: "web", tls: { certificates: [certificate] }, ...REQUIRED },
    ],
  });
  const plain = connect(port, "127.0.0.1");
  plain.write(encodeProxyV2(CLIENT));
  const secure = connectTls({ socket: plain, ca: authority.cert, servername: "edge.test" });
  t.after(() => secure.destroy());
  let answer = "";
  secure.on("data", (chunk: Buffer) => {
    answer += chunk.toString();
  });
  secure.write(REQUEST);
  await until("an answer", () => answer.endsWith("192.0.2.7 https"));
});

// ── towards apps ──

/** A raw app that keeps what each connection brought. */
async function startNotingApp(t: TestContext) {
  const connections: Buffer[] = [];
  const app = await startRawApp(t, (socket: Socket) => {
    const at = connections.push(Buffer.alloc(0)) - 1;
    socket.on("data", (chunk: Buffer) => {
      connections[at] = Buffer.concat([connections[at]!, chunk]);
    });
    socket.on("end", () => socket.end());
  });
  return { ...app, connections };
}

test("a tcp app is told the client's address, before anything else", async (t) => {
  for (const version of ["v1", "v2"] as const) {
    const app = await startNotingApp(t);
    const router = await startPair(t, app.url, {}, { proxyProtocol: version });
    const client = new WireClient(t, router.port);
    await soon("a connection", new Promise((connected) => client.socket.once("connect", connected)));
    const { localPort } = client.socket;
    client.send("hello").halfClose();
    await client.readAll();
    const reading = readProxyHeader(app.connections[0]!);
    assert.ok(reading.kind === "header");
    assert.equal(reading.header.version, version === "v1" ? 1 : 2);
    assert.deepEqual(reading.header.addresses, {
      family: "inet",
      transport: "stream",
      source: { host: "127.0.0.1", port: localPort },
      destination: { host: "127.0.0.1", port: app.port },
    });
    assert.equal(app.connections[0]!.toString("latin1", reading.bytes), "hello");
  }
});

test("an http app's connection carries the requests of one client only, and is kept for it", async (t) => {
  const connections: string[] = [];
  const app = await startWireApp(t, (head, socket) => {
    // The header, which has no blank line, stands before a connection's first head.
    const told = /^PROXY TCP4 (\S+ \S+ \d+)/.exec(head)?.[1];
    if (told !== undefined) connections.push(told);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const router = await startPair(t, app.url, {}, { proxyProtocol: "v1" });
  const clients = [keepAliveAgent(t, 1), keepAliveAgent(t, 1)];
  for (let count = 0; count < 3; count++) {
    for (const agent of clients) assert.equal((await ask(router.port, { agent })).text, "ok");
  }
  assert.equal(connections.length, 2);
  assert.notEqual(connections[0], connections[1]);
});

test("the client of a PROXY header in front is told to the app behind", async (t) => {
  const app = await startNotingApp(t);
  const router = await startPair(t, app.url, REQUIRED, { proxyProtocol: "v2" });
  const client = new WireClient(t, router.port).send(`${LINE}hello`).halfClose();
  await client.readAll();
  const reading = readProxyHeader(app.connections[0]!);
  assert.ok(reading.kind === "header" && reading.header.addresses?.family === "inet");
  assert.deepEqual(reading.header.addresses.source, CLIENT.source);
});

test("health checks say that they are nobody's connection", async (t) => {
  for (const [version, expected] of [
    ["v1", "PROXY UNKNOWN\r\n"],
    ["v2", encodeProxyV2(undefined, { command: "local" }).toString("latin1")],
  ] as const) {
    const app = await startNotingApp(t);
    const heads: string[] = [];
    const web = await startWireApp(t, (head, socket) => {
      heads.push(head);
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    const router = await startRouter(t);
    const health = { interval: "100ms" };
    await startConnector(t, router.link, {
      raw: { target: app.url, proxyProtocol: version, health },
      web: { target: web.url, proxyProtocol: version, health: { ...health, path: "/healthz" } },
    });
    await offered(router.node, "raw");
    await offered(router.node, "web");
    await until("checks", () => app.connections[0]?.length === expected.length && heads.length > 0);
    assert.equal(app.connections[0]!.toString("latin1"), expected);
    // A version 2 header begins with what ends a head.
    assert.ok(heads.join("").startsWith(`${expected}${version === "v1" ? "GET /healthz" : ""}`), JSON.stringify(heads));
  }
});
