/** What a connector does for whoever opens a stream on it, right or wrong: any peer may have written the request. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { parseTargetAddress } from "../../src/base/address.ts";
import { DiscardSink } from "../../src/base/byte-stream.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { HttpTarget } from "../../src/target/http-target.ts";
import { startWireApp } from "../support/apps.ts";
import { until } from "../support/patience.ts";
import { RecordingStream } from "../support/recording-stream.ts";
import { systemNames } from "../support/names.ts";

interface Options {
  readonly idleConnectionsMax?: number;
  readonly responseTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
}

/** A target in virtual time in front of a real app. */
async function setUp(t: TestContext, answer: (head: string, socket: Socket) => void, options: Options = {}) {
  const app = await startWireApp(t, answer);
  const time = { now: 0 };
  const target = new HttpTarget(
    { clock: { now: () => time.now }, names: systemNames, failed: () => {} },
    {
      address: parseTargetAddress(app.url),
      tls: undefined,
      connectTimeoutMs: 5_000,
      responseTimeoutMs: options.responseTimeoutMs ?? 60_000,
      stallTimeoutMs: options.stallTimeoutMs ?? 60_000,
      idleConnectionsMax: options.idleConnectionsMax ?? 10,
      idleMs: 30_000,
      proxyProtocol: "none",
      headLimits: { targetBytesMax: 1000, fieldCountMax: 100 },
      headBytesMax: 4096,
    },
  );
  t.after(() => target.close(new PolarityError("NODE_STOPPED", "the test is over")));
  const open = (): RecordingStream => {
    const stream: RecordingStream = new RecordingStream(new DiscardSink({} as RecordingStream));
    target.accept(stream, "");
    return stream;
  };
  const exchange = async (request: string): Promise<string> => {
    const stream = open().deliver(request).deliverEnd();
    await until("an answer", () => stream.ended || stream.over);
    return stream.resetBy === undefined ? stream.written : `reset ${stream.resetBy.code}`;
  };
  return { target, time, open, exchange, sweep: () => target.sweep(time.now) };
}

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

test("requests that two parsers could read differently never reach the app", async (t) => {
  let asked = 0;
  const { open, target } = await setUp(t, (_head, socket) => {
    asked++;
    socket.write(OK);
  });
  const bad = [
    "GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "GET / HTTP/1.1\nHost: x\n\n",
    "nonsense\r\n\r\n",
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(5000)}`,
  ];
  for (const request of bad) {
    const stream = open().deliver(request);
    assert.ok(stream.resetBy !== undefined, request.slice(0, 40));
    assert.equal(stream.resetBy.fault, "client");
  }
  const cut = open().deliver("GET / HT").deliverEnd();
  assert.equal(cut.resetBy?.code, "BAD_REQUEST");
  assert.equal(asked, 0);
  assert.equal(target.active, 0);
});

test("bytes behind a request, and a body that ends early, break the stream and the app's connection", async (t) => {
  const { open, target } = await setUp(t, () => {});
  const behind = open().deliver(`${GET}GET /second HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.equal(behind.resetBy?.code, "BAD_REQUEST");
  const short = open().deliver("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort").deliverEnd();
  assert.equal(short.resetBy?.code, "BAD_REQUEST");
  assert.equal(target.pool.open, 0);
  assert.equal(target.active, 0);
});

test("bytes that were meant for a tunnel the app did not open spoil no one else's answer", async (t) => {
  let connections = 0;
  const seen = new WeakSet<Socket>();
  const { exchange } = await setUp(t, (head, socket) => {
    if (!seen.has(socket)) {
      seen.add(socket);
      connections++;
    }
    const body = head.split(" ")[1] ?? "";
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  const upgrade = "GET /first HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\n";
  assert.match(await exchange(`${upgrade}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`), /\/first/);
  assert.match(await exchange("GET /second HTTP/1.1\r\nHost: x\r\n\r\n"), /\/second$/);
  assert.equal(connections, 2);
});

/** An answer of so many bytes with its head. */
function answerOf(bytes: number): string {
  const start = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const bodyBytes = bytes - start.length - String(bytes).length - 4;
  return `${start}${String(bodyBytes).padStart(String(bytes).length, "0")}\r\n\r\n${"x".repeat(bodyBytes)}`;
}

test("a client that has not read its answer does not hold back the next request on the app's connection", async (t) => {
  for (const sizes of [[65_536], [10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000], [65_535, 1_000]]) {
    let connections = 0;
    const seen = new WeakSet<Socket>();
    const { open, exchange, target } = await setUp(t, (head, socket) => {
      if (!seen.has(socket)) connections++;
      seen.add(socket);
      socket.write(answerOf(Number(head.split(" ")[1]!.slice(1))));
    });
    for (const size of sizes) {
      const stream = open();
      stream.deliver(`GET /${size} HTTP/1.1\r\nHost: x\r\n\r\n`).deliverEnd();
      stream.room = false;
      await until(`an answer of ${size} bytes`, () => stream.ended);
      assert.equal(stream.written.length, size);
    }
    assert.match(await exchange("GET /200 HTTP/1.1\r\nHost: x\r\n\r\n"), /x$/);
    assert.equal(connections, 1, `after answers of ${sizes.join(", ")}`);
    target.close(new PolarityError("NODE_STOPPED", "the test is over"));
  }
});

test("a connection whose app has not taken the last request whole gets no other one", async (t) => {
  const { open, exchange, target } = await setUp(t, (head, socket) => {
    socket.write(OK);
    if (head.startsWith("POST")) socket.pause();
  });
  const bytes = 16 * 1024 * 1024;
  const upload = open().deliver(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n${"x".repeat(bytes)}`);
  upload.deliverEnd();
  await until("an early answer", () => upload.ended);
  assert.equal(upload.owedBytes, 0, "what nobody reads is paid");
  assert.match(await exchange(GET), /ok$/);
  assert.equal(target.pool.open, 1);
});

test("one connection serves one exchange after another, the newest first, up to the number that is kept", async (t) => {
  const held: Socket[] = [];
  const { open, exchange, target } = await setUp(
    t,
    (head, socket) => {
      if (head.startsWith("GET /held")) held.push(socket);
      else socket.write(OK);
    },
    { idleConnectionsMax: 2 },
  );
  const streams = [1, 2, 3].map(() => open().deliver("GET /held HTTP/1.1\r\nHost: x\r\n\r\n").deliverEnd());
  await until("all three have arrived", () => held.length === 3);
  assert.deepEqual([target.pool.open, target.pool.idle, target.active], [3, 0, 3]);
  for (const socket of held) socket.write(OK);
  await until("all are answered", () => streams.every((stream) => stream.ended));
  assert.deepEqual([target.pool.open, target.pool.idle, target.active], [2, 2, 0]);
  assert.equal(await exchange(GET), OK);
  assert.deepEqual([target.pool.open, target.pool.idle], [2, 2]);
});

test("kept connections are let go after their time, a second before the app's own, and never trusted for a POST once old", async (t) => {
  let connections = 0;
  const seen = new WeakSet<Socket>();
  const { exchange, target, time, sweep } = await setUp(t, (head, socket) => {
    if (!seen.has(socket)) {
      seen.add(socket);
      connections++;
    }
    const keeps = head.startsWith("GET /five") ? "Keep-Alive: timeout=5\r\n" : "";
    socket.write(`HTTP/1.1 200 OK\r\n${keeps}Content-Length: 2\r\n\r\nok`);
  });
  await exchange(GET);
  time.now = 1_001;
  await exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  assert.equal(connections, 2, "the kept one was too old for a POST");
  time.now = 20_000;
  await exchange(GET);
  assert.equal(connections, 2, "a GET may use it");
  await exchange("GET /five HTTP/1.1\r\nHost: x\r\n\r\n");
  time.now = 24_000;
  sweep();
  assert.equal(target.pool.idle, 1, "the one whose app keeps it for five seconds has gone");
  time.now = 31_002;
  sweep();
  assert.equal(target.pool.open, 0);
});

test("an app's time runs from the end of the request, and stands while the client is the slow one", async (t) => {
  const { open, time, sweep, target } = await setUp(t, () => {}, { responseTimeoutMs: 1000 });
  const stream = open().deliver("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
  for (const byte of ["a", "b", "c"]) {
    time.now += 5_000;
    sweep();
    stream.deliver(byte);
  }
  time.now += 999;
  sweep();
  assert.ok(!stream.over);
  time.now += 1;
  sweep();
  assert.equal(stream.resetBy?.code, "TARGET_TIMEOUT");
  assert.equal(target.active, 0);
});

test("an app that never asks for a body that waits to be asked for is timed out", async (t) => {
  const { open, time, sweep } = await setUp(t, () => {}, { responseTimeoutMs: 1000 });
  const stream = open().deliver("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  time.now = 1000;
  sweep();
  assert.equal(stream.resetBy?.code, "TARGET_TIMEOUT");
});

test("interim answers give the app new time, and are no answer", async (t) => {
  let app: Socket | undefined;
  const { open, time, sweep } = await setUp(t, (_head, socket) => (app = socket), { responseTimeoutMs: 1000 });
  const stream = open().deliver(GET);
  await until("the app was asked", () => app !== undefined);
  for (let round = 1; round <= 3; round++) {
    time.now += 900;
    app?.write("HTTP/1.1 102 Processing\r\n\r\n");
    await until("another interim answer", () => stream.written.split("102").length === round + 1);
    sweep();
    assert.ok(!stream.over);
  }
  time.now += 1000;
  sweep();
  assert.equal(stream.resetBy?.code, "TARGET_TIMEOUT");
});

test("an app that stops in the middle of its body is cut, unless it is held back or no limit is set", async (t) => {
  const cases = [
    { stallTimeoutMs: 1000, room: true, cut: true },
    { stallTimeoutMs: 1000, room: false, cut: false },
    { stallTimeoutMs: Number.POSITIVE_INFINITY, room: true, cut: false },
  ];
  for (const { stallTimeoutMs, room, cut } of cases) {
    let app: Socket | undefined;
    const { open, time, sweep } = await setUp(t, (_head, socket) => (app = socket), { stallTimeoutMs });
    const stream = open();
    stream.room = room;
    stream.deliver(GET);
    await until("the app was asked", () => app !== undefined);
    app?.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
    await until("the first byte", () => stream.written.endsWith("a"));
    time.now += 999;
    sweep();
    assert.ok(!stream.over);
    app?.write("b");
    await until("the second byte", () => stream.written.endsWith("ab"));
    time.now += 1;
    sweep();
    assert.ok(!stream.over, "something came since the last look");
    time.now += 1000;
    sweep();
    assert.equal(stream.resetBy?.code, cut ? "TARGET_STALLED" : undefined);
  }
});

test("a reset from the peer takes the app's connection with it, at any time", async (t) => {
  const arrived: Socket[] = [];
  const { open, target } = await setUp(t, (_head, socket) => arrived.push(socket));
  const unconnected = open().deliver(GET);
  unconnected.breakWith(new PolarityError("CLIENT_GONE", "gone"));
  assert.deepEqual([target.active, target.pool.open], [0, 0]);
  const waiting = open().deliver(GET);
  await until("the app was asked", () => arrived.length > 0);
  const closed = new Promise((resolve) => arrived.at(-1)!.once("end", resolve));
  waiting.breakWith(new PolarityError("CLIENT_GONE", "gone"));
  await closed;
  assert.deepEqual([target.active, target.pool.open], [0, 0]);
});
