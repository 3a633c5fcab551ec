import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { startRawApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { offered, type ServicesInput, startConnector, startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { temporaryFolder } from "../support/servers.ts";
import { startHttpsApp, startTlsApp } from "../support/tls-apps.ts";
import { authorityFile, certificateFiles } from "../support/tls-files.ts";
import { WireClient } from "../support/wire-client.ts";

const authority = await TestAuthority.create();
const good = await authority.issue({ dns: ["app.test"], ips: ["127.0.0.1"] });

const greet = (_request: IncomingMessage, response: ServerResponse): void => {
  response.end("hello");
};

function trusting(context: TestContext): { ca: string } {
  return { ca: authorityFile(temporaryFolder(context), authority) };
}

/** What a client gets behind two hops. */
async function asked(context: TestContext, target: string, tls: NonNullable<ServicesInput[string]["tls"]>) {
  const { port } = await startPair(context, target, {}, { tls });
  const { status, text } = await ask(port);
  return { status, text };
}

test("requests reach an app over TLS, on connections that are kept, through two hops", async (context) => {
  const app = await startHttpsApp(context, good, greet);
  const { port } = await startPair(context, `https://${app.place}`, {}, { tls: trusting(context) });
  const agent = keepAliveAgent(context, 1);
  for (let round = 0; round < 20; round++) assert.equal((await ask(port, { agent })).text, "hello");
  assert.equal(app.seen.connections, 1);
});

test("bodies of megabytes go both ways as they are", async (context) => {
  const body = Buffer.alloc(5_000_000, "0123456789abcdef\n");
  const app = await startHttpsApp(context, good, (request, response) => void request.pipe(response));
  const { port } = await startPair(context, `https://${app.place}`, {}, { tls: trusting(context) });
  const answer = await ask(port, { method: "POST", body });
  assert.ok(answer.body.equals(body));
});

test("a new connection resumes the session of the one before", async (context) => {
  const app = await startHttpsApp(context, good, greet);
  const keepAlive = { connections: 0 };
  const { port } = await startPair(context, `https://${app.place}`, {}, { tls: trusting(context), keepAlive });
  await until("a session was resumed", async () => {
    assert.equal((await ask(port)).text, "hello");
    return app.seen.resumed > 0;
  });
});

test("an app whose certificate does not hold gets no byte, and the client is told why", async (context) => {
  const { ca } = trusting(context);
  const other = await (await TestAuthority.create("Somebody")).issue({ ips: ["127.0.0.1"] });
  const cases = [
    [await authority.issue({ ips: ["127.0.0.1"], days: -1 }), { ca }, /the certificate has expired/],
    [await authority.issue({ dns: ["app.test"] }), { ca }, /the certificate is for another host: .*127\.0\.0\.1/],
    [good, { ca, serverName: "other.test" }, /for another host: .*other\.test.*app\.test/],
    [other, { ca }, /authority is not known here/],
    [good, {}, /authority is not known here/],
  ] as const;
  for (const [certificate, tls, why] of cases) {
    let requests = 0;
    const app = await startHttpsApp(context, certificate, (_request, response) => {
      requests++;
      response.end();
    });
    const { status, text } = await asked(context, `https://${app.place}`, tls);
    assert.equal(status, 502);
    assert.match(text, /TARGET_UNREACHABLE/);
    assert.match(text, why);
    assert.equal(requests, 0);
    assert.equal(app.seen.plainBytes, 0);
  }
});

test("serverName is asked for and expected, and insecureSkipVerify expects nothing", async (context) => {
  const { ca } = trusting(context);
  let wanted: string | false | null = "";
  const SNICallback = (name: string, done: (error: null) => void): void => {
    wanted = name;
    done(null);
  };
  const app = await startHttpsApp(context, { ...good, SNICallback }, greet);
  assert.equal((await asked(context, `https://${app.place}`, { ca, serverName: "app.test" })).text, "hello");
  assert.equal(wanted, "app.test");
  const loose = { insecureSkipVerify: true, serverName: "other.test" };
  assert.equal((await asked(context, `https://${app.place}`, loose)).text, "hello");
});

test("an app that asks for a certificate gets ours; without one it is unreachable", async (context) => {
  const { ca } = trusting(context);
  const files = await certificateFiles(temporaryFolder(context), authority, "connector", { commonName: "shed" });
  const options = { ...good, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  const app = await startHttpsApp(context, options, greet);
  assert.equal((await asked(context, `https://${app.place}`, { ca, ...files })).text, "hello");
  assert.equal((await asked(context, `https://${app.place}`, { ca })).status, 502);
  // TLS 1.3 lets the app say no only after it was connected; before, it says why.
  const older = await startHttpsApp(context, { ...options, maxVersion: "TLSv1.2" }, greet);
  const refused = await asked(context, `https://${older.place}`, { ca });
  assert.match(refused.text, /TARGET_UNREACHABLE.*handshake failure/);
});

test("an app that speaks no TLS, or never finishes the handshake, is unreachable", async (context) => {
  const { ca } = trusting(context);
  const { port } = await startPair(context, "https://127.0.0.1:9", {}, { tls: { ca } });
  assert.equal((await ask(port)).status, 502);
  const silent = await startTlsApp(context, { ...good, SNICallback: () => {} }, () => {});
  const tls = { ca, serverName: "app.test" };
  const slow = await startPair(context, `https://${silent.place}`, {}, { tls, connectTimeout: "200ms" });
  const answer = await ask(slow.port);
  assert.equal(answer.status, 502);
  assert.match(answer.text, /no connection within 200 ms/);
});

test("raw streams reach a tls:// target, half-closed as they are", async (context) => {
  const app = await startTlsApp(context, good, (socket) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("end", () => socket.end(`you said ${text}`));
  });
  const { port } = await startPair(context, `tls://${app.place}`, {}, { tls: trusting(context) });
  const client = new WireClient(context, port).send("hello").halfClose();
  assert.equal(await client.readAll(), "you said hello");
});

test("health checks go over TLS, with a path and without, and say what is wrong", async (context) => {
  const { ca } = trusting(context);
  const router = await startRouter(context);
  const paths: string[] = [];
  const app = await startHttpsApp(context, good, (request, response) => {
    paths.push(request.url ?? "");
    response.end();
  });
  const health = { interval: "100ms", fall: 1 };
  const target = `https://${app.place}`;
  await startConnector(context, router.link, {
    path: { target, tls: { ca }, health: { ...health, path: "/healthz" } },
    connect: { target, tls: { ca }, health },
    untrusted: { target, health: { ...health, path: "/never" } },
  });
  await offered(router.node, "path");
  await offered(router.node, "connect");
  await until("the untrusted one is down", () => {
    const service = router.node.view().services.find(({ name }) => name === "untrusted");
    return service?.offers[0]?.health === "down";
  });
  await until("a check came", () => paths.length > 0);
  assert.deepEqual([...new Set(paths)], ["/healthz"]);
});

test("a PROXY header goes ahead of TLS, in clear", async (context) => {
  const { ca } = trusting(context);
  const first = Promise.withResolvers<string>();
  const raw = await startRawApp(context, (socket) => {
    socket.once("data", (chunk: Buffer) => first.resolve(chunk.toString("latin1")));
  });
  const target = raw.url.replace("tcp:", "https:");
  const { port } = await startPair(context, target, {}, { tls: { ca }, proxyProtocol: "v1", connectTimeout: "1s" });
  const answer = ask(port);
  assert.match(await first.promise, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/);
  assert.equal((await answer).status, 502);
});
