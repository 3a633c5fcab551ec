/** One port for everything: what an acceptor makes of first bytes, strangers, tokens and certificates. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";

import { WebSocket } from "ws";

import { parseLinkAddress, type Place } from "../../src/base/address.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { Acceptor, type AcceptorOptions } from "../../src/link/acceptor.ts";
import { Dialer, type DialerOptions } from "../../src/link/dialer.ts";
import { TokenSet } from "../../src/link/tokens.ts";
import { encodeHeader, FLAG_SYN, TYPE_DATA } from "../../src/mux/frame.ts";
import { TestAuthority } from "../support/certificates.ts";
import { testCertificates } from "../support/link-media.ts";
import { LinkNode, openStream } from "../support/link-node.ts";
import { systemNames } from "../support/names.ts";

const TEST_OPTIONS = { timeout: 20_000 };
const LOOPBACK: Place = { kind: "tcp", host: "127.0.0.1", port: 0 };
const CLOSED = new PolarityError("NODE_STOPPED", "the test is over");

describe("an acceptor", { concurrency: false }, () => {
  test("takes raw links, websockets and TLS on one port", TEST_OPTIONS, async (t) => {
    const { authority, server } = await testCertificates();
    const { node, port } = await listen(t, { tls: server });
    for (const scheme of ["tcp", "tls", "ws", "wss"]) {
      const connector = dial(t, `${scheme}://127.0.0.1:${port}`, { tls: { ca: authority.cert } });
      await connector.joinedOnce();
      assert.equal(connector.link.transport, scheme);
      const { stream, reader } = openStream(connector.link, "echo", scheme);
      stream.end();
      assert.equal((await reader.whole()).toString(), scheme);
    }
    assert.deepEqual([...node.links].map((link) => link.transport).sort(), ["tcp", "tls", "ws", "wss"]);
  });

  test("offers polarity/1 by ALPN", TEST_OPTIONS, async (t) => {
    const { authority, server } = await testCertificates();
    const { port } = await listen(t, { tls: server });
    const socket = connectTls({ host: "127.0.0.1", port, ca: authority.cert, ALPNProtocols: ["polarity/1"] });
    t.after(() => socket.destroy());
    await once(socket, "secureConnect");
    assert.equal(socket.alpnProtocol, "polarity/1");
  });

  test("answers a plain web request with what the port is for", TEST_OPTIONS, async (t) => {
    const { port } = await listen(t);
    const { status, headers, body } = await request(port, {});
    assert.equal(status, 426);
    assert.equal(headers["upgrade"], "websocket");
    assert.match(body, /takes links of Polarity nodes/);
    assert.match(body, new RegExp(`--router ws://127.0.0.1:${port}`));
  });

  test("refuses a browser's websocket, and one of another subprotocol", TEST_OPTIONS, async (t) => {
    const { node, port } = await listen(t);
    for (const [subprotocol, options] of [
      ["polarity.1", { origin: "https://evil.example" }],
      ["chat", {}],
    ] as const) {
      const webSocket = new WebSocket(`ws://127.0.0.1:${port}`, [subprotocol], options);
      const error = await new Promise<Error>((resolve) => {
        webSocket.on("error", resolve);
      });
      assert.match(error.message, /Unexpected server response: 40[03]/);
    }
    assert.deepEqual(node.heard, []);
  });

  const hostile: readonly (readonly [string, Buffer])[] = [
    ["bytes that are no protocol", Buffer.from("\u0001\u0002\u0003")],
    ["lower-case text", Buffer.from("hello\r\n")],
    ["TLS where there is none", Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05])],
    ["HTTP that is none", Buffer.from("GET\u0000 / HTTP/1.1\r\n\r\n")],
    ["a yamux frame of an unknown type", Buffer.from([0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ["a stream that is not the control stream", controlFrames("", 3)],
    ["a second stream before the hello", Buffer.concat([controlFrames(""), encodeHeader(TYPE_DATA, FLAG_SYN, 3, 0)])],
    ["a control line that is no JSON", controlFrames("hello\n")],
    ["a control line that is no hello", controlFrames('{"type":"offer","service":"web","protocol":"tcp"}\n')],
    ["a hello without a name", controlFrames('{"type":"hello","protocol":1}\n')],
    ["a hello of a later protocol", controlFrames('{"type":"hello","protocol":2,"node":"a","instance":"b"}\n')],
    ["a control line without end", controlFrames("x".repeat(65_537))],
  ];
  for (const [what, bytes] of hostile) {
    test(`closes a connection that sends ${what}, and serves the next one`, TEST_OPTIONS, async (t) => {
      const { node, port } = await listen(t);
      await closedBy(t, port, bytes);
      assert.deepEqual(node.heard, []);
      const connector = dial(t, `tcp://127.0.0.1:${port}`);
      await connector.joinedOnce();
    });
  }

  test(
    "closes what is silent, or begins and does not finish, when the time for the handshake is over",
    TEST_OPTIONS,
    async (t) => {
      const { server } = await testCertificates();
      const { node, port } = await listen(t, { tls: server }, { limits: { handshakeMs: 50 } });
      const beginnings = [
        "",
        "GET / HTTP/1.1\r\nHost: ",
        "\u0016\u0003\u0001",
        "\u0000",
        controlFrames('{"type":"hel'),
      ];
      await Promise.all(beginnings.map((bytes) => closedBy(t, port, Buffer.from(bytes))));
      assert.deepEqual(node.heard, []);
    },
  );

  test("closes a websocket that upgrades and then says nothing", TEST_OPTIONS, async (t) => {
    const { port } = await listen(t, {}, { limits: { handshakeMs: 50 } });
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}`, ["polarity.1"]);
    webSocket.on("error", () => {});
    await new Promise((resolve) => webSocket.on("close", resolve));
  });

  test("bounds the connections that have not joined", TEST_OPTIONS, async (t) => {
    const { port } = await listen(t, {}, { limits: { joiningMax: 2 } });
    const first = await connected(t, port);
    await connected(t, port);
    await closedBy(t, port, Buffer.alloc(0));
    first.destroy();
    await once(first, "close");
    const connector = dial(t, `tcp://127.0.0.1:${port}`);
    await connector.joinedOnce();
  });

  test(
    "tells a dialler with no or a wrong token why, once, and joins one with the right token",
    TEST_OPTIONS,
    async (t) => {
      const tokens = new TokenSet([{ name: "phone0", token: "a good token" }]);
      const { node, port } = await listen(t, { tokens });
      for (const [token, words] of [
        [undefined, /a token is needed here, but none was sent/],
        ["a bad token", /the token is not known here/],
      ] as const) {
        const lines: string[] = [];
        const stranger = dial(t, `tcp://127.0.0.1:${port}`, { token }, lines);
        await stranger.logged(1);
        assert.match(lines[0] ?? "", words);
        assert.doesNotMatch(lines[0] ?? "", /bad token$/);
      }
      const connector = dial(t, `tcp://127.0.0.1:${port}`, { token: "a good token" });
      await connector.joinedOnce();
      assert.equal(node.link.peer.identity, "phone0");
      assert.equal(node.links.size, 1);
    },
  );

  test("with a client authority, joins only holders of its certificates, by their names", TEST_OPTIONS, async (t) => {
    const { authority, server } = await testCertificates();
    const clients = await TestAuthority.create("Clients");
    const { node, port } = await listen(t, { tls: { ...server, clientCa: clients.cert } });
    const ca = authority.cert;
    const named = await clients.issue({ commonName: "phone0" });
    const unnamed = await clients.issue({ dns: ["phone1.example"] });
    const foreign = await authority.issue({ commonName: "phone2" });
    const expired = await clients.issue({ commonName: "phone3", days: -1 });
    // What is built in: who the acceptor is to itself, and who has proved nothing.
    const builtIn = ["local", "anonymous", "Anonymous"].map((commonName) => clients.issue({ commonName }));
    const builtInByHost = await clients.issue({ dns: ["anonymous"] });
    for (const scheme of ["tls", "wss"]) {
      await dial(t, `${scheme}://127.0.0.1:${port}`, { tls: { ca, ...named } }).joinedOnce();
      assert.equal(node.link.peer.identity, "phone0");
      await dial(t, `${scheme}://127.0.0.1:${port}`, { tls: { ca, ...unnamed } }).joinedOnce();
      assert.equal(node.link.peer.identity, "phone1.example");
    }
    for (const tls of [{ ca }, { ca, ...foreign }, { ca, ...expired }]) {
      const lines: string[] = [];
      await dial(t, `tls://127.0.0.1:${port}`, { tls }, lines).logged(1);
      assert.match(lines[0] ?? "", /^warn waiting for tls:\/\/127\.0\.0\.1/);
    }
    const told: string[] = [];
    await dial(t, `tcp://127.0.0.1:${port}`, {}, told).logged(1);
    assert.match(told[0] ?? "", /a client certificate is needed here/);
    for (const certificate of [...(await Promise.all(builtIn)), builtInByHost]) {
      const lines: string[] = [];
      await dial(t, `tls://127.0.0.1:${port}`, { tls: { ca, ...certificate } }, lines).logged(1);
      assert.match(lines[0] ?? "", /the certificate is named "\w+", and "(local|anonymous)" is who .*: dial with/);
    }
    assert.equal(node.links.size, 4);
  });

  test(
    "refuses to listen beyond this machine without tokens or a client authority, unless told",
    TEST_OPTIONS,
    async (t) => {
      const everywhere: Place = { kind: "tcp", host: "0.0.0.0", port: 0 };
      const options = (more: Partial<AcceptorOptions>): AcceptorOptions => ({
        place: everywhere,
        tls: undefined,
        tokens: undefined,
        insecure: false,
        context: new LinkNode("router").context,
        ...more,
      });
      const { server } = await testCertificates();
      for (const open of [{}, { tls: server }, { tokens: new TokenSet([]) }, { place: { ...everywhere, host: "" } }]) {
        await assert.rejects(Acceptor.listen(options(open)), { code: "INSECURE_LISTENER" });
      }
      for (const allowed of [{ insecure: true }, { tokens: new TokenSet([{ name: "a", token: "b" }]) }]) {
        const acceptor = await Acceptor.listen(options(allowed));
        t.after(() => acceptor.close());
        assert.match(acceptor.url, /^tcp:\/\/0\.0\.0\.0:\d+$/);
      }
    },
  );

  test("says that an address is in use, and that a certificate is none", TEST_OPTIONS, async (t) => {
    const { port } = await listen(t);
    await assert.rejects(listen(t, { place: { ...LOOPBACK, port } }), { code: "ADDRESS_IN_USE" });
    await assert.rejects(listen(t, { tls: { cert: "x", key: "y" } }), { code: "CONFIG_INVALID" });
  });

  test("replaces the socket of a dead listener, but neither a live one nor a file", TEST_OPTIONS, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "polarity-unix-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, "link.sock");
    const place: Place = { kind: "unix", path };
    const first = await listen(t, { place, socketMode: 0o600 });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await assert.rejects(listen(t, { place }), { code: "ADDRESS_IN_USE", message: /another process answers there/ });
    await first.acceptor.close();
    await leaveStaleSocket(path);
    assert.ok(existsSync(path));
    await listen(t, { place });
    await dial(t, `unix://${path}`).joinedOnce();
    const file = join(folder, "file");
    writeFileSync(file, "precious");
    await assert.rejects(listen(t, { place: { kind: "unix", path: file } }), { code: "ADDRESS_IN_USE" });
    assert.ok(existsSync(file));
  });

  test("closes without waiting for its links, which live on", TEST_OPTIONS, async (t) => {
    const { acceptor, port } = await listen(t);
    const connector = dial(t, `tcp://127.0.0.1:${port}`);
    await connector.joinedOnce();
    const waiting = await connected(t, port);
    await acceptor.close();
    if (!waiting.destroyed) await once(waiting, "close");
    const { stream, reader } = openStream(connector.link, "echo", "still here");
    stream.end();
    assert.equal((await reader.whole()).toString(), "still here");
  });
});

interface Listening {
  readonly acceptor: Acceptor;
  readonly node: LinkNode;
  readonly port: number;
}

async function listen(
  t: TestContext,
  options: Partial<AcceptorOptions> = {},
  nodeOptions: ConstructorParameters<typeof LinkNode>[1] = {},
): Promise<Listening> {
  const node = new LinkNode("router", nodeOptions);
  const acceptor = await Acceptor.listen({
    place: LOOPBACK,
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

class DiallingNode extends LinkNode {
  readonly #lines: string[];
  #wake: () => void = () => {};

  constructor(lines: string[]) {
    const log = (level: string) => (_fields: unknown, message: string) => {
      if (level !== "debug") lines.push(`${level} ${message}`);
      this.#wake();
    };
    super("connector", { logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") } });
    this.#lines = lines;
  }

  /** Resolves when that many lines have been logged. */
  async logged(count: number): Promise<void> {
    while (this.#lines.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function dial(t: TestContext, url: string, options: Partial<DialerOptions> = {}, lines: string[] = []): DiallingNode {
  const node = new DiallingNode(lines);
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
  return node;
}

/** A frame that opens `streamId` and carries `text`. */
function controlFrames(text: string, streamId = 1): Buffer {
  return Buffer.concat([encodeHeader(TYPE_DATA, FLAG_SYN, streamId, text.length), Buffer.from(text)]);
}

async function connected(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Sends `bytes` and resolves when the other side has closed the connection. */
async function closedBy(t: TestContext, port: number, bytes: Buffer): Promise<void> {
  const socket = await connected(t, port);
  socket.resume();
  socket.write(bytes);
  if (!socket.closed) await once(socket, "close");
}

function once(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    if (event !== "close") socket.once("error", reject);
  });
}

function request(
  port: number,
  headers: Record<string, string>,
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = get({ port, host: "127.0.0.1", headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("error", reject);
  });
}

/** What a process that was killed leaves behind: a bound socket on which nobody listens. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer();
  const kept = `${path}.kept`;
  await new Promise<void>((resolve) => {
    server.listen(kept, resolve);
  });
  // Closing removes the path that was bound; under its new name the dead socket stays.
  renameSync(kept, path);
  await new Promise((resolve) => server.close(resolve));
}
