/** `foo-proxy` as a process: what its clients, its scrapers and its operators see. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { startRawApp } from "../support/apps.ts";
import { portOf } from "../support/cluster.ts";
import { converse, converseAtOnce, startFooServer } from "../support/foo-peers.ts";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

interface Proxy {
  readonly process: PolarityProcess;
  readonly port: number;
  get(
    path: string,
    accept?: string,
  ): Promise<{ readonly status: number; readonly type: string; readonly text: string }>;
  stats(): Promise<Record<string, number>>;
}

async function startProxy(
  t: TestContext,
  forward: number,
  cwd: string,
  more: readonly string[] = [],
  node = process.execPath,
): Promise<Proxy> {
  const flags = [
    "--listen",
    "127.0.0.1:0",
    "--forward",
    `:${forward}`,
    "--http",
    "127.0.0.1:0",
    "--drain-timeout",
    "1s",
  ];
  const proxy = new PolarityProcess(t, ["foo-proxy", ...flags, ...more], { cwd, node });
  const { listeners, http } = (await proxy.ready()) as { listeners: readonly string[]; http?: string };
  const get: Proxy["get"] = async (path, accept) => {
    const headers = accept === undefined ? {} : { accept };
    const response = await fetch(`${http}${path}`, { headers });
    return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
  };
  const stats = async () => JSON.parse((await get("/stats")).text) as Record<string, number>;
  return { process: proxy, port: portOf(listeners[0] ?? ""), get, stats };
}

const KEYS = [
  "msg_total",
  "msg_req",
  "msg_ack",
  "msg_nak",
  "request_rate_1s",
  "request_rate_10s",
  "response_rate_1s",
  "response_rate_10s",
];

test("figures, health and everything else, while the server comes later than the proxy", async (t) => {
  const port = await freePort();
  const proxy = await startProxy(t, port, temporaryFolder(t));
  for (const path of ["/health", "/heartbeat", "/status"]) {
    const { status, type, text } = await proxy.get(path);
    assert.deepEqual([status, type], [503, "application/json"]);
    assert.match((JSON.parse(text) as { reason: string }).reason, /ECONNREFUSED/);
  }
  assert.equal(await new WireClient(t, proxy.port).ended, "reset");

  await startFooServer(t, port);
  for (const path of ["/health", "/heartbeat", "/status?x=1"]) {
    assert.deepEqual(await proxy.get(path), { status: 200, type: "application/json", text: '{"status":"OK!"}' });
  }
  const counts = { req: 0, ack: 0, nak: 0 };
  await converse(proxy.port, ["REQ 1 Hey", "REQ 5 Hey", "x", "", "REQ 7", "REQ 8 Grüße 👋"], counts);
  const json = await proxy.get("/stats");
  assert.equal(json.type, "application/json");
  const figures = JSON.parse(json.text) as Record<string, number>;
  assert.deepEqual(Object.keys(figures), KEYS);
  assert.equal(figures["msg_req"], 4);
  assert.equal(figures["msg_ack"], counts.ack);
  assert.equal(figures["msg_nak"], counts.nak);
  assert.equal(figures["msg_total"], 4 + counts.ack + counts.nak);
  assert.equal(figures["request_rate_10s"], 0.4);
  assert.deepEqual(Object.keys(JSON.parse((await proxy.get("/metrics", "application/json")).text) as object), KEYS);
  for (const path of ["/metrics", "/stats"]) {
    const prometheus = await proxy.get(path, "text/plain;version=0.0.4");
    assert.match(prometheus.type, /^text\/plain/);
    assert.match(prometheus.text, /^foo_msg_req 4$/m);
    assert.match(prometheus.text, /^foo_other_lines_total 2$/m);
    // An answer to something that is no message answers no REQ.
    assert.match(prometheus.text, /^foo_answer_seconds_count 4$/m);
  }
  for (const path of ["/", "/stats/", "/nope"]) assert.equal((await proxy.get(path)).status, 404);
  proxy.process.signal("SIGUSR2");
  const line = await proxy.process.until("figures", () => /^.*\n/.exec(proxy.process.stdout)?.[0]);
  assert.deepEqual(Object.keys(JSON.parse(line) as object), KEYS);
});

test("the original's flags and variables", async (t) => {
  const { port } = await startFooServer(t);
  const cwd = temporaryFolder(t);
  const env = {
    LISTENING_PORT: "127.0.0.1:0",
    FORWARDING_PORT: `${port}`,
    HTTP_ADDRESS: "127.0.0.1:0",
    RECOVERY_PATH: "kept.json",
  };
  const proxy = new PolarityProcess(t, ["foo-proxy", "-recovery-path=deep/er.json"], { cwd, env });
  const { listeners } = await proxy.ready();
  await converse(portOf(listeners[0] ?? ""), ["REQ 1 Hey"], { req: 0, ack: 0, nak: 0 });
  proxy.signal("SIGTERM");
  assert.deepEqual(await proxy.exited, { code: 0, signal: null });
  const again = await startProxy(t, port, cwd, ["-recovery-path", "deep/er.json"]);
  assert.equal((await again.stats())["msg_req"], 1);
  const bad = await run(t, ["foo-proxy", "-listen", "http://x:1"]);
  assert.equal(bad.code, 64);
  assert.match(bad.stderr, /^polarity: --listen: .*\n$/);
});

test("a thousand clients at once, each of which checks its answers: the proxy counts each message once", async (t) => {
  const { port } = await startFooServer(t);
  const proxy = await startProxy(t, port, temporaryFolder(t));
  const counts = { req: 0, ack: 0, nak: 0 };
  const lines = Array.from({ length: 1_000 }, (_, client) => [`REQ ${client} Hey`, "x", `REQ ${client + 1}`]);
  await converseAtOnce(proxy.port, lines, counts);
  assert.equal(counts.req, 2_000);
  const figures = await proxy.stats();
  const { req, ack, nak } = counts;
  assert.deepEqual(
    KEYS.slice(0, 4).map((key) => figures[key]),
    [req + ack + nak, req, ack, nak],
  );
});

test("a client's end ends its session though the server never answers it, and the proxy ends in less than 2 s", async (t) => {
  const sockets: Socket[] = [];
  const app = await startRawApp(t, (socket) => {
    sockets.push(socket);
    socket.on("data", () => socket.write("ACK 1 x\n"));
    socket.on("error", () => {});
  });
  const proxy = await startProxy(t, app.port, temporaryFolder(t), ["--drain-timeout", "30s"]);
  const first = new WireClient(t, proxy.port).send("REQ 1 a\n");
  await first.readTo("ACK 1 x\n");
  first.halfClose();
  assert.equal(await first.ended, "end");
  // Who has been told the end of its input hears of a reset when it says something.
  await until(
    "the server's connection to be broken",
    () => !sockets[0]!.write("ACK 2 late\n") && sockets[0]!.destroyed,
  );

  const second = new WireClient(t, proxy.port).send("REQ 1 a\n");
  await second.readTo("ACK 1 x\n");
  second.halfClose();
  const asked = performance.now();
  proxy.process.signal("SIGTERM");
  assert.deepEqual(await proxy.process.exited, { code: 0, signal: null });
  assert.ok(performance.now() - asked < 2_000, `${performance.now() - asked} ms`);
  assert.equal(await second.ended, "end");
});

test("an answer that goes on after the client's end is heard to its own", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.resume();
    socket.on("end", () => {
      let sent = 0;
      const timer = setInterval(() => {
        socket.write(`ACK ${++sent} x\n`);
        if (sent < 6) return;
        clearInterval(timer);
        socket.end();
      }, 400);
    });
  });
  const proxy = await startProxy(t, app.port, temporaryFolder(t));
  const client = new WireClient(t, proxy.port).send("REQ 1 a\n").halfClose();
  assert.equal(await soon("the end", client.ended), "end");
  assert.equal(client.arrived, "ACK 1 x\nACK 2 x\nACK 3 x\nACK 4 x\nACK 5 x\nACK 6 x\n");
});

test("figures and health are there for any method", async (t) => {
  const { port } = await startFooServer(t);
  const proxy = await startProxy(t, port, temporaryFolder(t));
  const { http = "" } = (await proxy.process.ready()) as { http?: string };
  for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    for (const path of ["/stats", "/metrics", "/health", "/heartbeat", "/status"]) {
      const body = method === "POST" || method === "PUT" ? "a".repeat(100_000) : null;
      const response = await fetch(`${http}${path}`, { method, body });
      assert.equal(response.status, 200, `${method} ${path}`);
      assert.ok((await response.text()).startsWith("{"));
    }
    assert.equal((await fetch(`${http}/nope`, { method })).status, 404);
  }
  const head = await fetch(`${http}/stats`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
});

test("the server may speak first, answer late, in any order and at once; only the client ends the conversation", async (t) => {
  const asked: string[] = [];
  const app = await startRawApp(t, (socket) => {
    socket.write("REQ 100 hello\n");
    socket.on("data", (bytes: Buffer) => {
      asked.push(bytes.toString());
      if (asked.join("") === "REQ 1 a\nREQ 2 b\nREQ 3 c\n") socket.write("NAK 3 z\nACK 1 x\nACK 2 y\nACK 2 y\n");
    });
    socket.on("end", () => socket.end("ACK 9 after the end\n"));
  });
  const proxy = await startProxy(t, app.port, temporaryFolder(t));
  const client = new WireClient(t, proxy.port);
  assert.equal(await client.readTo("\n"), "REQ 100 hello\n");
  for (const line of ["REQ 1 a\n", "REQ 2", " b\nREQ 3 ", "c\n"]) client.send(line);
  assert.equal(await client.readTo("ACK 2 y\nACK 2 y\n"), "NAK 3 z\nACK 1 x\nACK 2 y\nACK 2 y\n");
  assert.equal(await client.halfClose().readAll(), "ACK 9 after the end\n");
  const figures = await proxy.stats();
  assert.deepEqual(
    KEYS.slice(0, 4).map((key) => figures[key]),
    [9, 4, 4, 1],
  );
  // Each REQ of the client is answered once; what else comes answers nothing.
  assert.match((await proxy.get("/metrics", "text/plain")).text, /^foo_answer_seconds_count 3$/m);
});

test("any bytes pass unchanged: lines of ten megabytes, no line at all, binary", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const proxy = await startProxy(t, app.port, temporaryFolder(t));
  const bytes = Buffer.concat([
    Buffer.from(`x\nREQ 1 ${"é".repeat(5_000_000)}\nREQ 2 \xff\n`, "utf8"),
    Buffer.from("REQ 3 \xff\n", "latin1"),
    randomBytes(1_000_000),
    Buffer.from("\nREQ 4 last\n"),
    Buffer.alloc(3_000_000, "n"),
  ]);
  const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.end(bytes);
  const back = createHash("sha256");
  socket.on("data", (chunk: Buffer) => back.update(chunk));
  await soon("all of it", once(socket, "end"), 60_000);
  assert.equal(back.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
  // What comes back is sent by the server, and counts by its type all the same.
  await until("the connection is counted", async () => (await proxy.stats())["msg_req"] === 6);
});

test("what was counted survives kill -9 and a stop, and goes with its file", async (t) => {
  const { port } = await startFooServer(t);
  const listen = await freePort();
  const cwd = temporaryFolder(t);
  const start = () => startProxy(t, port, cwd, ["--listen", `127.0.0.1:${listen}`]);
  const lines = Array.from({ length: 20 }, (_, seq) => `REQ ${seq} ${"y".repeat(seq)}`);

  const first = await start();
  const began = performance.now();
  await converse(first.port, lines, { req: 0, ack: 0, nak: 0 });
  const before = await first.stats();
  // Within a second all of it is on the disk.
  await until("a save", () => {
    const path = `${cwd}/.data/recovery.json`;
    return existsSync(path) && readFileSync(path, "utf8").includes('"req":{"total":20');
  });
  first.process.signal("SIGKILL");
  await first.process.exited;

  const second = await start();
  const after = await second.stats();
  for (const key of KEYS.slice(0, 4)) assert.equal(after[key], before[key], key);
  // On a machine so slow that ten seconds have passed there is nothing left to see.
  if (performance.now() - began < 9_000) assert.equal(after["request_rate_10s"], 2);
  await converse(second.port, lines, { req: 0, ack: 0, nak: 0 });
  second.process.signal("SIGTERM");
  assert.deepEqual(await second.process.exited, { code: 0, signal: null });

  const third = await start();
  assert.equal((await third.stats())["msg_req"], 40);
});

test("a disk that takes nothing is said once, and the proxy serves and stops as ever", async (t) => {
  const { port } = await startFooServer(t);
  const cwd = temporaryFolder(t);
  const limited = `${cwd}/limited`;
  writeFileSync(limited, `#!/bin/sh\nulimit -f 0\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
  const proxy = await startProxy(t, port, cwd, [], limited);
  const said = () => proxy.process.stderr.match(/cannot save statistics[^"]*EFBIG/g) ?? [];
  for (let round = 1; round <= 2; round++) {
    await converse(proxy.port, ["REQ 1 Hey"], { req: 0, ack: 0, nak: 0 });
    await until("it is said", () => said().length > 0);
    assert.equal((await proxy.stats())["msg_req"], round);
  }
  proxy.process.signal("SIGTERM");
  assert.deepEqual(await proxy.process.exited, { code: 0, signal: null });
  assert.equal(said().length, 1);
});
