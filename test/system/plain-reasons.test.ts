/** Why a place cannot be reached, or listened at: in words that name what is wrong there and who can act. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseLinkAddress } from "../../src/base/address.ts";
import { dialTransport } from "../../src/link/dial-transport.ts";
import { NameResolver } from "../../src/socket/name-resolver.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { startNode, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { failure } from "../support/programs.ts";
import { temporaryFolder } from "../support/servers.ts";
import { startTlsApp } from "../support/tls-apps.ts";
import { certificateFiles } from "../support/tls-files.ts";

const IS_ROOT = process.getuid?.() === 0;
const names = new NameResolver({
  servers: [],
  refreshMs: 30_000,
  timeoutMs: 5_000,
  random: Math.random,
  now: () => performance.now(),
  lookUp: undefined,
});

async function dialFailure(url: string): Promise<string> {
  const options = { connectTo: undefined, names, tls: {}, proxy: undefined, websocketMessageBytesMax: 65_536 };
  const signal = AbortSignal.timeout(10_000);
  return (await failure(dialTransport({ ...options, address: parseLinkAddress(url), signal }))).message;
}

/** What the status of a link that never joins says. */
async function linkFailure(t: TestContext, url: string): Promise<string> {
  const failures: string[] = [];
  const logger = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (_: object, text: string) => void failures.push(text),
  };
  await startNode(t, { links: { dial: [{ url }] } }, logger);
  return until("a failure", () => failures[0]);
}

test("a link to what is no router says what answers there", async (t) => {
  const http = await startHttpApp(t, (_request, response) => response.writeHead(404).end());
  const place = http.url.slice("http://".length);
  assert.match(await linkFailure(t, `tcp://${place}`), /an HTTP server answers there, not a node's port for links/);
  assert.match(await dialFailure(`ws://${place}`), /an HTTP server answers there, and .* with 404 Not Found/);
  assert.match(await dialFailure(`tls://${place}`), /no TLS is spoken there$/);
  const ssh = await startRawApp(t, (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
  assert.match(await linkFailure(t, ssh.url), /an SSH server answers there/);
  const authority = await TestAuthority.create();
  const tls = await startTlsApp(t, await authority.issue({ ips: ["127.0.0.1"] }), (socket) => socket.end());
  assert.match(
    await linkFailure(t, `tcp://${tls.place}`),
    /closed the connection without a word, as a port does that expects TLS/,
  );
});

test("an authority of one's own is named by --ca", async (t) => {
  const authority = await TestAuthority.create();
  const app = await startTlsApp(t, await authority.issue({ ips: ["127.0.0.1"] }), (socket) => socket.end());
  assert.match(
    await dialFailure(`tls://${app.place}`),
    /authority is not known here.*name an authority of your own with --ca/,
  );
  const router = await startNode(t, {
    services: { web: { target: `https://${app.place}` } },
    listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
  });
  const answer = await ask(Number(new URL(router.addresses.listeners[0]!).port));
  assert.equal(answer.status, 502);
  assert.match(answer.text, /name an authority of your own with --ca, or tls.ca in a file/);
});

test("the authorities of the system's store are trusted, beside those that come with Node", async (t) => {
  const folder = temporaryFolder(t);
  const authority = await TestAuthority.create();
  const files = await certificateFiles(folder, authority, "edge", { ips: ["127.0.0.1"] });
  writeFileSync(join(folder, "store.pem"), authority.cert);
  const router = await startRouter(t, [], { links: { accept: [{ url: "tcp://127.0.0.1:0", tls: files }] } });
  // Where the system's store is, as its TLS library is told.
  const env = { SSL_CERT_FILE: join(folder, "store.pem") };
  const url = router.link.replace("tcp:", "tls:");
  const connector = new PolarityProcess(t, ["connect", "web=3000", "--router", url], { env });
  await connector.until("joined", () => /joined node/.exec(connector.stderr));
});

test("a unix socket that cannot be reached says which folder is missing or closed", async (t) => {
  const folder = temporaryFolder(t);
  assert.match(
    await dialFailure(`unix://${folder}/no/such/x.sock`),
    new RegExp(`ENOENT.*: the folder ${folder}/no does not exist$`),
  );
  assert.match(await dialFailure(`unix://${folder}/x.sock`), /there is no socket .*\/x\.sock; whoever listens there/);
  const server = createServer().listen(join(folder, "gone.sock"));
  await until("listening", () => server.listening || undefined);
  if (!IS_ROOT) {
    mkdirSync(join(folder, "closed"), { mode: 0o000 });
    t.after(() => chmodSync(join(folder, "closed"), 0o700));
    assert.match(await dialFailure(`unix://${folder}/closed/x.sock`), /this user may not enter the folder .*\/closed$/);
    chmodSync(join(folder, "gone.sock"), 0);
    assert.match(await dialFailure(`unix://${folder}/gone.sock`), /this user may not use the socket/);
  }
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

test("a place that cannot be listened at says why", async (t) => {
  const folder = temporaryFolder(t);
  const web = { service: "web" };
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ listeners: [{ url: `unix://${folder}/no/x.sock`, ...web }] }, /the folder .*\/no does not exist$/],
    [{ listeners: [{ url: "http://192.0.2.1:0", ...web }] }, /192\.0\.2\.1 is no address of this machine$/],
    [{ links: { accept: [{ url: `unix://${folder}/no/x.sock` }] } }, /the folder .*\/no does not exist$/],
  ];
  for (const [config, reason] of cases) {
    const { message } = await failure(startNode(t, config));
    assert.match(message, /^cannot listen on /);
    assert.match(message, reason);
  }
});
