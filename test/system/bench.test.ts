/** The benchmark's own instruments: a figure is worth what the client that took it is worth. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import type { FixedRateReport, FixedRateTask } from "../../bench/measure/fixed-rate.ts";
import { ResponseReader } from "../../bench/measure/response-reader.ts";
import { waitUntil } from "../../bench/measure/probe.ts";
import { freePort } from "../../bench/ports.ts";
import { judge, Sheet } from "../../bench/sheet.ts";

test("a server that stands still once is charged for every request that was due meanwhile", async (t) => {
  const stallMs = 600;
  let stalledUntil = 0;
  let served = 0;
  const server = createHttpServer((_, response) => {
    served += 1;
    if (served === 100) stalledUntil = performance.now() + stallMs;
    setTimeout(() => response.end("page"), Math.max(0, stalledUntil - performance.now()));
  });
  const report = await runFixedRate(await listen(t, server), { connections: 4 });
  assert.equal(report.failed, 0);
  assert.equal(report.answered, 300);
  // 600 ms of 1,500 ms stood still: the median is that of a quiet server, the last tenth waited long.
  assert.ok(report.p50Ms < stallMs / 2, `p50 ${report.p50Ms}`);
  assert.ok(report.p99Ms > stallMs * 0.75, `p99 ${report.p99Ms}`);
});

test("a request that is cut and one that is refused are failures, each by its kind", async (t) => {
  let served = 0;
  const server = createHttpServer((request, response) => {
    served += 1;
    if (served === 50) request.socket.destroy();
    else response.writeHead(served === 60 ? 503 : 200, { "content-length": 4 }).end("page");
  });
  const report = await runFixedRate(await listen(t, server), { connections: 4 });
  assert.deepEqual(report.failures.map(({ kind }) => kind).toSorted(), ["503", "cut"]);
  assert.equal(report.answered + report.failed, 300);
});

test("the delay relay holds bytes and their end back, and carries a half-close", async (t) => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  const target = await listen(t, echo);
  const relayPort = await freePort();
  const relay = startScript(t, "delay-relay.ts", { listen: relayPort, target, delayMs: 40 });
  await waitUntil("relay", async () => await canConnect(relayPort), []);
  assert.equal(relay.exitCode, null);

  const socket = connect({ port: relayPort, host: "127.0.0.1", allowHalfOpen: true });
  const startedAt = performance.now();
  socket.end("there and back");
  assert.equal(await text(socket), "there and back");
  assert.ok(performance.now() - startedAt >= 78, "two ways of 40 ms");
});

test("a response is read whatever the slices in which it arrives", () => {
  const bytes = Buffer.from("HTTP/1.1 200 OK\r\nX-App: b\r\nContent-Length: 4\r\n\r\npage");
  for (let cut = 1; cut < bytes.length; cut++) {
    const reader = new ResponseReader();
    assert.equal(reader.receive(bytes.subarray(0, cut)), "more");
    assert.equal(reader.receive(bytes.subarray(cut)), "done");
    assert.deepEqual([reader.status, reader.app, reader.keepAlive], [200, "b", true]);
  }
});

test("a bar is judged on medians, and not at all when a figure is missing", () => {
  const sheet = new Sheet();
  sheet.bar("http", "requests/s", { subject: "polarity", atLeast: 1, of: "haproxy-http" });
  for (const value of [90, 110, 1]) sheet.add("http", "requests/s", "polarity", value);
  const verdictOf = (): unknown => sheet.lines.map(judge)[0];
  assert.equal(verdictOf(), undefined);
  for (const value of [100, 100]) sheet.add("http", "requests/s", "haproxy-http", value);
  assert.deepEqual(verdictOf(), { value: 0.9, held: false });
  sheet.add("http", "requests/s", "polarity", 120);
  assert.deepEqual(verdictOf(), { value: 1, held: true });
});

test("a bar for every round is judged on the worst", () => {
  const sheet = new Sheet();
  sheet.bar("GET", "failed requests", { subject: "polarity", atMost: 0, everyRound: true });
  for (const value of [0, 1, 0]) sheet.add("GET", "failed requests", "polarity", value);
  assert.deepEqual(sheet.lines.map(judge), [{ value: 1, held: false }]);
});

async function runFixedRate(port: number, choice: Partial<FixedRateTask>): Promise<FixedRateReport> {
  const task: FixedRateTask = {
    port,
    path: "/",
    method: "GET",
    bodyBytes: 0,
    rate: 200,
    connections: 4,
    warmupSeconds: 0,
    seconds: 1.5,
    timeoutMs: 5_000,
    ...choice,
  };
  const client = spawn(process.execPath, [scriptPath("fixed-rate-client.ts"), JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(await text(client.stdout)) as FixedRateReport;
}

function startScript(t: TestContext, name: string, options: unknown): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, [scriptPath(name), JSON.stringify(options)], { stdio: "inherit" });
  t.after(async () => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  });
  return child;
}

function scriptPath(name: string): string {
  return new URL(`../../bench/${name}`, import.meta.url).pathname;
}

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function canConnect(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
