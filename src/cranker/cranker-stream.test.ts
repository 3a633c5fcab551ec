import assert from "node:assert/strict";
import { test } from "node:test";
import type { ByteSink } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import { CrankerStream } from "./cranker-stream.ts";
import { REQUEST_ID_MAX } from "./frame.ts";
import type { MessageSocket } from "./message-socket.ts";
import { SingleSocket } from "./single-socket.ts";
import { Tunnel } from "./tunnel.ts";

/** Everything that happened, in order. */
function setUp() {
  const log: string[] = [];
  const socket: MessageSocket & { writable: boolean } = {
    address: "peer",
    writable: true,
    sendText: (text) => void log.push(`text ${JSON.stringify(text)}`),
    sendBinary: (message) => void log.push(`binary ${message.toString("hex")}`),
    pause: () => void log.push("pause"),
    resume: () => void log.push("resume"),
    close: (code) => void log.push(`close ${code}`),
  };
  const owner = {
    who: "connector",
    gone: () => void log.push("gone"),
    retired: () => void log.push("retired"),
    givenBack: () => void log.push("given back"),
    misbehaved: (why: string) => void log.push(`misbehaved: ${why}`),
  };
  const sink: ByteSink = {
    data: (chunk) => void log.push(`data ${JSON.stringify(chunk.toString("latin1"))}`),
    end: () => void log.push("end"),
    reset: ({ code }) => void log.push(`reset ${code}`),
    drain: () => void log.push("drain"),
  };
  const host = { who: "connector", responseTimeoutMs: 100, over: () => {} };
  const happened = (): string[] => log.splice(0);
  return { socket, owner, sink, host, happened };
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

test("1.0: a request with a body and its answer, message by message", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const single = new SingleSocket(socket, owner);
  const stream = new CrankerStream(single, sink, host);
  stream.begin(POST);
  stream.write(Buffer.from("ab"));
  stream.write(Buffer.from("cd"));
  stream.end();
  assert.deepEqual(happened(), [
    'text "POST / HTTP/1.1\\nHost:a\\nContent-Length:4\\n\\n_1"',
    "binary 6162",
    "binary 6364",
    'text "_3"',
  ]);
  single.text("HTTP/1.1 200 TODO\ncontent-length:2\n");
  single.binary(Buffer.from("ok"));
  assert.deepEqual(happened(), ['data "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n"', 'data "ok"', "end"]);
  single.sweep(0);
  single.sweep(4_999);
  assert.deepEqual(happened(), [], "the connector has time to close");
  single.sweep(5_000);
  assert.deepEqual(happened(), ["close 1000", "gone"]);
});

test("1.0: a socket is paused while its client takes nothing, and read on before it is empty", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const single = new SingleSocket(socket, owner);
  const stream = new CrankerStream(single, sink, host);
  stream.begin(GET);
  single.text("HTTP/1.1 200 OK\ncontent-length:100000\n");
  single.binary(Buffer.alloc(70_000));
  const headBytes = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".length;
  assert.equal(happened().filter((each) => each === "pause").length, 1);
  stream.consumed(headBytes + 53_616);
  assert.deepEqual(happened(), [], "16 KiB are left");
  stream.consumed(1);
  assert.deepEqual(happened(), ["resume"]);
});

test("1.0: no message to a connector has more than 32 KiB, however the body comes", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const single = new SingleSocket(socket, owner);
  const stream = new CrankerStream(single, sink, host);
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index & 255));
  stream.begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  stream.write(body);
  const messages = happened()
    .filter((each) => each.startsWith("binary "))
    .map((each) => Buffer.from(each.slice("binary ".length), "hex"));
  assert.deepEqual(
    messages.map(({ length }) => length),
    [32_768, 32_768, 32_768, 1_696],
  );
  assert.deepEqual(Buffer.concat(messages), body);
});

test("1.0: a head that does not fit into such a message is refused, and its socket goes on; 3.0 has room", async () => {
  for (const [filler, reset] of [
    ["a".repeat(32_000), undefined],
    ["a".repeat(33_000), "reset HEAD_TOO_LARGE"],
    // Each byte above ASCII is two in the message.
    ["\xe4".repeat(17_000), "reset HEAD_TOO_LARGE"],
  ] as const) {
    const { socket, owner, sink, host, happened } = setUp();
    const single = new SingleSocket(socket, owner);
    const begin = `GET / HTTP/1.1\r\nHost: a\r\nX: ${filler}\r\n\r\n`;
    new CrankerStream(single, sink, host).begin(begin);
    await Promise.resolve();
    const log = happened();
    assert.equal(log.at(-1)?.startsWith("reset") === true ? log.at(-1) : undefined, reset);
    assert.equal(single.idle, reset !== undefined);
    for (const each of log)
      assert.ok(!each.startsWith("text") || Buffer.byteLength(JSON.parse(each.slice(5)) as string) <= 32_768);
    new CrankerStream(new Tunnel(socket, owner).take(), sink, host).begin(begin);
    assert.ok(happened().every((each) => each.startsWith("binary ")));
  }
});

test("1.0: an answer without a length ends with any close but those that say that it failed", () => {
  for (const [code, whole] of [
    [1000, true],
    [1001, true],
    [1002, true],
    [1005, true],
    [1009, true],
    [3000, true],
    [4999, true],
    [1006, false],
    [1008, false],
    [1011, false],
  ] as const) {
    const { socket, owner, sink, host, happened } = setUp();
    const single = new SingleSocket(socket, owner);
    new CrankerStream(single, sink, host).begin(GET);
    single.text("HTTP/1.1 200 OK\n");
    single.binary(Buffer.from("ok"));
    happened();
    single.closed(code, "");
    const log = happened();
    if (whole) assert.deepEqual(log, ["gone", 'data "0\\r\\n\\r\\n"', "end"], String(code));
    else assert.match(log.at(-1) ?? "", /^reset /, String(code));
  }
});

test("1.0: a close before the head, or before the length is there, is never the end of an answer", () => {
  for (const code of [1000, 1001, 1005, 1009, 1011]) {
    for (const head of ["", "HTTP/1.1 200 OK\ncontent-length:5\n"]) {
      const { socket, owner, sink, host, happened } = setUp();
      const single = new SingleSocket(socket, owner);
      new CrankerStream(single, sink, host).begin(GET);
      if (head !== "") single.text(head);
      happened();
      single.closed(code, "");
      assert.match(happened().at(-1) ?? "", /^reset TARGET_FAILED/, `${code} ${head}`);
    }
  }
});

test("1.0: a request that cannot be carried leaves its socket as it was", async () => {
  const { socket, owner, sink, host, happened } = setUp();
  const single = new SingleSocket(socket, owner);
  new CrankerStream(single, sink, host).begin("GET //evil HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.deepEqual(happened(), [], "nobody hears of it within the call");
  await Promise.resolve();
  assert.deepEqual(happened(), ["given back", "reset BAD_REQUEST"]);
  assert.equal(single.idle, true);
});

test("the app's time begins when it has been asked all, and is over once", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const stream = new CrankerStream(new Tunnel(socket, owner).take(), sink, host);
  stream.begin(POST);
  for (let now = 0; now <= 1_000; now += 50) stream.sweep(now);
  stream.write(Buffer.from("abcd"));
  happened();
  stream.sweep(1_050);
  stream.sweep(1_149);
  assert.deepEqual(happened(), []);
  stream.sweep(1_150);
  const [frame = "", reset] = happened();
  assert.match(frame, /^binary 030000000001/);
  assert.equal(reset, "reset TARGET_TIMEOUT");
  stream.sweep(9_999);
  assert.deepEqual(happened(), []);
});

test("a connector that takes nothing of a request has no more time than for an answer, and a head none to be late", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const tunnel = new Tunnel(socket, owner);
  socket.writable = false;
  const stuck = new CrankerStream(tunnel.take(), sink, host);
  stuck.begin(POST);
  assert.equal(stuck.write(Buffer.from("ab")), false);
  const headless = new CrankerStream(tunnel.take(), sink, host);
  headless.write(Buffer.from("GET"));
  for (const now of [0, 99, 100]) for (const stream of [stuck, headless]) stream.sweep(now);
  assert.deepEqual(
    happened().filter((each) => each.startsWith("reset")),
    ["reset TARGET_TIMEOUT", "reset TARGET_TIMEOUT"],
  );
});

test("the client is told to go on once, and not behind an answer", async () => {
  const { socket, owner, sink, host, happened } = setUp();
  const tunnel = new Tunnel(socket, owner);
  const expecting = POST.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
  new CrankerStream(tunnel.take(), sink, host).begin(expecting);
  assert.equal(happened().length, 1, "the head, without the expectation");
  await Promise.resolve();
  assert.deepEqual(happened(), ['data "HTTP/1.1 100 Continue\\r\\n\\r\\n"']);
  new CrankerStream(tunnel.take(), sink, host).begin(expecting);
  tunnel.binary(Buffer.concat([Buffer.from("010500000002", "hex"), Buffer.from("HTTP/1.1 403 X\ncontent-length:0\n")]));
  happened();
  await Promise.resolve();
  assert.deepEqual(happened(), []);
});

test("3.0: an answer before the request is whole resets the rest of it", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const tunnel = new Tunnel(socket, owner);
  const stream = new CrankerStream(tunnel.take(), sink, host);
  stream.begin(POST);
  happened();
  tunnel.binary(Buffer.concat([Buffer.from("010500000001", "hex"), Buffer.from("HTTP/1.1 403 X\ncontent-length:0\n")]));
  const heard = happened();
  assert.ok(heard.some((each) => each.startsWith("binary 030000000001")));
  assert.equal(heard.at(-1), "end");
  stream.reset(new PolarityError("CLIENT_GONE", "the response is complete"));
  assert.deepEqual(happened(), [], "what is over is over");
});

test("3.0: a tunnel that runs out of ids takes no more requests, and closes after the last", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const tunnel = new Tunnel(socket, owner, REQUEST_ID_MAX - 1);
  const stream = new CrankerStream(tunnel.take(), sink, host);
  assert.deepEqual(happened(), ["retired"]);
  assert.equal(tunnel.open, false);
  stream.begin(GET);
  const head = Buffer.concat([Buffer.from("01057fffffff", "hex"), Buffer.from("HTTP/1.1 204 X\n")]);
  happened();
  tunnel.binary(head);
  const heard = happened();
  assert.deepEqual(heard.slice(-3), ["close 1001", "gone", "end"]);
});

test("3.0: who was told to wait is told when to go on, whichever was in the way", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const tunnel = new Tunnel(socket, owner);
  const stream = new CrankerStream(tunnel.take(), sink, host);
  stream.begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
  socket.writable = false;
  assert.equal(stream.write(Buffer.alloc(10)), false);
  socket.writable = true;
  assert.equal(stream.write(Buffer.alloc(10)), false, "not told yet");
  happened();
  tunnel.drained();
  assert.deepEqual(happened(), ["drain"]);
  assert.equal(stream.write(Buffer.alloc(70_000)), false, "the window is full");
  happened();
  tunnel.drained();
  assert.deepEqual(happened(), []);
  tunnel.binary(Buffer.from("08000000000100011170", "hex"));
  assert.deepEqual(happened(), ["drain"]);
});

test("3.0: a connector that sends and does not read is owed one acknowledgement, not one for each frame", () => {
  const { socket, owner, sink, host, happened } = setUp();
  const tunnel = new Tunnel(socket, owner);
  const stream = new CrankerStream(tunnel.take(), { ...sink, data: (chunk) => stream.consumed(chunk.length) }, host);
  stream.begin(GET);
  tunnel.binary(Buffer.concat([Buffer.from("010400000001", "hex"), Buffer.from("HTTP/1.1 200 OK\n")]));
  happened();
  socket.writable = false;
  for (let frame = 0; frame < 1000; frame++) tunnel.binary(Buffer.from("00000000000161", "hex"));
  assert.deepEqual(happened(), []);
  socket.writable = true;
  tunnel.drained();
  assert.deepEqual(happened(), ["binary 080000000001000003e8"]);
  tunnel.drained();
  assert.deepEqual(happened(), []);
});
