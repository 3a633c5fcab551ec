import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_SINK } from "../base/byte-stream.ts";
import { frameInto, frameRoom, forEachDatagram } from "../base/datagram-frames.ts";
import { DatagramCounters } from "../registry/datagram-counters.ts";
import { type AssociationHost, type AssociationSettings, UdpAssociation } from "./udp-association.ts";

const SETTINGS: AssociationSettings = {
  idleTimeoutMs: 60_000,
  unansweredTimeoutMs: 30_000,
  associationsMax: 10,
  associationsPerClientMax: 10,
  amplification: { factor: 0, turns: 0 },
  queue: { bytes: 1000, datagrams: 5 },
  queueTotalBytes: 1_000_000,
};

/** An association between a client that is a list of answers and a service that is a list of datagrams. */
class Fixture {
  readonly counters = new DatagramCounters();
  readonly answers: string[] = [];
  readonly forwarded: string[] = [];
  readonly heldBack: number[] = [];
  left = 0;
  ended = 0;
  now = 0;
  /** The service's side takes what it gets at once. */
  takes = true;
  readonly host: AssociationHost;
  readonly association: UdpAssociation;

  constructor(settings: Partial<AssociationSettings> = {}) {
    const host: AssociationHost = (this.host = {
      counters: this.counters,
      room: frameRoom(),
      waitingBytes: 0,
      now: () => this.now,
      send: (datagram) => this.answers.push(datagram.toString()),
      heldBack: () => this.heldBack.push(this.now),
      left: () => this.left++,
    });
    const from = { host: "192.0.2.1", port: 5 };
    this.association = new UdpAssociation(host, { ...SETTINGS, ...settings }, from, "192.0.2.1:5");
    this.association.sink = {
      data: (frame) => {
        forEachDatagram(frame, (datagram) => this.forwarded.push(datagram.toString()));
        if (this.takes) this.association.consumed(frame.length);
      },
      end: () => this.ended++,
      reset: () => assert.fail("nobody resets it"),
      drain: () => assert.fail("it never asks to wait"),
    };
  }

  send(...texts: readonly string[]): void {
    for (const text of texts) this.association.receive(Buffer.from(text));
  }

  answer(...texts: readonly string[]): void {
    const frames = texts.map((text) => Buffer.from(frameInto(frameRoom(), Buffer.from(text))));
    assert.equal(this.association.write(Buffer.concat(frames)), true);
  }
}

test("what the client sends is delivered, and what is written is sent to it, in whatever pieces it comes", () => {
  const fixture = new Fixture();
  fixture.send("one", "", "two");
  assert.deepEqual(fixture.forwarded, ["one", "", "two"]);
  for (const byte of [0, 3, 97, 98, 99, 0, 0, 0, 1, 100]) fixture.association.write(Buffer.from([byte]));
  assert.deepEqual(fixture.answers, ["abc", "", "d"]);
  assert.deepEqual([fixture.counters.in, fixture.counters.out], [3, 3]);
});

test("behind a service that takes nothing, the queue's datagrams wait and the rest is dropped, until it takes some", () => {
  const fixture = new Fixture();
  fixture.takes = false;
  fixture.send("1", "2", "3", "4", "5", "6", "7");
  assert.deepEqual(fixture.forwarded, ["1", "2", "3", "4", "5"]);
  assert.equal(fixture.counters.dropped.get("queue"), 2);
  fixture.association.consumed(6);
  fixture.send("8", "9", "10");
  assert.deepEqual(fixture.forwarded.slice(5), ["8", "9"]);
  fixture.takes = true;
  fixture.association.consumed(5 * 3);
  fixture.send("11");
  assert.equal(fixture.forwarded.at(-1), "11");
});

test("the queue counts bytes too", () => {
  const fixture = new Fixture();
  fixture.takes = false;
  fixture.send("x".repeat(600), "x".repeat(600), "x".repeat(300));
  assert.deepEqual(
    fixture.forwarded.map(({ length }) => length),
    [600, 300],
  );
});

test("a client has less time until it has been answered, and any datagram gives it its time again", () => {
  const fixture = new Fixture();
  fixture.now = 10;
  fixture.send("one");
  assert.deepEqual([fixture.association.lastAt, fixture.association.idleMs], [10, 30_000]);
  fixture.now = 20;
  fixture.answer("yes");
  assert.deepEqual([fixture.association.lastAt, fixture.association.idleMs], [20, 60_000]);
});

test("an answer that is held back is counted, and gives nobody more time", () => {
  const fixture = new Fixture({ amplification: { factor: 1, turns: 3 } });
  fixture.send("four");
  fixture.now = 5;
  fixture.answer("more than four");
  assert.deepEqual([fixture.association.lastAt, fixture.association.idleMs], [0, 30_000]);
  fixture.answer("4444", "");
  assert.deepEqual(fixture.answers, ["4444"]);
  assert.equal(fixture.counters.dropped.get("amplification"), 2);
  assert.deepEqual(fixture.heldBack, [5, 5]);
  assert.deepEqual([fixture.association.lastAt, fixture.association.idleMs], [5, 60_000]);
});

test("when the service ends, so does the client, once and not within the call", async () => {
  const fixture = new Fixture();
  fixture.association.end();
  assert.deepEqual([fixture.left, fixture.ended], [1, 0]);
  await Promise.resolve();
  assert.equal(fixture.ended, 1);
  fixture.association.expire();
  fixture.association.end();
  await Promise.resolve();
  assert.deepEqual([fixture.left, fixture.ended], [1, 1]);
});

test("answers that come after the client was given up still reach it", () => {
  const fixture = new Fixture();
  fixture.send("one");
  fixture.association.expire();
  fixture.answer("late");
  assert.deepEqual(fixture.answers, ["late"]);
  assert.equal(fixture.ended, 1);
});

test("what waited for a service that never came is counted as lost", () => {
  const fixture = new Fixture();
  fixture.takes = false;
  fixture.send("1", "2", "3");
  assert.equal(fixture.host.waitingBytes, 9);
  fixture.association.reset();
  fixture.association.release();
  assert.equal(fixture.counters.dropped.get("unserved"), 3);
  assert.equal(fixture.host.waitingBytes, 0);
});

test("all associations together have a bound on what waits", () => {
  const fixture = new Fixture({ queueTotalBytes: 10 });
  fixture.takes = false;
  fixture.host.waitingBytes = 4;
  fixture.send("1234", "5");
  assert.deepEqual(fixture.forwarded, ["1234"]);
  assert.equal(fixture.counters.dropped.get("queue"), 1);
  fixture.association.consumed(6);
  assert.equal(fixture.host.waitingBytes, 4);
});

test("however many flows wait, one that does not wait yet finds as much room as each of them", () => {
  const queue = { bytes: 100_000, datagrams: 10_000 };
  const fixture = new Fixture({ queue, queueTotalBytes: 10_000 });
  fixture.takes = false;
  const flow = (port: number): UdpAssociation => {
    const from = { host: "192.0.2.2", port };
    const settings = { ...SETTINGS, queue, queueTotalBytes: 10_000 };
    const association = new UdpAssociation(fixture.host, settings, from, `192.0.2.2:${port}`);
    association.sink = NO_SINK;
    return association;
  };
  const greedy = Array.from({ length: 9 }, (_, at) => flow(at));
  for (let turn = 0; turn < 500; turn++) for (const each of greedy) each.receive(Buffer.alloc(40));
  assert.ok(fixture.host.waitingBytes > 8_000 && fixture.host.waitingBytes < 9_100, `${fixture.host.waitingBytes}`);
  for (let at = 0; at < 10; at++) fixture.send("0123456789");
  assert.equal(fixture.forwarded.length, 10);
});
