/**
 * Everything at once, much of it broken off: hedges, copies, retries, sticky clients, HTTP/2, websockets, TLS and PROXY
 * headers, with reloads and a connector that leaves in the middle. Whatever happens, nothing is left behind and nothing is
 * given back twice: all that is counted comes back to zero.
 */
import assert from "node:assert/strict";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import type { PolarityNode } from "../../src/node/node.ts";
import { startWebSocketApp } from "../support/web-sockets.ts";
import { TestAuthority } from "../support/certificates.ts";
import {
  configOf,
  offered,
  portOf,
  type RawConfig,
  type Router,
  startConnector,
  startRouter,
} from "../support/cluster.ts";
import { until } from "../support/patience.ts";
import { Random } from "../support/random.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { certificateFiles } from "../support/tls-files.ts";

const LOAD_MS = 5_000;
const CLIENTS = 24;
const BULK = Buffer.alloc(256 * 1024, "x");

type Route = NonNullable<NonNullable<RawConfig["listeners"]>[number]["routes"]>[number];

const ROUTES: Route[] = [
  { path: "/hedge", service: "web", hedge: { after: "5ms", max: 3 }, retries: { on: [503], floor: 1000 } },
  { path: "/copy", service: "web", mirror: { service: "copies", percent: 80, body: "64KiB" } },
  { path: "/retry", service: "web", retries: { on: [503], floor: 1000 }, timeout: "300ms" },
  { path: "/sticky", service: "web", sticky: { cookie: "seat" }, stallTimeout: "150ms" },
  { path: "/nobody", service: "nobody" },
  { path: "/moved", redirect: { to: "/plain" } },
  { path: "/", service: "web" },
];

/** An app whose moods are the request's to choose, or else chance's. */
function moody(random: Random) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    response.on("error", () => {});
    request.on("error", () => {});
    const mood = random.below(12);
    const answer = (): void => {
      if (mood === 0) response.writeHead(503).end("no");
      else if (mood === 1) request.socket.destroy();
      else if (mood === 2) response.writeHead(200, { "content-length": "10" }).write("half");
      else if (mood === 3) response.writeHead(200).write("half", () => request.socket.destroy());
      else if (mood === 4) response.end(BULK);
      else if (mood === 5) response.writeEarlyHints({ link: "</x>; rel=preload" }, () => response.end("hinted"));
      else response.end("well");
    };
    // Some answer before they have read anything.
    if (mood === 6) answer();
    else if (mood === 7) setTimeout(answer, random.below(80));
    else request.resume().on("end", answer);
  };
}

interface Load {
  readonly random: Random;
  readonly plain: number;
  readonly secure: number;
  readonly proxied: number;
  readonly sessions: ClientHttp2Session[];
}

/** Resolves when the socket has closed; it is broken off after a while if it has not. */
function lifeOf(socket: Socket | WebSocket, random: Random): Promise<void> {
  return new Promise((resolve) => {
    const end = setTimeout(() => ("terminate" in socket ? socket.terminate() : socket.destroy()), random.below(120));
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(end);
      resolve();
    });
  });
}

function http2Session(port: number): ClientHttp2Session {
  return connectHttp2(`http://127.0.0.1:${port}`).on("error", () => {});
}

const METHODS = ["GET", "GET", "GET", "HEAD", "POST", "PUT"] as const;

function pathOf(random: Random): string {
  return random.pick(["/hedge", "/hedge", "/copy", "/copy", "/retry", "/sticky", "/plain", "/moved", "/nobody"]);
}

function overHttp1({ random, plain }: Load): Promise<void> {
  return new Promise((resolve) => {
    const method = random.pick(METHODS);
    const outgoing = httpRequest({ host: "127.0.0.1", port: plain, method, path: pathOf(random), agent: false });
    outgoing.on("error", () => {});
    outgoing.on("close", () => resolve());
    outgoing.on("response", (response) => {
      if (random.oneIn(4)) response.once("data", () => outgoing.destroy());
      response.on("error", () => {}).resume();
    });
    if (random.oneIn(3)) setTimeout(() => outgoing.destroy(), random.below(40));
    else setTimeout(() => outgoing.destroy(), 500);
    if (method === "POST" || method === "PUT") {
      outgoing.write(BULK.subarray(0, random.below(100_000)));
      // And some never say that this was all.
      if (random.oneIn(4)) return;
    }
    outgoing.end();
  });
}

function overHttp2({ random, sessions, plain }: Load): Promise<void> {
  return new Promise((resolve) => {
    const method = random.pick(METHODS);
    const place = random.below(sessions.length);
    // Who takes back too much is sent away, and comes again.
    if (sessions[place]!.destroyed || sessions[place]!.closed) sessions[place] = http2Session(plain);
    const session = sessions[place]!;
    const hasBody = method === "POST" || method === "PUT";
    const stream = session.request({ ":method": method, ":path": pathOf(random) }, { endStream: !hasBody });
    stream.on("error", () => {});
    stream.on("close", () => resolve());
    if (random.oneIn(2)) stream.resume();
    // What was not read keeps a stream that is over.
    setTimeout(() => stream.resume().close(8), random.oneIn(3) ? random.below(40) : 300);
    if (!hasBody) return;
    stream.write(BULK.subarray(0, random.below(100_000)));
    if (!random.oneIn(4)) stream.end();
  });
}

function overWebSocket({ random, plain }: Load): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${plain}${random.pick(["/sticky", "/copy", "/hedge", "/plain"])}`);
  socket.on("open", () => {
    socket.send(BULK.subarray(0, random.below(50_000)));
    if (random.oneIn(2)) socket.close();
  });
  return lifeOf(socket, random);
}

function overTls({ random, secure }: Load): Promise<void> {
  const socket = random.oneIn(3)
    ? // No handshake, or the beginning of one.
      connect(secure, "127.0.0.1", () => socket.write(Buffer.from("160301", "hex").subarray(0, random.below(4))))
    : connectTls({ host: "127.0.0.1", port: secure, rejectUnauthorized: false, servername: "one.test" }, () => {
        socket.write(`GET ${pathOf(random)} HTTP/1.1\r\nHost: one.test\r\n\r\n`);
      });
  socket.resume();
  return lifeOf(socket, random);
}

function overProxyHeader({ random, proxied }: Load): Promise<void> {
  const header = `PROXY TCP4 192.0.2.${1 + random.below(9)} 192.0.2.1 4000 80\r\n`;
  const socket = connect(proxied, "127.0.0.1", () => {
    if (random.oneIn(3)) socket.write(header.slice(0, random.below(header.length)));
    else socket.write(`${header}GET ${pathOf(random)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  });
  // Some never read.
  if (random.oneIn(2)) socket.resume();
  return lifeOf(socket, random);
}

/** Requests in a row, some of them nonsense, on a connection that may be closed on one side. */
function byHand({ random, plain }: Load): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port: plain, allowHalfOpen: true }, () => {
    for (let left = random.below(4); left >= 0; left--) {
      socket.write(`GET ${pathOf(random)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    }
    if (random.oneIn(3)) socket.write("nonsense\r\n\r\n");
    if (random.oneIn(3)) socket.write("POST /copy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    if (random.oneIn(3)) socket.end();
  });
  if (random.oneIn(2)) socket.resume();
  return lifeOf(socket, random);
}

const WAYS = [overHttp1, overHttp1, overHttp1, overHttp2, overHttp2, overWebSocket, overTls, overProxyHeader, byHand];

async function client(load: Load, until: number): Promise<void> {
  while (performance.now() < until) await load.random.pick(WAYS)(load);
}

/** What is counted of things under way, by name; only what is not zero. */
function gaugesOf({ node }: Router): Record<string, number> {
  const { listeners, services, totals, links } = node.view();
  const gauges = [
    ...listeners.flatMap(({ url, requestsActive, connectionsOpen }) => [
      [`requests active at ${url}`, requestsActive] as const,
      [`connections open at ${url}`, connectionsOpen] as const,
    ]),
    ...services.flatMap(({ name, requestsActive, offers }) => [
      [`requests active of ${name}`, requestsActive] as const,
      ...offers.map((offer) => [`outstanding of ${name} at ${offer.node} (${offer.link})`, offer.outstanding] as const),
    ]),
    ...links.map(({ id, node: to, streamsOpen }) => [`streams to ${to} (${id})`, streamsOpen] as const),
    ["requests that wait", totals.waiting] as const,
    ["requests active", totals.requestsActive] as const,
  ];
  return Object.fromEntries(gauges.filter(([, value]) => value !== 0));
}

async function startFleet(t: TestContext, router: Router, random: Random): Promise<() => Promise<void>> {
  const connectors: PolarityNode[] = [];
  for (const name of ["one", "two", "three"]) {
    const app = await startWebSocketApp(t, (socket) => socket.on("message", (data) => socket.send(data)));
    app.server.options.server!.removeAllListeners("request").on("request", moody(random));
    const service = { target: app.url, stallTimeout: "200ms", responseTimeout: "1s" };
    connectors.push(await startConnector(t, router.link, { web: service, copies: service }, { name, links: 2 }));
  }
  await offered(router.node, "web", 6);
  return () => connectors[0]!.stop();
}

test("after hedges, copies, retries, upgrades and all ways to break them off, nothing is left behind", async (t) => {
  const random = new Random(20_240_611);
  const { cert, key } = await certificateFiles(temporaryFolder(t), await TestAuthority.create(), "one.test");
  const [plain, secure, proxied] = [await freePort(), await freePort(), await freePort()];
  const limits = { headTimeout: "200ms", sendTimeout: "300ms", idleTimeout: "1s" };
  const listeners = (more: object): NonNullable<RawConfig["listeners"]> => [
    { url: `http://127.0.0.1:${plain}`, routes: ROUTES, limits, waitForOffer: "50ms", ...more },
    {
      url: `https://127.0.0.1:${secure}`,
      routes: ROUTES,
      limits,
      tls: { cert, key, handshakeTimeout: "1s" },
      waitForOffer: "50ms",
      ...more,
    },
    {
      url: `http://127.0.0.1:${proxied}`,
      routes: ROUTES,
      limits,
      proxyProtocol: "required",
      waitForOffer: "50ms",
      ...more,
    },
  ];
  const router = await startRouter(t, listeners({}));
  const loseOne = await startFleet(t, router, random);

  const sessions = Array.from({ length: 4 }, () => http2Session(plain));
  t.after(() => sessions.forEach((session) => session.destroy()));
  const load: Load = { random, plain, secure, proxied, sessions };
  const began = performance.now();
  const clients = Array.from({ length: CLIENTS }, () => client(load, began + LOAD_MS));

  const link = portOf(router.link);
  for (const more of [{ requestId: true }, { tracing: "create" }, {}]) {
    await delay(LOAD_MS / 5);
    await router.node.reload(
      configOf({
        node: { name: "edge" },
        links: { accept: [{ url: `tcp://127.0.0.1:${link}` }] },
        listeners: listeners(more),
      }),
    );
  }
  await loseOne();
  await Promise.all(clients);
  for (const session of sessions) session.destroy();

  const seen = router.node.view().services.find(({ name }) => name === "web")!;
  const happened = { ...seen, offers: [] };
  assert.ok(happened.requestsTotal > 200 && happened.hedgesTotal > 5, JSON.stringify(happened));
  assert.ok(happened.retriesTotal > 5 && happened.mirrorsTotal > 5, JSON.stringify(happened));
  let left: Record<string, number> = {};
  await until("everything comes back", () => Object.keys((left = gaugesOf(router))).length === 0).catch(() => {});
  assert.deepEqual(left, {});
});
