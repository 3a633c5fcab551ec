import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { promisify } from "node:util";
import { extension, hello, records, serverName } from "../support/client-hellos.ts";
import { startRawApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { askSecurely, connectSecurely } from "../support/https-client.ts";
import { until } from "../support/patience.ts";
import { temporaryFolder } from "../support/servers.ts";
import { startHttpsApp, startTlsApp } from "../support/tls-apps.ts";
import { authorityFile } from "../support/tls-files.ts";
import { WireClient } from "../support/wire-client.ts";

const run = promisify(execFile);
const authority = await TestAuthority.create();
const ca = authority.cert;

/** Two apps with certificates of their own, behind two hops, told apart by name. */
async function startPassing(context: TestContext, listener: object = {}) {
  const app = async (name: string) => {
    const certificate = await authority.issue({ dns: [name, `*.${name}`] });
    return startHttpsApp(context, certificate, (_request, response) => response.end(name));
  };
  const [one, two] = [await app("one.test"), await app("two.test")];
  const routes = [
    { host: "one.test", service: "one" },
    { host: "*.two.test", service: "two" },
  ];
  const router = await startRouter(context, [{ url: "tls://127.0.0.1:0", routes, ...listener }]);
  await startConnector(context, router.link, {
    one: { target: `tcp://${one.place}` },
    two: { target: `tcp://${two.place}` },
  });
  await offered(router.node, "one");
  await offered(router.node, "two");
  const view = () => router.node.view().listeners[0];
  return { ...router, view };
}

test("connections go by name to apps that hold the certificates themselves, through two hops", async (context) => {
  const { port, node } = await startPassing(context);
  assert.match(node.addresses.listeners[0] ?? "", /^tls:\/\/127\.0\.0\.1:\d+$/);
  for (const [servername, text] of [
    ["one.test", "one.test"],
    ["a.two.test", "two.test"],
  ] as const) {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const answer = await askSecurely(port, { ca, servername, maxVersion });
      assert.deepEqual([answer.text, answer.name], [text, text]);
    }
  }
  const folder = temporaryFolder(context);
  const { stdout } = await run("curl", [
    "-sS",
    "--cacert",
    authorityFile(folder, authority),
    "--resolve",
    `one.test:${port}:127.0.0.1`,
    `https://one.test:${port}/`,
  ]);
  assert.equal(stdout, "one.test");
});

test("a name that nobody serves gets an alert; a fallback takes it, and who says no name", async (context) => {
  const strict = await startPassing(context);
  await assert.rejects(askSecurely(strict.port, { ca, servername: "other.test" }), /unrecognized name/i);
  const nameless = new WireClient(context, strict.port).send(records(hello([])));
  assert.equal(await nameless.readAll(), "\x15\x03\x03\x00\x02\x02\x70");
  await until("both are counted", () => strict.view()?.handshakesFailedTotal === 2);
  const open = await startPassing(context, { service: "one" });
  const answer = await askSecurely(open.port, { ca, servername: "other.test", rejectUnauthorized: false });
  assert.equal(answer.text, "one.test");
});

test("bytes go on unchanged, however the hello was cut, with what follows it and the end", async (context) => {
  const received: Buffer[] = [];
  const app = await startRawApp(context, (socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => {
      received.push(Buffer.concat(chunks));
      socket.end("done");
    });
  });
  const routes = [{ host: "raw.test", service: "raw" }];
  const router = await startRouter(context, [{ url: "tls://127.0.0.1:0", routes }]);
  await startConnector(context, router.link, { raw: { target: app.url } });
  await offered(router.node, "raw");
  const message = hello([
    extension(0x0a0a, Buffer.alloc(1)),
    serverName("RAW.test"),
    extension(0xfe0d, Buffer.alloc(99)),
  ]);
  for (const recordBytes of [16_384, 7, 1]) {
    const bytes = Buffer.concat([records(message, recordBytes), Buffer.alloc(200_000, "early data ")]);
    const whole = new WireClient(context, router.port).send(bytes).halfClose();
    assert.equal(await whole.readAll(), "done");
    assert.ok(received.pop()?.equals(bytes));
  }
  const bytes = records(message, 3);
  const slow = new WireClient(context, router.port);
  await once(slow.socket, "connect");
  for (let at = 0; at < bytes.length; at += 1) {
    slow.send(bytes.subarray(at, at + 1));
    if (at % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  slow.halfClose();
  assert.equal(await slow.readAll(), "done");
  assert.ok(received.pop()?.equals(bytes));
});

test("streams pass both ways in bulk, and half-close", async (context) => {
  const certificate = await authority.issue({ dns: ["bulk.test"] });
  const app = await startTlsApp(context, certificate, (socket) => void socket.pipe(socket));
  const routes = [{ host: "bulk.test", service: "bulk" }];
  const router = await startRouter(context, [{ url: "tls://127.0.0.1:0", routes }]);
  await startConnector(context, router.link, { bulk: { target: `tcp://${app.place}` } });
  await offered(router.node, "bulk");
  const options = { ca, servername: "bulk.test", ...({ allowHalfOpen: true } as object) };
  const client = await connectSecurely(context, router.port, options);
  const body = Buffer.alloc(3_000_000, "0123456789abcdef\n");
  client.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of client) chunks.push(chunk as Buffer);
  assert.ok(Buffer.concat(chunks).equals(body));
});

test("slow, broken and foreign hellos end, each as it deserves, and leave nothing behind", async (context) => {
  const { port, view } = await startPassing(context, { limits: { headTimeout: "300ms", connections: 3 } });
  const slow = ["", "\x16", "\x16\x03\x01\x00\x50\x01"].map((sent) => new WireClient(context, port).send(sent));
  await until("they are counted", () => view()?.connectionsTotal === slow.length);
  await new WireClient(context, port).ended;
  assert.equal(view()?.connectionsRefusedTotal, 1, "one beyond the limit");
  for (const client of slow) assert.equal(await client.readAll(), "");
  const plain = new WireClient(context, port).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(await plain.readAll(), /^HTTP\/1\.1 400 .*speaks HTTPS/s);
  const broken = new WireClient(context, port).send(records(hello([serverName("a..b")])));
  assert.equal(await broken.readAll(), "\x15\x03\x03\x00\x02\x02\x32");
  await new WireClient(context, port).send("\xff\xff").ended;
  await new WireClient(context, port).send("\x16\x03").halfClose().ended;
  const torn = new WireClient(context, port).send("\x16\x03");
  await until("it came", () => view()?.connectionsTotal === 9);
  torn.socket.resetAndDestroy();
  await until("nothing is left", () => view()?.connectionsOpen === 0);
  assert.equal(view()?.handshakesFailedTotal, 8);
  assert.equal((await askSecurely(port, { ca, servername: "one.test" })).text, "one.test");
});
