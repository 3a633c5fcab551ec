/** Access logs of real nodes: what a line says, that there is one for each request, and what happens to the file. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, renameSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Logger } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { AccessLogFile } from "../../src/node/access-log-file.ts";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { configOf, startNode, startPair, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { temporaryFolder } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

type Line = Record<string, string | number | null>;

function logPath(context: TestContext): string {
  return join(temporaryFolder(context), "access.log");
}

function linesOf(path: string): Line[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

async function logged(path: string, count: number): Promise<Line[]> {
  await until(`${count} lines in the log`, () => linesOf(path).length >= count);
  const lines = linesOf(path);
  assert.equal(lines.length, count);
  return lines;
}

test("a request is one line: who asked what, who answered how, and where the time went", async (t) => {
  const path = logPath(t);
  const app = await startHttpApp(t, (request, response) => {
    request.resume().on("end", () => response.end("hello"));
  });
  const router = await startPair(t, app.url, { accessLog: { path }, requestId: true });
  const headers = {
    "User-Agent": 'bad"agent\\',
    Referer: "http://a/?key=s3cret",
    Authorization: "Bearer t0ken",
    Cookie: "session=c00kie",
    Host: "app.example",
  };
  const answer = await ask(router.port, { path: "/x?token=s3cret", method: "POST", body: "12345", headers });
  const [line] = await logged(path, 1);
  assert.match(String(line!["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(String(line!["peer"]), /^127\.0\.0\.1:\d+$/);
  const { client, listener, protocol, method, host, status, bytesIn, bytesOut, service, node, attempts, error } = line!;
  assert.deepEqual(
    { client, listener, protocol, method, host, status, bytesIn, bytesOut, service, node, attempts, error },
    {
      client: "127.0.0.1",
      listener: `http://127.0.0.1:${router.port}`,
      protocol: "HTTP/1.1",
      method: "POST",
      host: "app.example",
      status: 200,
      bytesIn: 5,
      bytesOut: 5,
      service: "web",
      node: "shed",
      attempts: 1,
      error: null,
    },
  );
  assert.deepEqual([line!["path"], line!["referer"]], ["/x?token=*", "http://a/?key=*"]);
  assert.equal(line!["userAgent"], 'bad"agent\\');
  assert.equal(line!["requestId"], answer.headers["x-request-id"]);
  const phases = ["headMs", "offerMs", "firstByteMs", "responseMs"].map((key) => Number(line![key]));
  assert.ok(phases.every((ms) => ms >= 0));
  assert.ok(
    Math.abs(phases.reduce((sum, ms) => sum + ms, 0) - Number(line!["totalMs"])) < 0.01,
    "phases make the whole",
  );
  assert.ok(!/s3cret|t0ken|c00kie/.test(readFileSync(path, "utf8")));
});

test("what fails is logged with its code, once, whoever failed", async (t) => {
  const path = logPath(t);
  const listener = { url: "http://127.0.0.1:0", service: "web", waitForOffer: "0s", accessLog: { path } } as const;
  const router = await startRouter(t, [listener]);
  await ask(router.port, { path: "/nobody" });
  await ask(router.port, { path: "/grpc", method: "POST", headers: { "Content-Type": "application/grpc" } });
  const broken = new WireClient(t, router.port);
  broken.send("GET / HTTP/1.1\r\nHost: a\r\nHost: \u001b[2J\r\n\r\n");
  await broken.readAll();
  const lines = await logged(path, 3);
  assert.deepEqual(
    lines.map(({ path: where, status, error, attempts, node }) => [where, status, error, attempts, node]),
    [
      ["/nobody", 503, "NO_OFFER", 0, null],
      ["/grpc", 200, "NO_OFFER", 0, null],
      [null, 400, "BAD_REQUEST", 0, null],
    ],
  );
});

test("a client that leaves is logged with what it had got", async (t) => {
  const path = logPath(t);
  const app = await startHttpApp(t, (_request, response) => response.writeHead(200).write("first"));
  const router = await startPair(t, app.url, { accessLog: { path } });
  const client = new WireClient(t, router.port);
  client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.readTo("first");
  client.socket.resetAndDestroy();
  const [line] = await logged(path, 1);
  assert.deepEqual([line!["path"], line!["status"], line!["error"]], ["/slow", 200, "CLIENT_GONE"]);
});

test("a tunnel is logged when it ends, and a raw session too", async (t) => {
  const path = logPath(t);
  const app = await startHttpApp(t, () => {});
  app.server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.pipe(socket);
  });
  const router = await startPair(t, app.url, { accessLog: { path } });
  const client = new WireClient(t, router.port);
  client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  await client.readTo("\r\n\r\n");
  client.send("ping");
  await client.readTo("ping");
  assert.deepEqual(linesOf(path), [], "nothing before its end");
  client.socket.end();
  const [tunnel] = await logged(path, 1);
  assert.deepEqual([tunnel!["status"], tunnel!["bytesIn"], tunnel!["bytesOut"]], [101, 4, 4]);

  const rawPath = logPath(t);
  const raw = await startRawApp(t, (socket) => socket.pipe(socket));
  const tcp = await startPair(t, raw.url, { accessLog: { path: rawPath } });
  const session = new WireClient(t, tcp.port);
  session.send("123456");
  await session.readTo("123456");
  session.socket.end();
  const [line] = await logged(rawPath, 1);
  const { protocol, bytesIn, bytesOut, service, node, attempts, method, status, error } = line!;
  assert.deepEqual(
    { protocol, bytesIn, bytesOut, service, node, attempts, method, status, error },
    {
      protocol: "tcp",
      bytesIn: 6,
      bytesOut: 6,
      service: "web",
      node: "shed",
      attempts: 1,
      method: null,
      status: null,
      error: null,
    },
  );
});

test("behind a trusted proxy the client is whom it names", async (t) => {
  const path = logPath(t);
  const app = await startHttpApp(t, (_request, response) => response.end());
  const router = await startPair(t, app.url, { accessLog: { path }, trustedProxies: ["127.0.0.1"] });
  await ask(router.port, { headers: { "X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Request-Id": "edge-7" } });
  await ask(router.port, { headers: { Forwarded: 'for="[2001:db8::9]:4711"', "X-Request-Id": "\u00e9" } });
  const lines = await logged(path, 2);
  assert.deepEqual(
    lines.map(({ client, requestId }) => [client, requestId]),
    [
      ["203.0.113.9", "edge-7"],
      ["2001:db8::9", null],
    ],
  );
});

test("the node's log is every listener's, but for those that say otherwise", async (t) => {
  const path = logPath(t);
  const other = logPath(t);
  const listener = { url: "http://127.0.0.1:0", service: "web", waitForOffer: "0s" } as const;
  const raw = {
    node: { name: "edge" },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
    listeners: [
      listener,
      { ...listener, accessLog: { enabled: false } },
      { ...listener, accessLog: { path: other, format: "combined" } },
    ],
    accessLog: { path },
  } as const;
  const router = await startRouter(t, [...raw.listeners], { accessLog: raw.accessLog });
  for (const port of router.ports) await ask(port, { path: `/${port}` });
  assert.equal((await logged(path, 1))[0]!["path"], `/${router.ports[0]}`);
  await until("a combined line", () => /"GET \/\d+ HTTP\/1.1" 503 0 "-" "-"\n$/.test(readFileSync(other, "utf8")));
});

test("a log that was moved away goes on in a new file after a reload", async (t) => {
  const path = logPath(t);
  const config = {
    node: { name: "edge" },
    listeners: [{ url: `http://127.0.0.1:0`, service: "web", waitForOffer: "0s" }],
    accessLog: { path },
  };
  const node = await startNode(t, config);
  const port = () => Number(/\d+$/.exec(node.addresses.listeners[0]!)?.[0]);
  await ask(port(), { path: "/before" });
  await logged(path, 1);
  renameSync(path, `${path}.1`);
  await node.reload(configOf(config));
  await ask(port(), { path: "/after" });
  assert.equal((await logged(path, 1))[0]!["path"], "/after");
  assert.equal(linesOf(`${path}.1`)[0]!["path"], "/before");
  await node.stop();
});

test("a log that cannot be opened keeps the node from starting, and says why", async (t) => {
  const path = join(temporaryFolder(t), "missing", "access.log");
  await assert.rejects(startNode(t, { listeners: [{ url: "http://127.0.0.1:0" }], accessLog: { path } }), {
    code: "FILE_UNWRITABLE",
    message: new RegExp(`cannot write the access log ${path}: ENOENT`),
  });
});

test("stopping writes what is left", async (t) => {
  const path = logPath(t);
  const file = await AccessLogFile.open({ path, bufferBytes: 1 << 20, logger: silentLogger });
  for (let index = 0; index < 5000; index++) file.write(`{"line":${index}}\n`);
  await file.close();
  assert.equal(linesOf(path).length, 5000);
});

test("a reader that stalls costs lines, never memory or time, and is served again when it reads", async (t) => {
  const path = join(mkdtempSync(join(temporaryFolder(t), "fifo-")), "log");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const reports: { message: string; dropped: unknown }[] = [];
  const logger: Logger = { ...silentLogger, warn: ({ dropped }, message) => reports.push({ message, dropped }) };
  const file = await AccessLogFile.open({ path, bufferBytes: 256 * 1024, logger });
  const line = `${JSON.stringify({ pad: "x".repeat(980) })}\n`;
  for (let index = 0; index < 2000; index++) file.write(line);
  assert.ok(file.droppedTotal > 1000 && file.droppedTotal < 2000, `${file.droppedTotal} dropped`);
  assert.match(reports[0]?.message ?? "", /the access log .*log is too slow; lines dropped: 1/);
  let text = "";
  const buffer = Buffer.alloc(1 << 16);
  await until("everything that was kept", () => {
    try {
      for (let count = 1; count > 0;) text += buffer.toString("latin1", 0, (count = readSync(reader, buffer)));
    } catch {
      // Nothing there now.
    }
    return text.length === (2000 - file.droppedTotal) * line.length;
  });
  assert.ok(
    text.split("\n").every((one) => one === "" || `${one}\n` === line),
    "no line is broken",
  );
  closeSync(reader);
  await file.close();
});

test("a full disk costs lines and is reported", async () => {
  const reports: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => reports.push(message) };
  const file = await AccessLogFile.open({ path: "/dev/full", bufferBytes: 128 * 1024, logger });
  for (let index = 0; index < 300; index++) file.write(`${"x".repeat(999)}\n`);
  await until("a report of the full disk", () => reports.some((message) => /ENOSPC|too slow/.test(message)));
  assert.ok(file.droppedTotal > 0);
  await file.close();
});

test("requests over HTTP/2 are logged one by one", async (t) => {
  const path = logPath(t);
  const app = await startHttpApp(t, (request, response) => response.end(`answer ${request.url}`));
  const router = await startPair(t, app.url, { accessLog: { path }, requestId: true });
  const session = connect(`http://127.0.0.1:${router.port}`);
  t.after(() => session.destroy());
  await Promise.all(
    ["/a", "/b"].map(async (where) => {
      const stream = session.request({ ":path": where, "user-agent": "h2" });
      stream.resume();
      await once(stream, "close");
    }),
  );
  const lines = (await logged(path, 2)).sort((one, other) => (String(one["path"]) < String(other["path"]) ? -1 : 1));
  assert.deepEqual(
    lines.map(({ path: where, protocol, status, bytesOut, userAgent }) => [
      where,
      protocol,
      status,
      bytesOut,
      userAgent,
    ]),
    [
      ["/a", "HTTP/2", 200, 9, "h2"],
      ["/b", "HTTP/2", 200, 9, "h2"],
    ],
  );
  assert.equal(new Set(lines.map(({ requestId }) => requestId)).size, 2);
});
