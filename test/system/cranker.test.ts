/** Cranker connectors, both versions of the protocol, through a router: what requests and answers come to. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { type App, startHttpApp } from "../support/apps.ts";
import { offered, portOf, type Router, startNode, startRouter } from "../support/cluster.ts";
import { type ConnectorSettings, type CrankerPeer, startCrankerPeer } from "../support/cranker-connector.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";

const VERSIONS = ["1.0", "3.0"] as const;

/** Says what it was asked, in headers and as a hash, and takes its answer's form from the path. */
function startEcho(context: TestContext): Promise<App<unknown>> {
  return startHttpApp(context, (request, response) => {
    const hash = createHash("sha256");
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    request.on("end", () => {
      const url = request.url ?? "";
      response.setHeader("server", "echo");
      response.setHeader("x-asked", `${request.method} ${url}`);
      if (url.endsWith("/204")) {
        response.writeHead(204).end();
        return;
      }
      const size = Number(/bytes=(\d+)/.exec(url)?.[1] ?? 0);
      if (size > 0) {
        const body = Buffer.alloc(size, 0x61);
        if (!url.includes("chunked")) response.setHeader("content-length", size);
        response.write(body);
        response.end();
        return;
      }
      const headers = request.rawHeaders;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ bytes, sha256: hash.digest("hex"), headers, trailers: request.trailers }));
    });
  });
}

interface Setup extends Router {
  readonly peer: CrankerPeer;
}

async function startCranker(
  context: TestContext,
  target: string,
  settings: Partial<ConnectorSettings> = {},
): Promise<Setup> {
  const router = await startRouter(context, undefined, {
    links: { accept: [{ url: "tcp://127.0.0.1:0", cranker: true }] },
  });
  const { route = "web" } = settings;
  const peer = startCrankerPeer(context, { router: router.link.replace("tcp", "ws"), target, ...settings });
  await offered(router.node, route);
  return { ...router, peer };
}

interface Echo {
  readonly bytes: number;
  readonly sha256: string;
  readonly headers: string[];
  readonly trailers: Record<string, string>;
}

function sent({ headers }: Echo, name: string): string[] {
  return headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === name);
}

for (const version of VERSIONS) {
  test(`${version}: a page and its server header, query and path unchanged`, async (t) => {
    const app = await startEcho(t);
    const { port } = await startCranker(t, app.url, { version });
    const answer = await ask(port, { path: "/web/a%20b/?q=1&r=%2F" });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.server, "echo");
    assert.equal(answer.headers["x-asked"], "GET /web/a%20b/?q=1&r=%2F");
  });

  test(`${version}: requests and answers of any framing, compared by hash`, { timeout: 60_000 }, async (t) => {
    const app = await startEcho(t);
    const { port } = await startCranker(t, app.url, { version });
    for (const size of [1, 15_999, 16_000, 16_001, 65_537, 3_000_000]) {
      const body = randomBytes(size);
      const sha256 = createHash("sha256").update(body).digest("hex");
      const whole = await ask(port, { path: "/web/", method: "POST", body, headers: { "Content-Length": size } });
      assert.deepEqual(JSON.parse(whole.text).sha256, sha256, `${size} bytes with their length`);
      const chunked = await ask(port, {
        path: "/web/",
        method: "PUT",
        body,
        headers: { "Transfer-Encoding": "chunked" },
      });
      assert.deepEqual(JSON.parse(chunked.text).sha256, sha256, `${size} bytes in chunks`);
      for (const way of ["length", "chunked"]) {
        const down = await ask(port, { path: `/web/${way}?bytes=${size}` });
        assert.equal(down.body.length, size);
        assert.equal(down.headers["content-length"], way === "length" ? `${size}` : undefined);
      }
    }
  });

  test(`${version}: answers without a body are just that`, async (t) => {
    const app = await startEcho(t);
    const { port } = await startCranker(t, app.url, { version });
    const head = await ask(port, { path: "/web/?bytes=10", method: "HEAD" });
    assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "10", 0]);
    const none = await ask(port, { path: "/web/204" });
    assert.deepEqual([none.status, none.headers["content-length"], none.body.length], [204, undefined, 0]);
    const empty = await ask(port, { path: "/web/", method: "POST", headers: { "Content-Length": 0 } });
    assert.equal((JSON.parse(empty.text) as Echo).bytes, 0);
  });

  test(`${version}: what the app is told about the way of the request`, async (t) => {
    const app = await startEcho(t);
    const { port, peer } = await startCranker(t, app.url, { version });
    const answer = await ask(port, {
      path: "/web/",
      headers: {
        Host: "shop.example.com",
        Cookie: ["a=1", "b=2"],
        Connection: "close, X-Secret",
        "X-Secret": "hop",
        TE: "trailers",
        "X-Latin": "caf\u00e9",
      },
    });
    const echo = JSON.parse(answer.text) as Echo;
    assert.deepEqual(sent(echo, "via"), ["HTTP/1.1 edge"]);
    assert.deepEqual(sent(echo, "cookie"), ["a=1; b=2"]);
    assert.deepEqual(sent(echo, "x-latin"), ["caf\u00e9"]);
    assert.match(sent(echo, "forwarded").join(), /^for="?127\.0\.0\.1:\d+"?;host="shop\.example\.com";proto=http$/);
    assert.deepEqual(sent(echo, "x-secret"), []);
    assert.deepEqual(sent(echo, "te"), []);
    const [head = ""] = peer.heads;
    assert.match(head, /^GET \/web\/ HTTP\/1\.1\n(?:[^\n:]+:[^\n ][^\n]*\n)+\n$/);
  });

  test(`${version}: behind a proxy in front the app is told of its client, if the proxy is trusted`, async (t) => {
    const app = await startEcho(t);
    for (const [trustedProxies, known] of [
      [["127.0.0.1"], true],
      [[], false],
    ] as const) {
      const router = await startRouter(t, [{ url: "http://127.0.0.1:0", trustedProxies: [...trustedProxies] }], {
        links: { accept: [{ url: "tcp://127.0.0.1:0", cranker: true }] },
      });
      startCrankerPeer(t, { router: router.link.replace("tcp", "ws"), target: app.url, version });
      await offered(router.node, "web");
      const headers = { "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https" };
      const echo = JSON.parse((await ask(router.port, { path: "/web/", headers })).text) as Echo;
      assert.deepEqual(sent(echo, "x-forwarded-for"), [known ? "203.0.113.9, 127.0.0.1" : "127.0.0.1"]);
      assert.deepEqual(sent(echo, "x-forwarded-proto"), [known ? "https" : "http"]);
      assert.match(sent(echo, "forwarded").join(), known ? /^for=203\.0\.113\.9;proto=https, for=/ : /^for="127/);
    }
  });

  test(`${version}: the router answers an expectation, and trailers end with it`, async (t) => {
    const app = await startEcho(t);
    const { port } = await startCranker(t, app.url, { version });
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write(
      "POST /web/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n",
    );
    const [first] = (await soon("100", once(socket, "data"))) as [Buffer];
    assert.match(first.toString(), /^HTTP\/1\.1 100 Continue\r\n/);
    socket.write("5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await soon("the answer", once(socket, "close"));
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /"bytes":5,.*"trailers":\{\}/);
  });

  test(`${version}: many at once, none mixed up`, { timeout: 60_000 }, async (t) => {
    const app = await startEcho(t);
    const { port, node } = await startCranker(t, app.url, { version });
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const body = randomBytes(20_000 + index);
        const answer = await ask(port, { path: `/web/${index}`, method: "POST", body });
        assert.equal(JSON.parse(answer.text).sha256, createHash("sha256").update(body).digest("hex"));
        return answer.headers["x-asked"];
      }),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 60 }, (_, index) => `POST /web/${index}`),
    );
    const service = node.view().services.find(({ name }) => name === "web");
    assert.equal(service?.requestsTotal, 60);
    assert.equal(service?.requestsActive, 0);
    await until("nothing outstanding", () => node.view().links[0]?.streamsOpen === 0);
  });

  test(`${version}: websockets and other upgrades are refused with the reason`, async (t) => {
    const app = await startEcho(t);
    const { port } = await startCranker(t, app.url, { version });
    const answer = await ask(port, {
      path: "/web/",
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
      },
    });
    assert.equal(answer.status, 501);
    assert.equal(answer.headers["x-polarity-error"], "UPGRADE_NOT_CARRIED");
    // The socket that was looked at is as good as before.
    for (let round = 0; round < 4; round++) assert.equal((await ask(port, { path: "/web/" })).status, 200);
  });

  test(`${version}: a target cannot choose the host that the app's side calls`, async (t) => {
    const app = await startEcho(t);
    const { port, peer } = await startCranker(t, app.url, { version, route: "*" });
    for (const path of ["//evil.example/x", "/\\evil.example/x", "///evil.example/x"]) {
      assert.equal((await ask(port, { path })).status, 400, path);
    }
    const absolute = await ask(port, { path: "http://evil.example/x?y" });
    assert.equal(absolute.headers["x-asked"], "GET /x?y");
    assert.deepEqual(
      peer.heads.map((head) => head.split("\n")[0]),
      ["GET /x?y HTTP/1.1"],
    );
  });
}

test("a node that dials the router reaches cranker services through it", async (t) => {
  const app = await startEcho(t);
  for (const version of VERSIONS) {
    const { link } = await startCranker(t, app.url, { version });
    const forwarder = await startNode(t, {
      links: { dial: [{ url: link }] },
      listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
    });
    const port = portOf(forwarder.addresses.listeners[0]!);
    const body = randomBytes(300_000);
    const answer = await ask(port, { path: "/any", method: "POST", body });
    assert.equal(JSON.parse(answer.text).sha256, createHash("sha256").update(body).digest("hex"));
    assert.equal((await ask(port, { path: "/x", headers: { Connection: "Upgrade", Upgrade: "echo" } })).status, 501);
  }
});
