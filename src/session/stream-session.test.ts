import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordingStream } from "../../test/support/recording-stream.ts";
import { SessionWorld } from "../../test/support/scripted-upstream.ts";
import { DiscardSink } from "../base/byte-stream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { StreamSession } from "./stream-session.ts";

function begin(world: SessionWorld, waitMs = 0) {
  const client: RecordingStream = new RecordingStream(new DiscardSink({} as RecordingStream));
  const ends: (ErrorCode | "in order")[] = [];
  const listener = new ListenerStatistics();
  const request = new StreamRequest("web", "tcp", "client:1");
  const session = new StreamSession(world.context, client, request, undefined, waitMs, listener, {
    finished: (_session, error) => ends.push(error?.code ?? "in order"),
  });
  session.start();
  return { client, session, ends, listener };
}

const error = (code: ErrorCode): PolarityError => new PolarityError(code, "as the test says");

test("bytes pass both ways, and the session ends when both sides have", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed", "tcp");
  const { client, ends, listener, session } = begin(world);
  client.deliver("hello").deliverEnd();
  assert.equal(shed.stream.written, "hello");
  assert.ok(shed.stream.ended, "the half-close is carried through");
  shed.stream.deliver("answer after the half-close");
  assert.deepEqual(ends, []);
  shed.stream.deliverEnd();
  assert.equal(client.written, "answer after the half-close");
  assert.ok(client.ended);
  assert.deepEqual(ends, ["in order"]);
  assert.deepEqual([session.bytesIn, session.bytesOut, listener.active], [5, 27, 0]);
  assert.equal(world.outstanding, 0);
});

test("a server that speaks first, or ends first, is passed on at once", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed", "tcp");
  const { client, ends } = begin(world);
  shed.stream.deliver("welcome").deliverEnd();
  assert.equal(client.written, "welcome");
  assert.ok(client.ended);
  client.deliver("still here");
  assert.equal(shed.stream.written, "still here");
  client.deliverEnd();
  assert.deepEqual(ends, ["in order"]);
});

test("a reset from either side breaks the other", () => {
  for (const side of ["client", "service"] as const) {
    const world = new SessionWorld();
    const shed = world.offer("shed", "tcp");
    const { client, ends } = begin(world);
    shed.stream.deliver("x");
    if (side === "client") client.breakWith(error("CLIENT_GONE"));
    else shed.stream.breakWith(error("TARGET_FAILED"));
    const code = side === "client" ? "CLIENT_GONE" : "TARGET_FAILED";
    assert.equal((side === "client" ? shed.stream : client).resetBy?.code, code);
    assert.deepEqual(ends, [code]);
    assert.equal(world.outstanding, 0);
  }
});

test("an offer that never reached its app is replaced, with what the client sent and its half-close", () => {
  const world = new SessionWorld();
  const [dead, good] = [world.offer("dead", "tcp"), world.offer("good", "tcp")];
  const { client, ends } = begin(world);
  client.deliver("one,").deliver("two").deliverEnd();
  dead.stream.breakWith(error("TARGET_UNREACHABLE"));
  assert.equal(good.stream.written, "one,two");
  assert.ok(good.stream.ended);
  good.stream.deliverEnd();
  assert.deepEqual(ends, ["in order"]);
  assert.equal(client.owedBytes, 0);
  assert.equal(world.outstanding, 0);
});

test("nothing is repeated after an answer, after a lost link, or beyond 64 KiB", () => {
  const cases = [
    { code: "TARGET_UNREACHABLE", answer: "x", size: 1 },
    { code: "LINK_LOST", answer: "", size: 1 },
    { code: "TARGET_UNREACHABLE", answer: "", size: 65_537 },
  ] as const;
  for (const { code, answer, size } of cases) {
    const world = new SessionWorld();
    const [lost, other] = [world.offer("lost", "tcp"), world.offer("other", "tcp")];
    const { client, ends } = begin(world);
    client.deliver("a".repeat(size));
    if (answer !== "") lost.stream.deliver(answer);
    lost.stream.breakWith(error(code));
    assert.equal(other.streams.length, 0);
    assert.equal(client.resetBy?.code, code);
    assert.deepEqual(ends, [code]);
  }
});

test("what a client sends while it waits is held with its credit, and sent when an offer comes", () => {
  const world = new SessionWorld();
  const { client, ends } = begin(world, 1000);
  client.deliver("early");
  assert.equal(client.owedBytes, 5);
  const late = world.offer("late", "tcp");
  assert.equal(late.stream.written, "early");
  assert.equal(client.owedBytes, 0);
  client.breakWith(error("CLIENT_GONE"));
  assert.deepEqual(ends, ["CLIENT_GONE"]);
});

test("a client that waited too long is reset, and one that left is forgotten", () => {
  const world = new SessionWorld();
  const waiting = begin(world, 1000);
  const leaving = begin(world, 1000);
  leaving.client.breakWith(error("CLIENT_GONE"));
  assert.equal(world.waiters.size, 1);
  world.advance(1020);
  assert.equal(waiting.client.resetBy?.code, "NO_OFFER");
  assert.deepEqual([waiting.ends, leaving.ends], [["NO_OFFER"], ["CLIENT_GONE"]]);
});

test("an abort resets both sides and says so once", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed", "tcp");
  const { client, session, ends } = begin(world);
  session.abort(error("NODE_STOPPED"));
  session.abort(error("NODE_STOPPED"));
  assert.deepEqual([client.resetBy?.code, shed.stream.resetBy?.code], ["NODE_STOPPED", "NODE_STOPPED"]);
  assert.deepEqual(ends, ["NODE_STOPPED"]);
});

test("credit is returned once per byte, when the other side took them, also across a replaced offer", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constantFrom("up" as const, "down" as const), count: fc.integer({ min: 1, max: 5000 }) }),
      fc.record({
        kind: fc.constantFrom("client full", "client drains", "service full", "service drains", "replace"),
        count: fc.constant(0),
      }),
    ),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(steps, (script) => {
      const world = new SessionWorld();
      const upstreams = [world.offer("a", "tcp"), world.offer("b", "tcp")];
      const { client } = begin(world);
      let serving = upstreams[0]!;
      let sent = "";
      let answered = "";
      for (const { kind, count } of script) {
        if (kind === "up") {
          const piece = String(sent.length % 10).repeat(count);
          sent += piece;
          client.deliver(piece);
          if (!serving.stream.room)
            assert.ok(client.owedBytes >= count, "credit came back before the bytes were taken");
        } else if (kind === "down") {
          answered += "d".repeat(count);
          serving.stream.deliver("d".repeat(count));
          if (!client.room)
            assert.ok(serving.stream.owedBytes >= count, "credit came back before the bytes were taken");
        } else if (kind === "client full") client.room = false;
        else if (kind === "client drains") client.makeRoom();
        else if (kind === "service full") serving.stream.room = false;
        else if (kind === "service drains") serving.stream.makeRoom();
        else if (answered === "" && serving === upstreams[0]! && sent.length <= 65_536) {
          serving.stream.breakWith(error("TARGET_UNREACHABLE"));
          serving = upstreams[1]!;
        }
      }
      client.makeRoom();
      serving.stream.makeRoom();
      assert.equal(client.owedBytes, 0);
      assert.equal(serving.stream.owedBytes, 0);
      assert.equal(client.written, answered);
      assert.equal(serving.stream.written, sent);
    }),
    { numRuns: 200 },
  );
});
