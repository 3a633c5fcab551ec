/**
 * An open-loop load: requests are due at a fixed rate, whether or not earlier ones were answered.
 *
 * Latency counts from the moment at which a request was due, so that a server that stops for a second is charged for every
 * request that fell into that second ("coordinated omission" would count one). A due request that finds no idle connection
 * waits, and its wait counts. The only thing left out is this process's own timer: a wake-up less than 2 ms late is ours.
 *
 * Prints one JSON line (`FixedRateReport`).
 */
import { connect, type Socket } from "node:net";
import { ResponseReader } from "./measure/response-reader.ts";
import type { FixedRateFailure, FixedRateReport, FixedRateTask } from "./measure/fixed-rate.ts";

const OWN_LATENESS_MS = 2;
const RECONNECT_MS = 20;
const FAILURES_KEPT = 20_000;

interface Connection {
  socket: Socket | undefined;
  reader: ResponseReader;
  /** When the request under way was due; undefined while idle. */
  due: number | undefined;
  closing: boolean;
}

const task = JSON.parse(process.argv[2] ?? "{}") as FixedRateTask;
const body = "b".repeat(task.bodyBytes);
const requestBytes = Buffer.from(
  `${task.method} ${task.path} HTTP/1.1\r\nHost: bench\r\n` +
    (task.method === "POST" ? `Content-Length: ${body.length}\r\n\r\n${body}` : "\r\n"),
  "latin1",
);

const idle: Connection[] = [];
const connections = Array.from({ length: task.connections }, open);
const waiting: number[] = [];
let waitingFirst = 0;

const latenciesMs: number[] = [];
const failures: FixedRateFailure[] = [];
const servedBy = new Map<number, Record<string, number>>();
let failed = 0;
let scheduled = 0;

const startEpochMs = Date.now();
const start = performance.now();
const measureFrom = start + task.warmupSeconds * 1_000;
const end = measureFrom + task.seconds * 1_000;
let nextTimeoutCheck = start;
tick();

function tick(): void {
  const now = performance.now();
  for (; scheduledAt() <= now && scheduledAt() < end; scheduled++) {
    const due = scheduledAt();
    waiting.push(now - due < OWN_LATENESS_MS ? now : due);
  }
  dispatch();
  if (now >= nextTimeoutCheck) {
    giveUp(now);
    nextTimeoutCheck = now + 50;
  }
  if (now >= end && waitingFirst === waiting.length && connections.every(({ due }) => due === undefined)) finish();
  else setTimeout(tick, 1);
}

function scheduledAt(): number {
  return start + (scheduled * 1_000) / task.rate;
}

function dispatch(): void {
  while (waitingFirst < waiting.length) {
    const connection = idle.shift();
    if (connection === undefined) return;
    // A connection that broke while idle is not on offer; it comes back when it is open again.
    if (connection.socket === undefined || connection.due !== undefined) continue;
    connection.due = waiting[waitingFirst];
    waitingFirst += 1;
    connection.reader = new ResponseReader();
    connection.socket.write(requestBytes);
  }
  waiting.length = 0;
  waitingFirst = 0;
}

function open(): Connection {
  const connection: Connection = { socket: undefined, reader: new ResponseReader(), due: undefined, closing: false };
  reopen(connection);
  return connection;
}

function reopen(connection: Connection): void {
  const socket = connect({ port: task.port, host: "127.0.0.1", noDelay: true });
  socket.on("connect", () => {
    connection.socket = socket;
    connection.closing = false;
    idle.push(connection);
    dispatch();
  });
  socket.on("data", (bytes: Buffer) => receive(connection, bytes));
  socket.on("error", () => {});
  socket.on("close", () => {
    connection.socket = undefined;
    if (connection.due !== undefined) fail(connection.due, "cut");
    connection.due = undefined;
    setTimeout(() => reopen(connection), RECONNECT_MS);
  });
}

function receive(connection: Connection, bytes: Buffer): void {
  if (connection.due === undefined) return;
  const outcome = connection.reader.receive(bytes);
  if (outcome === "more") return;
  if (outcome === "broken") {
    fail(connection.due, "unreadable");
    connection.due = undefined;
    connection.socket?.destroy();
    return;
  }
  const now = performance.now();
  const { status, app, keepAlive } = connection.reader;
  if (status < 200 || status > 299) fail(connection.due, String(status));
  else succeed(connection.due, now, app);
  connection.due = undefined;
  if (keepAlive) {
    idle.push(connection);
    dispatch();
  } else {
    connection.socket?.destroy();
  }
}

function succeed(due: number, now: number, app: string): void {
  if (due < measureFrom) return;
  latenciesMs.push(now - due);
  const second = Math.floor((now - start) / 1_000);
  const counts = servedBy.get(second) ?? {};
  counts[app] = (counts[app] ?? 0) + 1;
  servedBy.set(second, counts);
}

function fail(due: number, kind: string): void {
  if (due < measureFrom) return;
  failed += 1;
  if (failures.length < FAILURES_KEPT) {
    failures.push({ atMs: due - start, lateMs: performance.now() - due, kind });
  }
}

/** Requests without an answer in time are failures, wherever they wait. */
function giveUp(now: number): void {
  for (const connection of connections) {
    if (connection.due !== undefined && now - connection.due > task.timeoutMs) {
      fail(connection.due, "timeout");
      connection.due = undefined;
      connection.socket?.destroy();
    }
  }
  for (; waitingFirst < waiting.length; waitingFirst++) {
    const due = waiting[waitingFirst] ?? now;
    if (now - due <= task.timeoutMs) break;
    fail(due, "timeout");
  }
}

function finish(): void {
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (quantile: number): number => sorted[Math.ceil(quantile * sorted.length) - 1] ?? Number.NaN;
  const report: FixedRateReport = {
    startEpochMs,
    answered: sorted.length,
    failed,
    failures,
    servedBy: Object.fromEntries(servedBy),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    maxMs: at(1),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}
