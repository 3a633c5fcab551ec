import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { text } from "node:stream/consumers";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { TestAuthority } from "../support/certificates.ts";
import { startHttpApp } from "../support/apps.ts";
import { extension, hello, records, serverName } from "../support/client-hellos.ts";
import { configOf, offered, type RawConfig, startConnector, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { askSecurely, connectSecurely } from "../support/https-client.ts";
import { until } from "../support/patience.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { authorityFile, certificateFiles } from "../support/tls-files.ts";
import { WireClient } from "../support/wire-client.ts";

const run = promisify(execFile);
const authority = await TestAuthority.create();
const ca = authority.cert;

type Tls = NonNullable<NonNullable<NonNullable<RawConfig["listeners"]>[number]>["tls"]>;

/** An app that answers with what it was told, behind two hops and an https listener. */
async function startHttps(context: TestContext, tls: Tls, more: Record<string, unknown> = {}) {
  const app = await startHttpApp(context, (request, response) => response.end(JSON.stringify(request.headers)));
  const router = await startRouter(context, [{ url: "https://127.0.0.1:0", service: "web", tls, ...more }]);
  await startConnector(context, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  return router;
}

async function twoNames(context: TestContext) {
  const folder = temporaryFolder(context);
  const one = await certificateFiles(folder, authority, "one.test");
  const wild = await certificateFiles(folder, authority, "wild", { dns: ["*.two.test", "two.test"] });
  return { folder, certificates: [one, wild] };
}

/** Enough of a hello for OpenSSL to answer it. */
const VERSION_1_3 = [
  extension(0x2b, Buffer.from([2, 0x03, 0x04])),
  extension(0x0a, Buffer.from([0, 2, 0, 0x1d])),
  extension(0x0d, Buffer.from([0, 4, 0x04, 0x03, 0x08, 0x04])),
  extension(0x33, Buffer.concat([Buffer.from([0, 36, 0, 0x1d, 0, 32]), Buffer.alloc(32, 9)])),
];

test("each name gets its certificate, through two hops, and the app is told of https", async (context) => {
  const { certificates } = await twoNames(context);
  const { port, node } = await startHttps(context, { certificates });
  assert.match(node.addresses.listeners[0] ?? "", /^https:\/\/127\.0\.0\.1:\d+$/);
  const names = ["one.test", "two.test", "A.Two.test", "a.b.two.test", "other.test"];
  const answers = await Promise.all(
    names.map((servername) => askSecurely(port, { ca, servername, rejectUnauthorized: false })),
  );
  assert.deepEqual(
    answers.map(({ name }) => name),
    ["one.test", "*.two.test", "*.two.test", "one.test", "one.test"],
    "a wildcard stands for one label; the first certificate serves the rest",
  );
  const told = JSON.parse(answers[0]?.text ?? "") as Record<string, string>;
  assert.equal(told["x-forwarded-proto"], "https");
  assert.match(told["forwarded"] ?? "", /proto=https/);
  assert.equal(answers[0]?.headers["strict-transport-security"], undefined);
});

test("curl verifies the certificate and the name, and refuses another", async (context) => {
  const { folder, certificates } = await twoNames(context);
  const { port } = await startHttps(context, { certificates });
  const file = authorityFile(folder, authority);
  const curl = (host: string) =>
    run("curl", ["-sS", "--cacert", file, "--resolve", `${host}:${port}:127.0.0.1`, `https://${host}:${port}/`]);
  for (const host of ["one.test", "x.two.test"]) assert.match((await curl(host)).stdout, /"x-forwarded-proto":"https"/);
  await assert.rejects(curl("elsewhere.test"), /SSL|certificate/);
});

test("a name of no certificate is refused with an alert where the listener says so", async (context) => {
  const { certificates } = await twoNames(context);
  const { port, node } = await startHttps(context, { certificates, unknownNames: "refuse" });
  await assert.rejects(askSecurely(port, { ca, servername: "other.test" }), /unrecognized name/i);
  assert.equal((await askSecurely(port, { ca, servername: "one.test" })).status, 200);
  await until("the failure is counted", () => node.view().listeners[0]?.handshakesFailedTotal === 1);
});

test("a client certificate is asked for, verified, and told to the app in a field that cannot be forged", async (context) => {
  const { folder, certificates } = await twoNames(context);
  const clientCa = authorityFile(folder, authority);
  const phone = await authority.issue({ commonName: "phone0", dns: ["phone.test"] });
  const stranger = await (await TestAuthority.create("Strangers")).issue({ commonName: "phone0" });
  const forged = { "X-Forwarded-Client-Cert": 'Subject="CN=admin"', X_Forwarded_Client_Cert: "x" };
  const servername = "one.test";
  const toldTo = async (port: number, credentials: object) => {
    const { text } = await askSecurely(port, { ca, servername, headers: forged, ...credentials });
    return (JSON.parse(text) as Record<string, string>)["x-forwarded-client-cert"];
  };

  const required = await startHttps(context, { certificates, clientCa });
  assert.match((await toldTo(required.port, phone)) ?? "", /^Hash=[0-9a-f]{64};Subject="CN=phone0";DNS=phone\.test$/);
  await assert.rejects(toldTo(required.port, {}), "without a certificate");
  await assert.rejects(toldTo(required.port, stranger), "with one of another authority");

  const optional = await startHttps(context, { certificates, clientCa, clientCertificate: "optional" });
  assert.match((await toldTo(optional.port, phone)) ?? "", /CN=phone0/);
  assert.equal(await toldTo(optional.port, {}), undefined);
  assert.equal(await toldTo(optional.port, stranger), undefined, "one that was not verified says nothing");
});

test("sessions are resumed, under the first certificate and under another, and keep who the client is", async (context) => {
  const { folder, certificates } = await twoNames(context);
  const clientCa = authorityFile(folder, authority);
  const phone = await authority.issue({ commonName: "phone0" });
  const { port } = await startHttps(context, { certificates, clientCa });
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const servername of ["one.test", "two.test"]) {
      const options = { ca, servername, maxVersion, ...phone };
      const sessions: Buffer[] = [];
      assert.match(await answerOf(await connectSecurely(context, port, options, sessions)), /CN=phone0/);
      await until("a session came", () => sessions.length > 0);
      const again = await connectSecurely(context, port, { ...options, session: sessions.at(-1)! });
      assert.equal(again.isSessionReused(), true, `${maxVersion} ${servername}`);
      assert.match(await answerOf(again), /CN=phone0/, `${maxVersion} ${servername}`);
    }
  }
});

test("old versions are not spoken, and 1.2 only as long as it is wanted", async (context) => {
  const { certificates } = await twoNames(context);
  const usual = await startHttps(context, { certificates });
  const strict = await startHttps(context, { certificates, minVersion: "TLSv1.3" }, { http2: false });
  const protocol = async (port: number, ...flags: string[]): Promise<string> => {
    const process = run("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-alpn", "h2,http/1.1", ...flags]);
    process.child.stdin?.end();
    return (await process).stdout;
  };
  assert.match(await protocol(usual.port, "-tls1_2"), /Cipher is ECDHE-ECDSA-.*-(GCM-SHA\d+|POLY1305)/);
  await assert.rejects(protocol(usual.port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"));
  await assert.rejects(protocol(usual.port, "-tls1_2", "-cipher", "AES128-SHA:AES256-SHA256"));
  await assert.rejects(protocol(strict.port, "-tls1_2"));
  assert.match(await protocol(strict.port), /TLSv1\.3/);
  assert.match(await protocol(usual.port), /ALPN protocol: h2\n/);
  assert.match(await protocol(strict.port), /ALPN protocol: http\/1\.1/);
});

test("hsts is said in every final answer of an https listener, Polarity's own included", async (context) => {
  const { certificates } = await twoNames(context);
  const { port } = await startHttps(context, { certificates }, { hsts: "365d" });
  const servername = "one.test";
  const answer = await askSecurely(port, { ca, servername });
  assert.equal(answer.headers["strict-transport-security"], "max-age=31536000");
  const refusal = await askSecurely(port, { ca, servername, headers: { Host: "a b" } });
  assert.equal(refusal.status, 400);
  assert.equal(refusal.headers["strict-transport-security"], "max-age=31536000");
});

test("plain HTTP on the TLS port is answered in words", async (context) => {
  const { certificates } = await twoNames(context);
  const { port, node } = await startHttps(context, { certificates });
  const answer = await ask(port, { method: "POST", body: "x".repeat(200_000) });
  assert.equal(answer.status, 400);
  assert.match(answer.text, /speaks HTTPS/);
  await until("nothing is left", () => node.view().listeners[0]?.connectionsOpen === 0);
  assert.equal(node.view().listeners[0]?.handshakesFailedTotal, 1);
});

test("garbage, silence and half a handshake end, count as connections meanwhile, and harm nobody", async (context) => {
  const { certificates } = await twoNames(context);
  const limits = { connections: 3 };
  const { port, node } = await startHttps(context, { certificates, handshakeTimeout: "400ms" }, { limits });
  const listener = () => node.view().listeners[0];
  const hellos = ["", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
  const held = hellos.map((hello) => new WireClient(context, port).send(hello));
  await until("they are counted", () => listener()?.connectionsTotal === held.length);
  const beyond = new WireClient(context, port);
  await beyond.ended;
  assert.equal(listener()?.connectionsRefusedTotal, 1);
  for (const client of held) await client.ended;
  for (const garbage of [
    "\x16\x03\x01\x00\x05hello",
    "\x00\x00\x00",
    "\xff".repeat(5000),
    "SSH-2.0-x\r\n",
    "\x80\x2e\x01\x00\x02",
  ]) {
    await new WireClient(context, port).send(garbage).halfClose().ended;
  }
  await until("nothing is left", () => listener()?.connectionsOpen === 0);
  assert.equal(listener()?.handshakesFailedTotal, 8);
  assert.equal((await askSecurely(port, { ca, servername: "one.test" })).status, 200);
});

test("a client that leaves in the middle of the handshake leaves nothing behind, and its place is free at once", async (context) => {
  const { certificates } = await twoNames(context);
  // Longer than the test would wait.
  const { port, node } = await startHttps(context, { certificates, handshakeTimeout: "60s" });
  const listener = () => node.view().listeners[0];
  const whole = records(hello([serverName("one.test"), ...VERSION_1_3]));
  let connections = 0;
  for (const sent of [Buffer.alloc(0), whole.subarray(0, 3), whole.subarray(0, 60), whole]) {
    for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.on("error", () => {});
      await once(socket, "connect");
      if (sent.length > 0) socket.write(sent);
      connections++;
      await until("it was seen", () => listener()?.connectionsTotal === connections);
      socket[leave]();
      await until(`nothing is left after ${sent.length} bytes and ${leave}`, () => listener()?.connectionsOpen === 0);
      socket.destroy();
    }
  }
  assert.equal(listener()?.handshakesFailedTotal, connections);
});

test("a client that ends its side right behind its request is answered", async (context) => {
  const { certificates } = await twoNames(context);
  const { port } = await startHttps(context, { certificates, handshakeTimeout: "60s" });
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const socket = connectTls({ port, ca, servername: "one.test", maxVersion });
    socket.end("GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n");
    assert.match(await text(socket), /^HTTP\/1\.1 200 /);
  }
});

test("a PROXY header in front of TLS says who the client is, and limits count by it", async (context) => {
  const { certificates } = await twoNames(context);
  const { port } = await startHttps(context, { certificates }, { proxyProtocol: "required" });
  for (const apart of [false, true]) {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.write("PROXY TCP4 203.0.113.9 203.0.113.1 5501 443\r\n");
    // Header and hello may come in one piece, or not.
    if (apart) await new Promise((resolve) => setImmediate(resolve));
    const secure = await connectSecurely(context, port, { ca, servername: "one.test", socket });
    assert.match(await answerOf(secure), /"x-forwarded-for":"203\.0\.113\.9"/);
  }
});

test("a listener turns from http to https and back by a reload, at the same port", async (context) => {
  const { certificates } = await twoNames(context);
  const app = await startHttpApp(context, (_request, response) => response.end("ok"));
  const port = await freePort();
  const router = await startRouter(context, [{ url: `http://127.0.0.1:${port}`, service: "web" }]);
  await startConnector(context, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  const link = { accept: [{ url: router.link }] };
  const listen = (listener: object) =>
    router.node.reload(configOf({ node: { name: "edge" }, links: link, listeners: [listener as { url: string }] }));
  await listen({ url: `https://127.0.0.1:${port}`, service: "web", tls: { certificates } });
  assert.equal((await askSecurely(port, { ca, servername: "one.test" })).text, "ok");
  for (const [http2, agreed] of [
    [false, "http/1.1"],
    [true, "h2"],
  ] as const) {
    await listen({ url: `https://127.0.0.1:${port}`, service: "web", tls: { certificates }, http2 });
    const options = { ca, servername: "one.test", ALPNProtocols: ["h2", "http/1.1"] };
    assert.equal((await connectSecurely(context, port, options)).alpnProtocol, agreed);
  }
  await listen({ url: `http://127.0.0.1:${port}`, service: "web" });
  assert.equal((await ask(port)).text, "ok");
});

async function answerOf(socket: TLSSocket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  await once(socket, "end");
  return text;
}
