import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordingStream } from "../../test/support/recording-stream.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import { DEFAULT_FAN_OUT, type FanOutPolicy } from "../base/fan-out-policy.ts";
import { FanOut, type FanOutOptions } from "./fan-out.ts";
import type { FanOutSide } from "./fan-out-side.ts";
import { CATCH_UP_MS } from "./slowest-watch.ts";

const HALF: FanOutPolicy = { ...DEFAULT_FAN_OUT, mode: "half-duplex" };
const FULL: FanOutPolicy = { ...DEFAULT_FAN_OUT, mode: "full-duplex" };

interface Session {
  readonly client: RecordingStream;
  readonly servers: RecordingStream[];
  readonly sides: FanOutSide[];
  readonly fanOut: FanOut;
  readonly ends: (string | undefined)[];
  /** So much time passes. */
  readonly pass: (milliseconds: number) => void;
  join(server?: RecordingStream): RecordingStream;
}

function begin(
  policy: FanOutPolicy,
  servers: number | readonly RecordingStream[],
  unanswered: FanOutOptions["unanswered"] = "end",
): Session {
  const client = new RecordingStream(NO_SINK);
  const ends: (string | undefined)[] = [];
  let now = 0;
  const fanOut = new FanOut({
    client,
    policy,
    clock: { now: () => now },
    unanswered,
    events: { finished: (error) => ends.push(error?.code) },
  });
  const session: Session = {
    client,
    servers: [],
    sides: [],
    fanOut,
    ends,
    pass: (milliseconds) => (now += milliseconds),
    join: (server = new RecordingStream(NO_SINK)) => {
      const side = fanOut.side(`server-${session.servers.length}`);
      server.sink = side;
      session.servers.push(server);
      session.sides.push(side);
      fanOut.add(side, server);
      return server;
    },
  };
  const given = typeof servers === "number" ? Array.from({ length: servers }, () => undefined) : servers;
  for (const server of given) session.join(server);
  fanOut.begin();
  return session;
}

const refused = new PolarityError("TARGET_UNREACHABLE", "nobody listens");

test("every server gets what the client sends, and the first that answers keeps the session", () => {
  const { client, servers, sides, ends } = begin(HALF, 3);
  const [a, b, c] = servers as [RecordingStream, RecordingStream, RecordingStream];
  client.deliver("hello");
  assert.deepEqual([a.written, b.written, c.written], ["hello", "hello", "hello"]);
  b.deliver("yes");
  assert.equal(client.written, "yes");
  assert.deepEqual(
    [a.resetBy?.code, b.resetBy?.code, c.resetBy?.code],
    ["SESSION_LATCHED", undefined, "SESSION_LATCHED"],
  );
  assert.match(a.resetBy?.message ?? "", /"server-1" answered first/);
  assert.equal(sides[1]!.latched, true);
  client.deliver(" again").deliverEnd();
  assert.equal(b.written, "hello again");
  assert.ok(b.ended);
  b.deliver(" late").deliverEnd();
  assert.equal(client.written, "yes late");
  assert.ok(client.ended);
  assert.deepEqual(ends, [undefined]);
  assert.equal(client.owedBytes, 0);
});

test("a server that speaks first latches before the client has said a word", () => {
  const { client, servers } = begin(HALF, 2);
  servers[0]!.deliver("220 ready");
  assert.equal(client.written, "220 ready");
  assert.equal(servers[1]!.resetBy?.code, "SESSION_LATCHED");
});

test("who refuses or closes silently neither latches nor fails the session", () => {
  const { client, servers, fanOut } = begin(HALF, 3);
  servers[0]!.breakWith(refused);
  servers[1]!.deliverEnd();
  client.deliver("anybody?");
  assert.equal(fanOut.state, "racing");
  assert.equal(servers[1]!.written, "anybody?", "it has said all, and may still listen");
  servers[2]!.deliver("me");
  assert.equal(client.written, "me");
  assert.ok(!client.ended);
});

test("the client sees an end when the last server is gone, and its bytes are taken until it ends too", () => {
  for (const policy of [HALF, FULL]) {
    const { client, servers, ends } = begin(policy, 2);
    client.deliver("anybody?");
    servers[0]!.breakWith(refused);
    assert.ok(!client.ended);
    servers[1]!.breakWith(refused);
    assert.ok(client.ended);
    assert.equal(client.resetBy, undefined);
    client.deliver("still there?");
    assert.equal(client.owedBytes, 0);
    assert.deepEqual(ends, []);
    client.deliverEnd();
    assert.deepEqual(ends, ["TARGET_UNREACHABLE"]);
  }
});

test("where an end would look like an answer, the client gets the reason instead", () => {
  const { client, servers } = begin(HALF, 2, "reset");
  for (const server of servers) server.breakWith(refused);
  assert.equal(client.resetBy, refused);
  assert.ok(!client.ended);
});

test("full duplex merges all answers, and who leaves only removes itself", () => {
  const { client, servers } = begin(FULL, 3);
  servers[0]!.deliver("a");
  servers[1]!.deliver("b");
  servers[1]!.breakWith(refused);
  servers[2]!.deliver("c").deliverEnd();
  servers[0]!.deliver("d");
  assert.equal(client.written, "abcd");
  client.deliver("x");
  assert.deepEqual(
    servers.map((server) => server.written),
    ["x", "", "x"],
  );
  servers[0]!.deliverEnd();
  assert.ok(client.ended);
});

test("what a latched server leaves unsaid is cut, not ended", () => {
  const { client, servers, ends } = begin(HALF, 2);
  servers[0]!.deliver("half an ans");
  servers[0]!.breakWith(new PolarityError("TARGET_FAILED", "it crashed"));
  assert.equal(client.resetBy?.code, "TARGET_FAILED");
  assert.ok(!client.ended);
  assert.deepEqual(ends, ["TARGET_FAILED"]);
});

test("a client that breaks off breaks off with everybody", () => {
  const { client, servers, ends } = begin(FULL, 3);
  client.breakWith(new PolarityError("CLIENT_GONE", "it hung up"));
  for (const server of servers) assert.equal(server.resetBy?.code, "CLIENT_GONE");
  assert.deepEqual(ends, ["CLIENT_GONE"]);
});

test("servers that wait: the client gets credit for what the slowest took and the buffer holds", () => {
  const { client, servers } = begin({ ...FULL, bufferBytes: 10 }, 2);
  const [slow, fast] = servers as [RecordingStream, RecordingStream];
  slow.room = false;
  for (let count = 0; count < 5; count++) client.deliver("12345");
  assert.equal(fast.written.length, 25);
  assert.equal(slow.written.length, 5);
  assert.equal(client.consumedBytes, 10);
  slow.makeRoom();
  assert.equal(slow.written, fast.written);
  assert.equal(client.owedBytes, 0);
});

test("a server that is dropped: the others wait for it first, and it goes if it does not catch up in time", () => {
  const { client, servers, fanOut, pass } = begin({ ...FULL, slowest: "drop", bufferBytes: 10 }, 2);
  const [slow, fast] = servers as [RecordingStream, RecordingStream];
  slow.room = false;
  client.deliver("12345").deliver("12345");
  pass(CATCH_UP_MS);
  fanOut.sweep();
  assert.ok(!slow.over, "nobody waits for it");
  client.deliver("1");
  assert.equal(client.consumedBytes, 10, "now the client does");
  pass(CATCH_UP_MS - 1);
  fanOut.sweep();
  assert.ok(!slow.over);
  pass(1);
  fanOut.sweep();
  assert.equal(slow.resetBy?.code, "SERVER_TOO_SLOW");
  assert.equal(
    slow.resetBy.message,
    '"server-0" is 11 bytes behind the fastest server and did not catch up within 2000 ms; the buffer holds 10',
  );
  client.deliver("2345");
  assert.equal(fast.written.length, 15);
  assert.equal(client.owedBytes, 0);
});

test("a server that takes a buffer in time is never dropped, however long it stays behind", () => {
  const { client, servers, fanOut, pass } = begin({ ...FULL, slowest: "drop", bufferBytes: 10 }, 2);
  const [slow] = servers as [RecordingStream, RecordingStream];
  for (let turn = 0; turn < 20; turn++) {
    slow.room = false;
    client.deliver("123456").deliver("123456").deliver("123456");
    pass(CATCH_UP_MS - 1);
    fanOut.sweep();
    slow.makeRoom();
  }
  assert.ok(!slow.over);
  assert.equal(slow.written.length, 20 * 18);
});

test("a server that reads all the while, but less than a buffer in time, is dropped; a little faster it stays", () => {
  const chunk = "x".repeat(64 * 1024);
  const staysReading = (chunkEveryMs: number): boolean => {
    const { client, servers, fanOut, pass } = begin({ ...FULL, slowest: "drop", bufferBytes: 1024 * 1024 }, 2);
    const [slow, fast] = servers as [RecordingStream, RecordingStream];
    slow.room = false;
    for (let turn = 0; turn < 200 && !slow.over; turn++) {
      // What a client may send without credit.
      while (client.owedBytes < 4 * chunk.length) client.deliver(chunk);
      pass(chunkEveryMs);
      fanOut.sweep();
      if (!slow.over) slow.sink.drain();
    }
    assert.ok(!fast.over);
    return !slow.over;
  };
  assert.equal(staysReading(200), false);
  assert.equal(staysReading(90), true);
});

test("when all are slow nobody is dropped: the client waits for the fastest", () => {
  const { client, servers } = begin({ ...FULL, slowest: "drop", bufferBytes: 4 }, 2);
  for (const server of servers) server.room = false;
  client.deliver("12345").deliver("12345");
  assert.equal(client.consumedBytes, 0);
  for (const server of servers) assert.equal(server.resetBy, undefined);
});

test("a server that joins gets the whole session from its first byte", () => {
  const session = begin({ ...FULL, join: true }, 1);
  const { client, fanOut } = session;
  client.deliver("one ").deliver("two");
  assert.equal(fanOut.admission, "welcome");
  const late = session.join();
  assert.equal(late.written, "one two");
  client.deliver(" three").deliverEnd();
  assert.equal(late.written, "one two three");
  assert.ok(late.ended);
  assert.equal(session.join().written, "one two three", "also behind the client's end");
});

test("a server that comes when the first bytes are gone, or after the latch, is not let in", () => {
  const gone = begin({ ...FULL, join: true, bufferBytes: 6 }, 1);
  gone.client.deliver("123456");
  assert.equal(gone.fanOut.admission, "welcome");
  gone.client.deliver("7");
  assert.equal(gone.fanOut.admission, "late");
  const latched = begin({ ...HALF, join: true }, 1);
  latched.servers[0]!.deliver("mine");
  assert.equal(latched.fanOut.admission, "closed");
  assert.equal(begin(FULL, 1).fanOut.admission, "closed", "join: no");
});

test("a server that answers within the write that asks it stops the others from being asked", () => {
  const { client, servers } = begin(HALF, [new EagerServer(NO_SINK), new RecordingStream(NO_SINK)]);
  const other = servers[1]!;
  client.deliver("hi");
  assert.equal(client.written, "at once");
  assert.equal(other.written, "");
  assert.equal(other.resetBy?.code, "SESSION_LATCHED");
  assert.equal(client.owedBytes, 0);
});

/** It answers before `write` returns, as apps in the same process do. */
class EagerServer extends RecordingStream {
  override writeLatin1(text: string): boolean {
    const room = super.writeLatin1(text);
    this.deliver("at once");
    return room;
  }
}
