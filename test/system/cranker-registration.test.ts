/** Cranker connectors that register: which routes they get, who may, and how they are shown. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { WebSocket } from "ws";
import { CrankerSocket, DEAD_MS, PING_MS } from "../../src/cranker/cranker-socket.ts";
import { startHttpApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { configOf, offered, type RawConfig, type Router, startConnector, startRouter } from "../support/cluster.ts";
import { startCrankerPeer } from "../support/cranker-connector.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { authorityFile, certificateFiles } from "../support/tls-files.ts";
import { startWebSocketApp, WebSocketClient } from "../support/web-sockets.ts";

type Accept = NonNullable<NonNullable<RawConfig["links"]>["accept"]>[number];

function startCrankerRouter(context: TestContext, accept: Partial<Accept> = {}): Promise<Router> {
  return startRouter(context, [{ url: "http://127.0.0.1:0", waitForOffer: "100ms" }], {
    links: { accept: [{ url: "tcp://127.0.0.1:0", cranker: true, ...accept }] },
  });
}

function startNamed(context: TestContext, name: string) {
  return startHttpApp(context, (asked, response) => response.end(`${name} ${asked.url}`));
}

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-cranker-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function withTokens(context: TestContext): Partial<Accept> {
  const tokensFile = join(folderOf(context), "tokens.yaml");
  writeFileSync(tokensFile, 'alice: "alice-secret"\nbob: "bob-secret"\n', { mode: 0o600 });
  return { auth: { tokensFile } };
}

interface Knock {
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

/** The status and body that an upgrade request is answered with. */
function knock(link: string, { path = "/register/?connectorInstanceID=k", headers = {} }: Knock = {}) {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const outgoing = request(link.replace("tcp", "http") + path, {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        CrankerProtocol: "1.0",
        Route: "web",
        ...headers,
      },
    });
    outgoing.on("error", reject);
    outgoing.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: 101, text: "", headers: response.headers });
    });
    outgoing.on("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    outgoing.end();
  });
}

test("a Polarity connector's service of the same name can be named by a host again", async (t) => {
  const router = await startCrankerRouter(t);
  const app = await startNamed(t, "either");
  startCrankerPeer(t, { router: router.link.replace("tcp", "ws"), target: app.url });
  await offered(router.node, "web");
  assert.equal((await ask(router.port, { path: "/x", headers: { Host: "web.example" } })).status, 404);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web", 2);
  assert.equal((await ask(router.port, { path: "/x", headers: { Host: "web.example" } })).text, "either /x");
});

test("connectors of several kinds share a service, each with its part", async (t) => {
  const router = await startCrankerRouter(t);
  const apps = await Promise.all(["one", "three", "ours"].map((name) => startNamed(t, name)));
  const link = router.link.replace("tcp", "ws");
  startCrankerPeer(t, { router: link, target: apps[0]!.url, version: "1.0", window: 8 });
  startCrankerPeer(t, { router: link, target: apps[1]!.url, version: "3.0" });
  await startConnector(t, router.link, { web: { target: apps[2]!.url } });
  await offered(router.node, "web", 3);
  const counts: Record<string, number> = {};
  for (let round = 0; round < 120; round++) {
    const [name = ""] = (await ask(router.port, { path: "/web/" })).text.split(" ");
    counts[name] = (counts[name] ?? 0) + 1;
  }
  for (const name of ["one", "three", "ours"]) assert.ok((counts[name] ?? 0) > 10, JSON.stringify(counts));
});

test("what a node shows of a connector", async (t) => {
  const router = await startCrankerRouter(t);
  const app = await startNamed(t, "app");
  const link = router.link.replace("tcp", "ws");
  const instance = "0f0e0d";
  startCrankerPeer(t, { router: link, target: app.url, instance, component: "my shed!", domain: "a.shop" });
  await offered(router.node, "a.shop/web");
  await ask(router.port, { path: "/web/", headers: { Host: "a.shop" } });
  const { links, services, nodes } = router.node.view();
  const [offer] = services[0]?.offers ?? [];
  assert.deepEqual(offer?.labels, { route: "web", domain: "a.shop", connectorInstanceID: instance });
  assert.deepEqual(
    [offer?.node, offer?.identity, offer?.link, offer?.requestsTotal],
    ["my-shed", "anonymous", links[0]?.id, 1],
  );
  assert.equal(links.length, 1, "its two websockets are one link");
  assert.deepEqual(
    [links[0]?.transport, links[0]?.instance, links[0]?.state, links[0]?.streamsTotal, links[0]?.dialled],
    ["cranker 3.0", instance, "up", 1, false],
  );
  assert.ok((links[0]?.bytesInTotal ?? 0) > 0);
  assert.deepEqual(nodes.find(({ name }) => name === "my-shed")?.services, ["a.shop/web"]);
});

test("the version is the connector's first choice, and 1.0 where it names none", async (t) => {
  const { link } = await startCrankerRouter(t);
  const chosen = async (protocols: string | undefined, legacy = "1.0"): Promise<[number, unknown]> => {
    const headers: Record<string, string> = { CrankerProtocol: legacy };
    if (protocols !== undefined) headers["Sec-WebSocket-Protocol"] = protocols;
    const answer = await knock(link, { headers });
    return [answer.status, answer.headers["sec-websocket-protocol"]];
  };
  assert.deepEqual(await chosen("cranker_3.0, cranker_1.0"), [101, "cranker_3.0"]);
  assert.deepEqual(await chosen("cranker_1.0, cranker_3.0"), [101, "cranker_1.0"]);
  assert.deepEqual(await chosen("cranker_4.0, cranker_3.0"), [101, "cranker_3.0"]);
  assert.deepEqual(await chosen(undefined), [101, undefined]);
  assert.deepEqual(await chosen("other"), [101, undefined]);
  assert.deepEqual(await chosen(undefined, "2.0"), [400, undefined]);
  assert.deepEqual(await chosen("cranker_4.0", "2.0"), [400, undefined]);
});

test("registrations that make no sense are refused with the reason", async (t) => {
  const { link, node } = await startCrankerRouter(t);
  for (const [headers, path, what] of [
    [{ Route: "a/b" }, undefined, /one segment/],
    [{ Route: "a b" }, undefined, /blanks/],
    [{ Route: "x".repeat(300) }, undefined, /253 bytes/],
    [{ Domain: "a:80" }, undefined, /host/],
    [{ Domain: "*.a" }, undefined, /host/],
    [{}, `/register/?connectorInstanceID=${"x".repeat(129)}`, /connectorInstanceID/],
    [{ Origin: "http://evil.example" }, undefined, /browser/],
  ] as const) {
    const { status, text } = await knock(link, { headers, ...(path === undefined ? {} : { path }) });
    assert.ok(status === 400 || status === 403, `${status}`);
    assert.match(text, what);
  }
  assert.equal((await knock(link, { headers: { "Sec-WebSocket-Version": "99" } })).status, 400, "a broken handshake");
  assert.equal((await knock(link, { path: "/elsewhere" })).status, 400, "a link, but not one of ours");
  assert.deepEqual(node.view().links, [], "nothing is left of them");
  assert.deepEqual(
    node.view().services.filter(({ offers }) => offers.length > 0),
    [],
  );
});

test("without cranker a listener takes links alone", async (t) => {
  const { link } = await startCrankerRouter(t, { cranker: false });
  const { status, text } = await knock(link);
  assert.equal(status, 400);
  assert.match(text, /polarity\.1/);
});

test("a token proves who registers, in any of the ways that connectors have", async (t) => {
  const { link, node } = await startCrankerRouter(t, withTokens(t));
  const bare = await knock(link);
  assert.equal(bare.status, 401);
  assert.match(String(bare.headers["www-authenticate"]), /^Basic /);
  assert.match(bare.text, /a token is needed/);
  for (const authorization of ["Bearer wrong", "Basic !!", "Basic ZnJlZA==", "Bearer", "Digest alice-secret"]) {
    assert.equal((await knock(link, { headers: { Authorization: authorization } })).status, 401, authorization);
  }
  const basic = `Basic ${Buffer.from("anybody:alice-secret").toString("base64")}`;
  for (const way of [
    { headers: { Authorization: "Bearer alice-secret" } },
    { headers: { Authorization: basic } },
    { path: "/register/?token=alice-secret&connectorInstanceID=k" },
    { path: "/register?token=alice-secret" },
  ]) {
    assert.equal((await knock(link, way)).status, 101, JSON.stringify(way));
  }
  assert.equal(node.view().services[0]?.owner, "alice");
  assert.equal((await knock(link, { path: "/deregister/?connectorInstanceID=k" })).status, 401);
});

test("a route belongs to who registered it first, also against links, and nobody deregisters for another", async (t) => {
  const tokens = withTokens(t);
  const { link, node, port } = await startCrankerRouter(t, tokens);
  const app = await startNamed(t, "alice");
  const alice = { Authorization: "Bearer alice-secret" };
  const bob = { Authorization: "Bearer bob-secret" };
  startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, headers: alice, instance: "a" });
  await offered(node, "web");
  const taken = await knock(link, { headers: bob });
  assert.equal(taken.status, 403);
  assert.match(taken.text, /belongs to another identity/);
  await startConnector(t, link, { web: { target: app.url }, own: { target: app.url } }, { token: "bob-secret" });
  await offered(node, "own");
  assert.equal(node.view().services.find(({ name }) => name === "web")?.offers.length, 1);
  assert.equal((await knock(link, { headers: { ...alice, Route: "own" } })).status, 403);

  const path = "/deregister/?connectorInstanceID=a";
  assert.equal((await knock(link, { headers: bob, path })).status, 101);
  assert.equal((await ask(port, { path: "/web/" })).text, "alice /web/");
});

test("with a table, each identity registers what its list says, and nobody else anything", async (t) => {
  const routes = { alice: ["web", "a.shop/web", "*"] };
  const { link } = await startCrankerRouter(t, { ...withTokens(t), cranker: { routes } });
  const status = async (token: string, Route: string, Domain = "*"): Promise<number> =>
    (await knock(link, { headers: { Authorization: `Bearer ${token}`, Route, Domain } })).status;
  assert.equal(await status("alice-secret", "web"), 101);
  assert.equal(await status("alice-secret", "web", "a.shop"), 101);
  assert.equal(await status("alice-secret", "*"), 101);
  assert.equal(await status("alice-secret", "*", "a.shop"), 403);
  assert.equal(await status("alice-secret", "other"), 403);
  assert.equal(await status("bob-secret", "web"), 403);
});

test("a client certificate says who registers, inside TLS", async (t) => {
  const folder = folderOf(t);
  const authority = await TestAuthority.create();
  const router = await certificateFiles(folder, authority, "localhost");
  const clientCa = authorityFile(folder, authority);
  const { link, node, port } = await startCrankerRouter(t, { tls: { ...router, clientCa } });
  const app = await startNamed(t, "secure");
  const client = await authority.issue({ dns: ["shed.example"] });
  startCrankerPeer(t, {
    router: link.replace("tcp://127.0.0.1", "wss://localhost"),
    target: app.url,
    ca: authority.cert,
    cert: client.cert,
    key: client.key,
  });
  await offered(node, "web");
  assert.equal((await ask(port, { path: "/web/" })).text, "secure /web/");
  assert.match(node.view().links[0]?.identity ?? "", /shed\.example/);
  assert.equal((await knock(link)).status, 401, "without TLS there is no certificate");
});

test("beyond this machine a listener needs to know who registers", () => {
  assert.throws(() => configOf({ links: { accept: [{ url: "tcp://0.0.0.0:0", cranker: true }] } }), /let anybody join/);
});

test("a reload that takes cranker away lets its connectors finish, and one that brings it takes them", async (t) => {
  const held = Promise.withResolvers<() => void>();
  const app = await startHttpApp(t, (_asked, response) => held.resolve(() => response.end("done")));
  const router = await startCrankerRouter(t);
  const peer = startCrankerPeer(t, { router: router.link.replace("tcp", "ws"), target: app.url });
  await offered(router.node, "web");
  const answer = ask(router.port, { path: "/web/" });
  const finish = await held.promise;
  const config = (cranker: boolean): RawConfig => ({
    node: { name: "edge" },
    listeners: [{ url: "http://127.0.0.1:0", waitForOffer: "100ms" }],
    links: { accept: [{ url: router.link, cranker }] },
  });
  await router.node.reload(configOf(config(false)));
  await until("it offers nothing", () => router.node.view().services[0]?.offers.length === 0);
  finish();
  assert.equal((await answer).text, "done");
  await until("it is gone", () => router.node.view().links.length === 0);
  await router.node.reload(configOf(config(true)));
  await offered(router.node, "web");
  assert.ok(peer.sockets.size > 0);
});

test("an idle 1.0 socket that closes is replaced without a failed request", async (t) => {
  const router = await startCrankerRouter(t);
  const app = await startNamed(t, "app");
  const peer = startCrankerPeer(t, { router: router.link.replace("tcp", "ws"), target: app.url, version: "1.0" });
  await offered(router.node, "web");
  for (let round = 0; round < 5; round++) {
    for (const socket of peer.sockets) socket.close(1001);
    await until("it is back", async () => (await ask(router.port, { path: "/web/" })).status === 200);
  }
});

test("a silent peer is pinged, and given up after 20 s; one that is not read is told that we live", async (t) => {
  const accepted = Promise.withResolvers<WebSocket>();
  const app = await startWebSocketApp(t, (webSocket) => accepted.resolve(webSocket));
  const client = await new WebSocketClient(t, app.url.replace("http", "ws")).opened();
  const heard: string[] = [];
  client.socket.on("ping", () => heard.push("ping"));
  client.socket.on("pong", () => heard.push("pong"));
  const webSocket = await accepted.promise;
  const under = Reflect.get(webSocket, "_socket") as ConstructorParameters<typeof CrankerSocket>[1];
  const socket = new CrankerSocket(webSocket, under, "somewhere", 0);
  assert.ok(socket.sweep(0));
  const { bytesRead } = under;
  assert.ok(socket.sweep(PING_MS));
  // The answer to the ping is a sign of life, whatever else it says.
  await until("it answered", () => under.bytesRead > bytesRead);
  assert.ok(socket.sweep(DEAD_MS));
  await until("another answer", () => heard.length === 2);
  socket.pause();
  assert.ok(socket.sweep(3 * DEAD_MS), "we do not listen, so we do not judge");
  await until("a pong that was not asked for", () => heard.includes("pong"));
  client.socket.pause();
  socket.resume();
  assert.ok(socket.sweep(3 * DEAD_MS + 1));
  await until("what was on its way", () => under.bytesRead > 0);
  socket.sweep(4 * DEAD_MS - 1);
  assert.equal(socket.sweep(5 * DEAD_MS), false);
  socket.destroy();
  await soon("its end", new Promise((resolve) => webSocket.once("close", resolve)));
});
