import assert from "node:assert/strict";
import { test } from "node:test";

import { Random } from "../../test/support/random.ts";
import { StreamRequest } from "../base/upstream.ts";
import { StreamRoom } from "./stream-room.ts";

const MAX = 4_096;

/** A link's streams: opened as long as there is room, and closed in any order. */
class Link {
  readonly open: StreamRequest[] = [];
  readonly room: StreamRoom;
  constructor(max = MAX) {
    this.room = new StreamRoom(max, () => this.open);
  }
  /** False: refused. */
  take(request: StreamRequest): boolean {
    if (!this.room.takes(request, this.open.length)) return false;
    this.room.opened(request);
    this.open.push(request);
    return true;
  }
  /** How many of `wanted` streams are opened. */
  fill(wanted: number, request: (index: number) => StreamRequest): number {
    let opened = 0;
    for (let index = 0; index < wanted; index++) if (this.take(request(index))) opened++;
    return opened;
  }
  close(at: number): void {
    const [request] = this.open.splice(at, 1);
    this.room.closed(request, this.open.length);
  }
}

function from(client: string, service = "web"): StreamRequest {
  return new StreamRequest(service, "tcp", `${client}:5000`);
}

function relayed(node: string, identity: string, service = "web"): StreamRequest {
  const request = new StreamRequest(service, "tcp", "192.0.2.1:7");
  request.payer = `the peer "${identity}"`;
  request.payerPart = node;
  return request;
}

test("one client may have three quarters, and is told so; another still gets streams", () => {
  const link = new Link();
  assert.equal(
    link.fill(MAX, () => from("192.0.2.1")),
    (MAX * 3) / 4,
  );
  const used = link.open.length;
  assert.deepEqual(link.room.usedShare(from("192.0.2.1"), used), { whose: "the client 192.0.2.1", streams: used });
  assert.equal(
    link.fill(300, () => from("192.0.2.2")),
    300,
  );
});

test("a relaying node is one owner whatever clients it names, and all of one identity share a share", () => {
  const link = new Link();
  link.fill(MAX, () => relayed("phone", "team"));
  assert.equal(link.open.length, (MAX * 3) / 4);
  assert.equal(link.take(relayed("phone", "team")), false);
  assert.equal(
    link.fill(100, () => relayed("laptop", "team")),
    16,
    "another node of the identity gets a little",
  );
  assert.equal(
    link.fill(100, () => from("192.0.2.1")),
    100,
  );
});

test("addresses of one IPv6 network are one client", () => {
  const link = new Link();
  link.fill(MAX, (index) => new StreamRequest("web", "tcp", `[2001:db8::${(index % 500).toString(16)}]:99`));
  assert.equal(link.open.length, (MAX * 3) / 4);
});

test("of many services one may have seven eighths; where there is only one it may have all", () => {
  const link = new Link();
  assert.equal(
    link.fill(MAX, (index) => from(`10.0.${index >> 8}.${index & 255}`)),
    (MAX * 7) / 8,
  );
  assert.match(link.room.usedShare(from("10.9.9.9"), link.open.length)!.whose, /^the service "web"$/);
  assert.equal(
    link.fill(200, (index) => from(`10.1.0.${index & 255}`, "other")),
    200,
  );
  const sole = new Link();
  sole.room.alone = true;
  assert.equal(
    sole.fill(MAX, (index) => from(`10.0.${index >> 8}.${index & 255}`)),
    MAX,
  );
});

test("who is past its share at one service gets a few streams of another: it may be another program", () => {
  const link = new Link();
  link.fill(MAX, () => from("192.0.2.1"));
  assert.equal(
    link.fill(100, () => from("192.0.2.1", "other")),
    16,
  );
  for (let index = 0; index < 2_000; index++) link.take(from("192.0.2.1", `service-${index}`));
  assert.ok(MAX - link.open.length >= MAX / 8, "and an eighth is left to others");
  assert.equal(
    link.fill(300, () => from("192.0.2.2", "other")),
    300,
  );
});

test("whoever is greedy, and however many they are, a newcomer gets a stream", () => {
  for (const greedy of [1, 2, 52, 500]) {
    const link = new Link();
    link.fill(3 * MAX, (index) => from(`10.0.${(index % greedy) >> 8}.${(index % greedy) & 255}`, `s${index % 3}`));
    assert.ok(link.take(from("192.0.2.9", "other")), `beside ${greedy}`);
  }
});

test("who is served again after others went is counted rightly, whatever the order", () => {
  for (let seed = 0; seed < 8; seed++) {
    const random = new Random(seed);
    const max = 4 + random.below(60);
    const link = new Link(max);
    for (let step = 0; step < 500; step++) {
      const request = from(`192.0.2.${random.below(6)}`, `s${random.below(3)}`);
      if (random.below(100) < 55) {
        const fresh = new Link(max);
        fresh.open.push(...link.open);
        // Counted from the start or as they came and went, the answer is the same.
        assert.equal(link.room.takes(request, link.open.length), fresh.room.takes(request, link.open.length));
        link.take(request);
      } else if (link.open.length > 0) link.close(random.below(link.open.length));
      assert.ok(link.open.length <= max);
    }
  }
});

test("while a quarter is free nobody is refused", () => {
  const link = new Link(100);
  assert.equal(
    link.fill(75, () => from("192.0.2.1")),
    75,
  );
  assert.equal(link.take(from("192.0.2.1")), false);
});
