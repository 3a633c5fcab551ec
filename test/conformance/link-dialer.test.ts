/** How a dialler gets to a node and stays there: proxies, several links, attempts that fail and those that come too late. */
import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";

import { parseLinkAddress } from "../../src/base/address.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { Acceptor } from "../../src/link/acceptor.ts";
import { Dialer, type DialerOptions } from "../../src/link/dialer.ts";
import { TestAuthority } from "../support/certificates.ts";
import { testCertificates } from "../support/link-media.ts";
import { LinkNode, openStream } from "../support/link-node.ts";
import { NAMES, systemNames } from "../support/names.ts";
import { NameServer } from "../support/name-server.ts";
import { NameResolver } from "../../src/socket/name-resolver.ts";

const TEST_OPTIONS = { timeout: 20_000 };
const CLOSED = new PolarityError("NODE_STOPPED", "the test is over");

describe("a dialler", { concurrency: false }, () => {
  test(
    "goes through the proxy of the environment, with its credentials, to a name that only the proxy knows",
    TEST_OPTIONS,
    async (t) => {
      const { authority, server } = await testCertificates();
      const router = await accept(t, { tls: server });
      const proxy = await TunnelProxy.start(t, router.port);
      for (const [scheme, variable] of [
        ["ws", "HTTP_PROXY"],
        ["wss", "https_proxy"],
        ["tls", "HTTPS_PROXY"],
        ["tcp", "all_proxy"],
      ] as const) {
        const environment = { [variable]: `http://user%40corp:p%3Ass@127.0.0.1:${proxy.port}` };
        const tls = { ca: authority.cert, servername: "localhost" };
        const { node } = dial(t, `${scheme}://router.invalid:8000`, { environment, tls });
        await node.joinedOnce();
        const { stream, reader } = openStream(node.link, "echo", scheme);
        stream.end();
        assert.equal((await reader.whole()).toString(), scheme);
        assert.equal(proxy.requests.at(-1)?.[0], "CONNECT router.invalid:8000 HTTP/1.1");
      }
      const credentials = Buffer.from("user@corp:p:ss").toString("base64");
      for (const lines of proxy.requests) assert.ok(lines.includes(`Proxy-Authorization: Basic ${credentials}`));
    },
  );

  test("asks the proxy for each server that records name, until one is reached", TEST_OPTIONS, async (t) => {
    const router = await accept(t);
    const proxy = await TunnelProxy.start(t, router.port, ["dead.test"]);
    const record = (priority: number, name: string) => ({ priority, weight: 0, port: 8000, name });
    const dns = await NameServer.start(t, {
      "SRV _link._tcp.test": { records: [record(2, "live.test"), record(1, "dead.test")] },
    });
    const names = new NameResolver({ ...NAMES, servers: [dns.address] });
    const environment = { all_proxy: `http://127.0.0.1:${proxy.port}` };
    const { node } = dial(t, "srv+tcp://_link._tcp.test", { environment, names });
    await node.joinedOnce();
    const asked = proxy.requests.map(([line]) => line);
    assert.deepEqual(asked, ["CONNECT dead.test:8000 HTTP/1.1", "CONNECT live.test:8000 HTTP/1.1"]);
    // The proxy finds the hosts.
    assert.deepEqual(dns.asked, ["SRV _link._tcp.test"]);
    await proxy.left;
  });

  test("takes no router for an identity that is built in, unless it is told another", TEST_OPTIONS, async (t) => {
    const authority = await TestAuthority.create("Routers");
    const server = await authority.issue({ commonName: "anonymous", dns: ["localhost"] });
    const router = await accept(t, { tls: server });
    const tls = { ca: authority.cert, servername: "localhost" };
    const { dialer } = dial(t, `tls://127.0.0.1:${router.port}`, { tls });
    await failed(dialer);
    assert.match(`${dialer.status.failure}`, /the certificate is named "anonymous", and .*links\.dial\[\]\.identity/);
    const named = dial(t, `tls://127.0.0.1:${router.port}`, { tls, identity: "edge" });
    await named.node.joinedOnce();
    assert.equal(named.node.link.peer.identity, "edge");
  });

  test("goes straight where NO_PROXY says so", TEST_OPTIONS, async (t) => {
    const router = await accept(t);
    const environment = { HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "example.com, 127.0.0.1" };
    await dial(t, `ws://127.0.0.1:${router.port}`, { environment }).node.joinedOnce();
  });

  const refusals: readonly (readonly [string, RegExp])[] = [
    [
      "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
      /the proxy 127\.0\.0\.1:\d+ does not let us reach router\.invalid:8000: 407 Proxy/,
    ],
    ["SSH-2.0-OpenSSH\r\n\r\n", /does not answer in HTTP/],
    ["", /closed the connection without an answer/],
    [`HTTP/1.1 200 ${"x".repeat(20_000)}`, /head of more than 16384 bytes/],
  ];
  for (const [answer, words] of refusals) {
    test(`says what a proxy answered: ${answer.slice(0, 15).trim() || "nothing"}`, TEST_OPTIONS, async (t) => {
      const port = await serve(t, (socket) => socket.once("data", () => socket.end(answer)));
      const environment = { HTTPS_PROXY: `http://127.0.0.1:${port}` };
      const { dialer, node } = dial(t, "wss://router.invalid:8000", { environment });
      await failed(dialer);
      assert.match(dialer.status.failure ?? "", words);
      assert.equal(node.links.size, 0);
    });
  }

  test("says why it cannot get through", TEST_OPTIONS, async (t) => {
    const { server } = await testCertificates();
    const router = await accept(t, { tls: server });
    const web = await serve(t, (socket) => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    const closing = await serve(t, (socket) => socket.destroy());
    for (const [url, words] of [
      ["tcp://127.0.0.1:1", /cannot reach tcp:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/],
      [`tls://127.0.0.1:${router.port}`, /cannot reach tls:.*the certificate's authority is not known here/],
      [`ws://127.0.0.1:${web}`, /answered the websocket's upgrade with 404 Not Found/],
      [`wss://127.0.0.1:${closing}`, /cannot reach wss:/],
      [`tcp://127.0.0.1:${closing}`, /broke/],
    ] as const) {
      const { dialer } = dial(t, url);
      await failed(dialer);
      assert.match(dialer.status.failure ?? "", words);
    }
  });

  test(
    "trusts a certificate that it was told not to check, and one for another name only under that name",
    TEST_OPTIONS,
    async (t) => {
      const { authority } = await testCertificates();
      const certificate = await authority.issue({ commonName: "router", dns: ["router.example"] });
      const router = await accept(t, { tls: certificate });
      const url = `tls://127.0.0.1:${router.port}`;
      const { dialer } = dial(t, url, { tls: { ca: authority.cert } });
      await failed(dialer);
      assert.match(dialer.status.failure ?? "", /the certificate is for another host/);
      await dial(t, url, { tls: { ca: authority.cert, servername: "router.example" } }).node.joinedOnce();
      await dial(t, url, { tls: { insecureSkipVerify: true } }).node.joinedOnce();
    },
  );

  test("keeps as many links as it was asked for, each on its own", TEST_OPTIONS, async (t) => {
    const router = await accept(t);
    const { node, dialer } = dial(t, `tcp://127.0.0.1:${router.port}`, { links: 3 });
    await node.until(() => node.links.size === 3);
    [...router.node.links][1]?.close(CLOSED);
    await node.until(() => node.ends.length === 1);
    await node.until(() => node.links.size === 3);
    assert.deepEqual(dialer.status, {
      url: `tcp://127.0.0.1:${router.port}`,
      wanted: 3,
      joined: 3,
      failure: undefined,
    });
  });

  test("joins a node that comes up long after it", TEST_OPTIONS, async (t) => {
    const place = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
    const { acceptor, port } = await accept(t);
    await acceptor.close();
    const { dialer, node } = dial(t, `tcp://127.0.0.1:${port}`);
    await failed(dialer);
    const late = await accept(t, { place: { ...place, port } });
    await node.joinedOnce();
    assert.equal(dialer.status.failure, undefined);
    assert.equal(late.node.links.size, 1);
  });

  test(
    "gives up on a node that accepts and says nothing, and on one that never finishes TLS",
    TEST_OPTIONS,
    async (t) => {
      const silent = await serve(t, () => {});
      for (const scheme of ["tcp", "tls", "ws"]) {
        const { dialer } = dial(t, `${scheme}://127.0.0.1:${silent}`, {}, 50);
        await failed(dialer);
        assert.match(dialer.status.failure ?? "", /50 ms/);
      }
    },
  );

  test("does not break over hostile answers", TEST_OPTIONS, async (t) => {
    const welcome = (text: string): Buffer => {
      const header = Buffer.from([0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
      header.writeUInt32BE(text.length, 8);
      return Buffer.concat([header, Buffer.from(text)]);
    };
    for (const answer of [
      Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
      welcome("nonsense\n"),
      welcome('{"type":"offer","service":"web","protocol":"tcp"}\n'),
      welcome('{"type":"welcome","node":"a\\nb","instance":"1"}\n'),
      welcome('{"type":"hello","protocol":1,"node":"a","instance":"1"}\n'),
      welcome("x".repeat(65_600)),
    ]) {
      const port = await serve(t, (socket) => socket.once("data", () => socket.write(answer)));
      const { dialer, node } = dial(t, `tcp://127.0.0.1:${port}`);
      await failed(dialer);
      assert.deepEqual(node.heard, []);
    }
  });

  test("stops in the middle of anything", TEST_OPTIONS, async (t) => {
    const silent = await serve(t, () => {});
    for (const scheme of ["tcp", "tls", "ws"]) {
      const arrived = Promise.withResolvers<Socket>();
      const port = await serve(t, (socket) => arrived.resolve(socket));
      const { dialer } = dial(t, `${scheme}://127.0.0.1:${port}`);
      const socket = await arrived.promise;
      dialer.stop();
      if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve).resume());
    }
    const { dialer } = dial(t, `tcp://127.0.0.1:${silent}`);
    dialer.stop();
    assert.equal(dialer.links.length, 0);
  });
});

interface Accepting {
  readonly acceptor: Acceptor;
  readonly node: LinkNode;
  readonly port: number;
}

async function accept(
  t: TestContext,
  options: Partial<Parameters<typeof Acceptor.listen>[0]> = {},
): Promise<Accepting> {
  const node = new LinkNode("router");
  const acceptor = await Acceptor.listen({
    place: { kind: "tcp", host: "127.0.0.1", port: 0 },
    tls: undefined,
    tokens: undefined,
    insecure: false,
    context: node.context,
    ...options,
  });
  t.after(async () => {
    await acceptor.close();
    for (const link of acceptor.links) link.close(CLOSED);
  });
  return { acceptor, node, port: Number(new URL(acceptor.url).port) };
}

function dial(
  t: TestContext,
  url: string,
  options: Partial<DialerOptions> = {},
  handshakeMs = 10_000,
): { dialer: Dialer; node: LinkNode } {
  const node = new LinkNode("connector", { limits: { handshakeMs } });
  const dialer = new Dialer({
    address: parseLinkAddress(url),
    links: 1,
    cost: 0,
    token: undefined,
    tls: {},
    environment: {},
    names: systemNames,
    random: () => 0.01,
    context: node.context,
    ...options,
  });
  dialer.start();
  t.after(() => {
    dialer.stop();
    for (const link of dialer.links) link.close(CLOSED);
  });
  return { dialer, node };
}

/** Resolves when the newest attempt has failed; nothing announces that, so each turn looks. */
async function failed(dialer: Dialer): Promise<void> {
  while (dialer.status.failure === undefined) await new Promise((resolve) => setImmediate(resolve));
}

/** A server whose connections end with the test. */
async function serve(t: TestContext, arrived: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    arrived(socket);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A proxy that knows CONNECT and nothing else; every name leads to `target`. */
class TunnelProxy {
  readonly port: number;
  /** The lines of each request's head. */
  readonly requests: readonly (readonly string[])[];

  /** Who was refused has closed the connection. */
  readonly left: Promise<void>;

  private constructor(port: number, requests: readonly (readonly string[])[], left: Promise<void>) {
    this.port = port;
    this.requests = requests;
    this.left = left;
  }

  /** It cannot reach the `dead`. */
  static async start(t: TestContext, target: number, dead: readonly string[] = []): Promise<TunnelProxy> {
    const requests: string[][] = [];
    const left = Promise.withResolvers<void>();
    const port = await serve(t, (near) => {
      near.once("data", (head: Buffer) => {
        requests.push(head.toString("latin1").split("\r\n"));
        if (dead.some((name) => requests.at(-1)![0]!.includes(name))) {
          // As HTTP has it, the connection may be used again.
          near.write("HTTP/1.1 502 Bad Gateway\r\n\r\n");
          near.once("close", () => left.resolve());
          return;
        }
        const far = connect({ port: target, host: "127.0.0.1" }, () => {
          near.write("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
          near.pipe(far).pipe(near);
        });
        far.on("error", () => near.destroy());
        near.on("close", () => far.destroy());
      });
    });
    return new TunnelProxy(port, requests, left.promise);
  }
}
