import assert from "node:assert/strict";
import { test } from "node:test";

import { frame, MuxRecorder } from "../../test/support/mux-recorder.ts";
import { PolarityError } from "../base/errors.ts";
import { WindowBudget } from "./mux-limits.ts";
import type { MuxStream } from "./mux-stream.ts";

const WINDOW = 256 * 1024;
const gone = new PolarityError("CLIENT_GONE", "the client went away");

// ── re-entrancy: what a sink does inside its call ──

test("a sink that resets its stream inside data hears no more, and the rest of the frame is read over", () => {
  const server = new MuxRecorder({
    opened: (stream, recorder) => {
      const sink = recorder.sinkFor(stream);
      stream.sink = {
        data: (chunk) => {
          sink.data(chunk);
          stream.reset(gone);
        },
        end: () => sink.end(),
        reset: (error) => sink.reset(error),
        drain: () => sink.drain(),
      };
    },
  });
  const hex = frame("DATA", "SYN|FIN", 1, "hello");
  assert.deepEqual(server.receive(hex.slice(0, -4)), ["opened 1", "data 1 hel", "streams 0"]);
  assert.deepEqual(server.receive(hex.slice(-4), frame("PING", "SYN", 0, 1)), []);
  assert.deepEqual(server.flush(), ["WINDOW RST 1 0", "PING ACK 0 1"]);
});

test("a stream refused inside opened delivers nothing", () => {
  const server = new MuxRecorder({ opened: (stream) => stream.reset(gone) });
  assert.deepEqual(server.receive(frame("DATA", "SYN|FIN", 1, "hello"), frame("DATA", "SYN", 3, "x")), [
    "opened 1",
    "streams 0",
    "opened 3",
    "streams 0",
  ]);
  assert.deepEqual(server.flush(), ["WINDOW RST 1 0", "WINDOW RST 3 0"]);
});

test("a stream whose acceptor sets no sink is read over with its credit returned", () => {
  const server = new MuxRecorder({ opened: () => {} });
  server.receive(frame("DATA", "SYN", 1, "x".repeat(WINDOW)));
  assert.deepEqual(server.flush(), [`WINDOW ACK 1 ${WINDOW}`]);
});

test("a session closed from inside a sink hears nothing of the same chunk, and tells every stream once", () => {
  const server = new MuxRecorder({
    opened: (stream, recorder) => {
      const sink = recorder.sinkFor(stream);
      stream.sink = {
        data: () => recorder.session.close(gone),
        end: () => sink.end(),
        reset: (error) => {
          sink.reset(error);
          stream.reset(error);
          recorder.session.close(error);
          stream.write(Buffer.from("too late"));
          assert.equal(recorder.session.open(sink), undefined);
        },
        drain: () => sink.drain(),
      };
    },
  });
  assert.deepEqual(
    server.receive(frame("WINDOW", "SYN", 1, 0), frame("DATA", "SYN|FIN", 3, "x"), frame("WINDOW", "SYN", 5, 0)),
    ["opened 1", "opened 3", "reset 1 CLIENT_GONE", "reset 3 CLIENT_GONE", "closed CLIENT_GONE: the client went away"],
  );
  assert.deepEqual(server.flush(), ["GOAWAY - 0 0"]);
  assert.equal(server.session.streamsOpen, 0);
});

test("a sink hears its last call before the number of streams falls", () => {
  const server = new MuxRecorder();
  server.receive(frame("WINDOW", "SYN", 1, 0));
  server.session.streams.get(1)!.end();
  assert.deepEqual(server.receive(frame("WINDOW", "FIN", 1, 0)), ["end 1", "streams 0"]);
});

test("a stream ended from inside its peer's end is released once", () => {
  const server = new MuxRecorder({
    opened: (stream, recorder) => {
      const sink = recorder.sinkFor(stream);
      stream.sink = {
        data: (chunk) => sink.data(chunk),
        end: () => {
          stream.writeLatin1("bye");
          stream.end();
        },
        reset: (error) => sink.reset(error),
        drain: () => sink.drain(),
      };
    },
  });
  assert.deepEqual(server.receive(frame("DATA", "SYN|FIN", 1, "hi")), ["opened 1", "data 1 hi", "streams 0"]);
  assert.deepEqual(server.flush(), ['DATA ACK 1 "bye"', "WINDOW FIN 1 0"]);
});

test("streams reset while the transport is full leave nothing to send behind", () => {
  const server = new MuxRecorder();
  server.outcome = "full";
  server.session.ping(0);
  server.flush();
  const streams: MuxStream[] = [];
  for (let id = 1; id < 11; id += 2) {
    server.receive(frame("DATA", "SYN", id, "x".repeat(WINDOW / 2)));
    const stream = server.session.streams.get(id)!;
    stream.writeLatin1(`answer ${id}`);
    streams.push(stream);
  }
  for (const id of [1, 5, 9]) server.receive(frame("WINDOW", "RST", id, 0));
  server.session.unblocked();
  server.outcome = "taken";
  assert.deepEqual(server.flush(), [
    `WINDOW ACK 7 ${WINDOW / 2}`,
    `WINDOW ACK 3 ${WINDOW / 2}`,
    'DATA - 3 "answer 3"',
    'DATA - 7 "answer 7"',
  ]);
  assert.equal(streams[0]!.queuedBytes, 0);
});

// ── writing ──

test("streams with much to send take turns of one frame", () => {
  const client = new MuxRecorder({ role: "client" });
  const [a, b] = [client.open(), client.open()];
  a.write(Buffer.alloc(128 * 1024 + 1));
  b.write(Buffer.alloc(128 * 1024 + 1));
  a.end();
  // What there is room for goes straight into the flush; the rest waits for its turns.
  assert.deepEqual(client.flush(), [
    "DATA SYN 1 65536",
    "DATA - 1 65536",
    "DATA SYN 3 65536",
    'DATA - 1 "\\u0000"',
    "WINDOW FIN 1 0",
    "DATA - 3 4096",
    "DATA - 3 61441",
  ]);
});

test("a false write is followed by drain once the queue is short, also when it was full of tiny chunks", () => {
  for (const chunk of [16 * 1024, 1]) {
    const client = new MuxRecorder({ role: "client" });
    client.outcome = "full";
    client.session.ping(0);
    client.flush();
    const stream = client.open();
    let writes = 1;
    while (stream.write(Buffer.alloc(chunk))) writes++;
    assert.ok(writes <= 256, `${writes} chunks of ${chunk} bytes`);
    client.session.unblocked();
    client.outcome = "taken";
    client.flush();
    assert.deepEqual(client.taken(), [`drain 1`]);
    assert.equal(stream.write(Buffer.alloc(1)), true);
  }
});

test("writes after the end, after a reset and after the session's end are dropped", () => {
  const client = new MuxRecorder({ role: "client" });
  const ended = client.open();
  ended.writeLatin1("a");
  ended.end();
  ended.end();
  assert.equal(ended.writeLatin1("b"), true);
  const broken = client.open();
  broken.writeLatin1("c");
  broken.reset(gone);
  broken.reset(gone);
  assert.equal(broken.write(Buffer.from("d")), true);
  broken.end();
  assert.deepEqual(client.flush(), ['DATA SYN 1 "a"', "WINDOW FIN 1 0", 'DATA SYN 3 "c"', "WINDOW RST 3 0"]);
  client.session.close(gone);
  ended.writeLatin1("e");
  assert.deepEqual(client.flush(), ["GOAWAY - 0 0"]);
});

test("empty writes send nothing, and an end without bytes opens the stream", () => {
  const client = new MuxRecorder({ role: "client" });
  const stream = client.open();
  stream.write(Buffer.alloc(0));
  stream.writeLatin1("");
  assert.deepEqual(client.flush(), []);
  stream.end();
  assert.deepEqual(client.flush(), ["WINDOW SYN|FIN 1 0"]);
});

test("text longer than a block arrives whole", () => {
  const client = new MuxRecorder({ role: "client" });
  client.open().writeLatin1("é".repeat(70_000));
  assert.deepEqual(client.flush(), ["DATA SYN 1 65536", "DATA - 1 4464"]);
});

test("FIN shares the last frame with a peer that says it may, if that frame has not left yet", () => {
  const client = new MuxRecorder({ role: "client" });
  client.session.peerTakesFinWithData = true;
  const [one, other] = [client.open(), client.open()];
  one.writeLatin1("all");
  one.end();
  assert.deepEqual(client.flush(), ['DATA SYN|FIN 1 "all"']);
  other.writeLatin1("some");
  assert.deepEqual(client.flush(), ['DATA SYN 3 "some"']);
  other.end();
  assert.deepEqual(client.flush(), ["WINDOW FIN 3 0"]);
  const [third, fourth] = [client.open(), client.open()];
  third.writeLatin1("3");
  fourth.writeLatin1("4");
  third.end();
  assert.deepEqual(client.flush(), ['DATA SYN 5 "3"', 'DATA SYN 7 "4"', "WINDOW FIN 5 0"], "only the newest frame");
});

// ── silence ──

test("an unanswered stream makes a silent link suspect, and the first byte clears it", () => {
  const client = new MuxRecorder({ role: "client" });
  client.open().writeLatin1("ask");
  client.flush();
  assert.deepEqual(client.tick(399), []);
  client.tick(400);
  assert.deepEqual(client.flush(), ["PING SYN 0 1"]);
  assert.deepEqual(client.tick(899), []);
  assert.deepEqual(client.tick(900), ["suspect"]);
  assert.equal(client.session.suspect, true);
  assert.deepEqual(client.tick(1_000), []);
  client.now = 1_100;
  assert.deepEqual(client.receive("00"), ["trusted"]);
  assert.equal(client.session.suspect, false);
});

test("credit is no answer, bytes and an end are", () => {
  for (const [flags, type, content, owing] of [
    ["ACK", "WINDOW", 0, true],
    ["ACK", "DATA", "x", false],
    ["ACK|FIN", "WINDOW", 0, false],
    ["RST", "WINDOW", 0, false],
  ] as const) {
    const client = new MuxRecorder({ role: "client" });
    client.open().writeLatin1("ask");
    client.flush();
    client.receive(frame(type, flags, 1, content));
    client.taken();
    assert.deepEqual(client.tick(1_000), owing ? ["suspect"] : [], `${type} ${flags}`);
  }
});

test("a peer silent for 15 s is dead: its streams are reset and the session closes", () => {
  const client = new MuxRecorder({ role: "client" });
  client.open();
  assert.deepEqual(client.tick(14_999), []);
  assert.deepEqual(client.tick(15_000), [
    "reset 1 LINK_TIMEOUT",
    "closed LINK_TIMEOUT: the peer sent nothing for 15 s",
  ]);
  assert.deepEqual(client.tick(16_000), []);
});

// ── budgets ──

test("grown windows are paid for from the link and the node, and given back at the stream's end", () => {
  const budget = new WindowBudget(1024 * 1024);
  const server = new MuxRecorder({ nodeWindowBudget: budget, limits: { linkWindowBudget: 512 * 1024 } });
  server.session.ping(0);
  server.flush();
  server.now = 50;
  server.receive(frame("PING", "ACK", 0, 1));
  server.receive(frame("DATA", "SYN", 1, "x".repeat(WINDOW)), frame("DATA", "SYN", 3, "x".repeat(WINDOW)));
  server.receive(frame("DATA", "SYN", 5, "x".repeat(WINDOW)));
  assert.deepEqual(server.flush(), [
    `WINDOW ACK 1 ${2 * WINDOW}`,
    `WINDOW ACK 3 ${2 * WINDOW}`,
    `WINDOW ACK 5 ${WINDOW}`,
  ]);
  assert.equal(budget.freeBytes, 512 * 1024);
  server.receive(frame("WINDOW", "RST", 1, 0));
  assert.equal(budget.freeBytes, 768 * 1024);
  server.session.close(gone);
  assert.equal(budget.freeBytes, 1024 * 1024);
});
