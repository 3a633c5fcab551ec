import assert from "node:assert/strict";
import { test } from "node:test";

import { frame, MuxRecorder } from "../../test/support/mux-recorder.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import { WindowBudget } from "./mux-limits.ts";
import type { MuxStream } from "./mux-stream.ts";

const gone = new PolarityError("CLIENT_GONE", "the client went away");
const PING = 0x8000_0000;

/** A client whose peer takes `perSecond` resets, with `count` streams open that the peer knows. */
function withStreams(
  perSecond: number,
  count: number,
): { client: MuxRecorder; streams: MuxStream[]; budget: WindowBudget } {
  const budget = new WindowBudget(1024 * 1024);
  const client = new MuxRecorder({ role: "client", nodeWindowBudget: budget });
  client.session.paceResets(perSecond);
  const streams = Array.from({ length: count }, () => {
    const stream = client.open();
    stream.writeLatin1("x");
    return stream;
  });
  client.flush();
  return { client, streams, budget };
}

function resets(frames: readonly string[]): number[] {
  return frames.filter((word) => word.includes("RST")).map((word) => Number(word.split(" ")[2]));
}

test("resets past what the peer takes are held, count as streams, and leave later in order", () => {
  const { client, streams } = withStreams(8, 12);
  for (const stream of streams) stream.reset(gone);
  const first = client.flush();
  assert.deepEqual(resets(first), [1, 3, 5, 7, 9, 11, 13, 15]);
  assert.equal(client.session.streamsOpen, 4);
  client.tick(5_000);
  assert.deepEqual(resets(client.flush()), [], "before the peer has read those that left");
  for (let value = PING; value < PING + 8; value++) client.receive(frame("PING", "ACK", 0, value));
  client.tick(6_400);
  assert.deepEqual(resets(client.flush()), []);
  client.tick(6_500);
  assert.deepEqual(resets(client.flush()), [17, 19, 21, 23]);
  assert.equal(client.session.streamsOpen, 0);
});

test("a stream whose reset is held keeps nothing: what arrives on it is read over", () => {
  const { client, streams, budget } = withStreams(1, 2);
  client.receive(frame("DATA", "ACK", 3, "y".repeat(1000)));
  for (const stream of streams) stream.reset(gone);
  client.flush();
  client.taken();
  assert.deepEqual(client.receive(frame("DATA", "-", 3, "z".repeat(100_000)), frame("DATA", "FIN", 3, "end")), []);
  assert.equal(budget.heldBytes, 0);
  assert.equal(client.session.closed, false);
  assert.deepEqual(client.flush(), [], "and no credit goes back");
});

test("a stream that the peer resets meanwhile needs no reset of ours", () => {
  const { client, streams } = withStreams(1, 3);
  for (const stream of streams) stream.reset(gone);
  assert.equal(client.session.streamsOpen, 2);
  client.receive(frame("WINDOW", "RST", 3, 0), frame("WINDOW", "RST", 3, 0), frame("WINDOW", "RST", 1, 0));
  assert.equal(client.session.streamsOpen, 1);
  client.flush();
  client.receive(frame("PING", "ACK", 0, PING));
  client.tick(1_500);
  assert.deepEqual(resets(client.flush()), [5]);
});

test("streams whose resets are held take the places of new ones", () => {
  const { client, streams } = withStreams(1, 4);
  client.session.room.limit(4);
  for (const stream of streams) stream.reset(gone);
  client.flush();
  assert.equal(client.session.streamsOpen, 3);
  assert.ok(client.open());
  assert.throws(() => client.open(), /opens no stream/);
});

test("a peer that has told its limits counts no resets of its own streams; one that has not does", () => {
  for (const told of [true, false]) {
    const server = new MuxRecorder();
    if (told) server.session.paceResets(100);
    const count = 8_000;
    for (let id = 1; id < 2 * count; id += 2) {
      server.receive(frame("DATA", "SYN", id, "x"));
      server.session.streams.get(id)!.reset(gone);
    }
    assert.equal(resets(server.flush()).length, told ? count : 5_000);
    assert.equal(server.session.streamsOpen, told ? 0 : count - 5_000);
    assert.equal(server.session.peerStreams, server.session.streamsOpen);
  }
});

test("resets of our own streams are counted by nobody: they answer what we asked", () => {
  const client = new MuxRecorder({ role: "client", limits: { peerResetsPerSecondMax: 3 } });
  for (let id = 1; id < 200; id += 2) {
    client.open().writeLatin1("x");
    client.receive(frame("WINDOW", "RST", id, 0));
  }
  assert.equal(client.session.closed, false);
});

test("while the transport takes nothing resets wait, and never make the peer look as if it did not read", () => {
  const { client, streams } = withStreams(100_000, 12_000);
  client.outcome = "full";
  client.session.ping(0);
  client.flush();
  for (const stream of streams) stream.reset(gone);
  assert.ok(client.session.output.bytes < 200 * 1024, `${client.session.output.bytes} bytes wait`);
  client.receive(frame("PING", "SYN", 0, 1));
  assert.equal(client.session.closed, false);
  client.session.unblocked();
  client.outcome = "taken";
  const left = [...resets(client.flush()), ...resets(client.flush())];
  assert.equal(left.length, 12_000);
  assert.deepEqual(
    left,
    left.toSorted((one, other) => one - other),
  );
});

test("a peer that opens ever more streams past its limit, and lets none of the refusals out, is closed", () => {
  const server = new MuxRecorder({ limits: { peerStreamsMax: 10 } });
  let events: string[] = [];
  for (let id = 1; !server.session.closed; id += 2) {
    events = server.receive(frame("WINDOW", "SYN", id, 0));
    assert.ok(id < 2 * 8_000, "it is closed");
  }
  assert.match(events.join(), /closed LINK_LIMIT: .* streams, and 10 are allowed/);
});

test("a peer that allows any number of streams and next to no resets does not have the cancelled ones kept without end", () => {
  const { client } = withStreams(1, 1);
  client.session.room.limit(Number.MAX_SAFE_INTEGER);
  let opened = 0;
  for (; opened < 100_000; opened++) {
    const stream = client.session.open(NO_SINK);
    if (stream === undefined) break;
    stream.writeLatin1("x");
    if (opened % 1_000 === 0) client.flush();
    stream.reset(gone);
  }
  assert.ok(opened > 16_384 && opened < 70_000, `${opened}`);
});
