import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { begin, HEAD } from "../../test/support/scripted-client.ts";
import { SessionWorld } from "../../test/support/scripted-upstream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

const error = (code: ErrorCode): PolarityError => new PolarityError(code, "as the test says");

test("a request goes out as it was written, and its answer comes back and ends it", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const { client, exchange } = begin(world);
  exchange.requestEnd();
  assert.equal(shed.stream.written, HEAD);
  assert.ok(shed.stream.ended);
  shed.stream.deliver(`${OK}o`).deliver("k");
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  assert.equal(client.body, "ok");
  assert.ok(exchange.over);
  assert.equal(shed.stream.owedBytes, 0);
  assert.equal(shed.stream.resetBy, undefined);
  assert.equal(world.outstanding, 0);
});

test("an offer that takes no stream, and one that never reached its app, are replaced, whatever the method", () => {
  for (const method of ["GET", "POST"]) {
    const world = new SessionWorld();
    const [full, dead, good] = [world.offer("full"), world.offer("dead"), world.offer("good")];
    full.refuses = true;
    const { client, exchange } = begin(world, { method });
    exchange.requestBody(Buffer.from("body"));
    exchange.requestEnd();
    dead.stream.breakWith(error("TARGET_UNREACHABLE"));
    assert.equal(good.stream.written, `${HEAD}body`);
    assert.ok(good.stream.ended);
    good.stream.deliver(`${OK}ok`);
    assert.equal(client.heard.at(-1), "ended");
    assert.equal(world.outstanding, 0);
    assert.equal(world.registry.statistics("web")?.retries, 2);
  }
});

test("a lost link repeats safe requests elsewhere and no others", () => {
  for (const method of ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"]) {
    const world = new SessionWorld();
    const [lost, good] = [world.offer("lost"), world.offer("good")];
    const { client, exchange } = begin(world, { method });
    exchange.requestEnd();
    lost.stream.breakWith(error("LINK_LOST"));
    const safe = ["GET", "HEAD", "OPTIONS"].includes(method);
    assert.equal(good.streams.length, safe ? 1 : 0, method);
    if (!safe) assert.deepEqual(client.heard, ["failed LINK_LOST"]);
  }
});

test("a node of many links that dies is left for another node, not asked on each of its links", () => {
  const world = new SessionWorld();
  const links = Array.from({ length: 10 }, () => world.offer("near", "http/1.1", undefined, 1));
  const far = world.offer("far", "http/1.1", undefined, 10);
  const { client, exchange } = begin(world);
  exchange.requestEnd();
  const asked = links.find(({ streams }) => streams.length > 0)!;
  asked.stream.breakWith(error("LINK_LOST"));
  assert.equal(links.flatMap(({ streams }) => streams).length, 1);
  far.stream.deliver(`${OK}ok`);
  assert.equal(client.heard.at(-1), "ended");
});

test("a node that lost one link is asked on another, when there is no other node", () => {
  const world = new SessionWorld();
  const links = [world.offer("only"), world.offer("only")];
  const { client, exchange } = begin(world);
  exchange.requestEnd();
  links[0]!.stream.breakWith(error("LINK_LOST"));
  links[1]!.stream.deliver(`${OK}ok`);
  assert.equal(client.heard.at(-1), "ended");
});

test("once anything was heard, nothing is tried again", () => {
  for (const first of ["H", "HTTP/1.1 103 Hints\r\n\r\n", OK]) {
    const world = new SessionWorld();
    const [lost, other] = [world.offer("lost"), world.offer("other")];
    const { client, exchange } = begin(world);
    exchange.requestEnd();
    lost.stream.deliver(first).breakWith(error("TARGET_UNREACHABLE"));
    assert.equal(other.streams.length, 0, first);
    assert.equal(client.heard.at(-1), "failed TARGET_UNREACHABLE");
    assert.equal(world.outstanding, 0);
  }
});

test("a body of 64 KiB is sent again, one byte more is not", () => {
  for (const size of [65_536, 65_537]) {
    const world = new SessionWorld();
    const [dead, good] = [world.offer("dead"), world.offer("good")];
    const { client, exchange } = begin(world, { method: "PUT" });
    for (let sent = 0; sent < size; sent += 1024) exchange.requestBody(Buffer.alloc(Math.min(1024, size - sent), "b"));
    dead.stream.breakWith(error("TARGET_UNREACHABLE"));
    if (size === 65_536) assert.equal(good.stream.written, HEAD + "b".repeat(size));
    else assert.deepEqual([good.streams.length, client.heard.at(-1)], [0, "failed TARGET_UNREACHABLE"]);
  }
});

test("four offers are tried and no fifth, and the last failure is told", () => {
  const world = new SessionWorld();
  const upstreams = ["a", "b", "c", "d", "e"].map((node) => world.offer(node));
  const { client } = begin(world);
  for (const { stream } of upstreams.slice(0, 4)) stream.breakWith(error("TARGET_UNREACHABLE"));
  assert.equal(upstreams[4]?.streams.length, 0);
  assert.deepEqual(client.heard, ["failed TARGET_UNREACHABLE"]);
  assert.equal(world.outstanding, 0);
});

test("when every offer has failed, the failure is told and not the lack of offers", () => {
  const world = new SessionWorld();
  const only = world.offer("only");
  const { client } = begin(world, { waitMs: 1000 });
  only.stream.breakWith(error("TARGET_UNREACHABLE"));
  assert.deepEqual(client.heard, ["failed TARGET_UNREACHABLE"]);
  assert.equal(world.waiters.size, 0);
});

test("a request waits for an offer, its body with it, and the client is held back meanwhile", () => {
  const world = new SessionWorld();
  const { client, exchange } = begin(world, { method: "POST", waitMs: 1000 });
  assert.equal(exchange.requestBody(Buffer.from("hello")), false);
  exchange.requestEnd();
  world.advance(900);
  assert.deepEqual(client.heard, []);
  const late = world.offer("late");
  assert.equal(late.stream.written, `${HEAD}hello`);
  assert.ok(late.stream.ended);
  assert.deepEqual(client.heard, ["drained"]);
  assert.equal(world.waiters.size, 0);
});

test("a request that waited too long, or that finds the queue full, is told so", () => {
  const world = new SessionWorld();
  const first = begin(world, { waitMs: 1000 });
  begin(world, { waitMs: 5000 });
  begin(world, { waitMs: 5000 });
  const fourth = begin(world, { waitMs: 5000 });
  assert.deepEqual(fourth.client.heard, ["failed OVERLOADED"]);
  world.advance(1020);
  assert.deepEqual(first.client.heard, ["failed NO_OFFER"]);
  assert.match(first.client.error?.message ?? "", /no offer for service "web" \(no connector offers it\)/);
  assert.equal(world.waiters.size, 2);
});

test("a client that gives up while its request waits is waited for no more", () => {
  const world = new SessionWorld();
  const { client, exchange } = begin(world, { waitMs: 1000 });
  exchange.abort(error("CLIENT_GONE"));
  assert.equal(world.waiters.size, 0);
  const late = world.offer("late");
  assert.equal(late.streams.length, 0);
  assert.deepEqual(client.heard, []);
});

test("a silent upstream loses its unanswered safe requests to another, and keeps the rest", () => {
  const cases = [
    { method: "GET", answered: "", moves: true },
    { method: "POST", answered: "", moves: false },
    { method: "GET", answered: OK, moves: false },
  ];
  for (const { method, answered, moves } of cases) {
    const world = new SessionWorld();
    const [silent, other] = [world.offer("silent"), world.offer("other")];
    const { client, exchange } = begin(world, { method });
    exchange.requestEnd();
    if (answered !== "") silent.stream.deliver(answered);
    world.registry.setUsable(silent, false, "suspect");
    exchange.upstreamSuspect(silent);
    assert.equal(other.streams.length, moves ? 1 : 0);
    const [serving, left] = moves ? [other, silent] : [silent, other];
    if (moves) assert.equal(left.stream.resetBy?.code, "LINK_TIMEOUT");
    if (answered === "") serving.stream.deliver(OK);
    serving.stream.deliver("ok");
    assert.equal(client.heard.at(-1), "ended");
    assert.equal(world.outstanding, 0);
  }
});

test("a silent upstream keeps its requests while there is nobody else", () => {
  const world = new SessionWorld();
  const only = world.offer("only");
  const { client, exchange } = begin(world);
  world.registry.setUsable(only, false, "suspect");
  exchange.upstreamSuspect(only);
  assert.equal(only.stream.resetBy, undefined);
  only.stream.deliver(`${OK}ok`);
  assert.equal(client.heard.at(-1), "ended");
});

test("an answer before the end of the request ends both, the rest by a reset", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const { client, exchange } = begin(world, { method: "POST" });
  exchange.requestBody(Buffer.from("part"));
  shed.stream.deliver(`${OK}no`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  assert.equal(shed.stream.resetBy?.code, "CLIENT_GONE");
  assert.equal(exchange.requestBody(Buffer.from("more")), true, "what still comes is dropped");
});

test("interim answers pass, however they are cut", () => {
  const answers = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}ok`;
  for (const size of [1, 7, answers.length]) {
    const world = new SessionWorld();
    const shed = world.offer("shed");
    const { client, exchange } = begin(world);
    exchange.requestEnd();
    for (let at = 0; at < answers.length; at += size) shed.stream.deliver(answers.slice(at, at + size));
    assert.deepEqual(client.heard, ["interim 100", "interim 103", "response 200", "ended"]);
    assert.equal(client.body, "ok");
    assert.equal(shed.stream.owedBytes, 0);
  }
});

test("after a 101 both directions end on their own", () => {
  for (const clientFirst of [true, false]) {
    const world = new SessionWorld();
    const shed = world.offer("shed");
    const { client, exchange } = begin(world, { upgrade: true });
    exchange.requestEnd();
    assert.ok(!shed.stream.ended, "the stream stays open for the tunnel");
    shed.stream.deliver("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi");
    exchange.requestBody(Buffer.from("there"));
    assert.equal(shed.stream.written, `${HEAD}there`);
    if (clientFirst) exchange.requestEnd();
    else shed.stream.deliverEnd();
    assert.ok(!exchange.over);
    if (clientFirst) shed.stream.deliver("!").deliverEnd();
    else exchange.requestEnd();
    assert.ok(exchange.over);
    assert.ok(shed.stream.ended);
    assert.deepEqual(client.heard, ["response 101", "ended"]);
    assert.equal(client.body, clientFirst ? "hi!" : "hi");
    assert.equal(world.outstanding, 0);
  }
});

test("an upgrade that is answered ordinarily ends its stream in order", () => {
  const world = new SessionWorld();
  const shed = world.offer("shed");
  const { client, exchange } = begin(world, { upgrade: true });
  exchange.requestEnd();
  shed.stream.deliver(`${OK}ok`);
  assert.equal(client.heard.at(-1), "ended");
  assert.ok(shed.stream.ended);
  assert.equal(shed.stream.resetBy, undefined);
});

test("answers that break the rules are refused and cut", () => {
  const bad = [
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "nonsense\r\n\r\n",
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(2000)}`,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  ];
  for (const answer of bad) {
    const world = new SessionWorld();
    const shed = world.offer("shed");
    const { client, exchange } = begin(world);
    exchange.requestEnd();
    shed.stream.deliver(answer);
    assert.equal(client.heard.at(-1), "failed TARGET_PROTOCOL", answer.slice(0, 40));
    assert.equal(shed.stream.resetBy?.code, "TARGET_PROTOCOL");
    assert.equal(world.outstanding, 0);
  }
});

test("a body is whole at its own end, or at the stream's where it has none of its own", () => {
  const cases = [
    ["HTTP/1.1 200 OK\r\n\r\nall", "ended"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nall", "failed TARGET_FAILED"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n", "failed TARGET_FAILED"],
    ["HTTP/1.1 200 OK\r\n", "failed TARGET_FAILED"],
  ] as const;
  for (const [answer, last] of cases) {
    const world = new SessionWorld();
    const shed = world.offer("shed");
    const { client, exchange } = begin(world);
    exchange.requestEnd();
    shed.stream.deliver(answer).deliverEnd();
    assert.equal(client.heard.at(-1), last, answer);
    assert.equal(world.outstanding, 0);
  }
});

test("credit is returned once per byte, when the client took them", () => {
  const actions = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("bytes" as const), count: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ kind: fc.constantFrom("full" as const, "drained" as const), count: fc.constant(0) }),
    ),
    { maxLength: 60 },
  );
  const answer = `HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n${"x".repeat(600)}`;
  fc.assert(
    fc.property(actions, (steps) => {
      const world = new SessionWorld();
      const shed = world.offer("shed");
      const { client, exchange } = begin(world);
      exchange.requestEnd();
      let at = 0;
      let heldSince = -1;
      for (const { kind, count } of steps) {
        if (kind === "full") {
          client.room = false;
        } else if (kind === "drained") {
          client.room = true;
          heldSince = -1;
          exchange.responseDrained();
          assert.equal(shed.stream.owedBytes, 0, "a client that took all holds nothing back");
        } else {
          const before = client.body.length;
          shed.stream.deliver(answer.slice(at, at + count));
          at = Math.min(answer.length, at + count);
          const passed = client.body.length - before;
          if (!client.room && passed > 0 && heldSince < 0) heldSince = passed;
          if (heldSince > 0)
            assert.ok(shed.stream.owedBytes >= heldSince, "credit came back before the bytes were taken");
        }
      }
      client.room = true;
      exchange.responseDrained();
      assert.equal(shed.stream.owedBytes, 0);
    }),
    { numRuns: 200 },
  );
});
