import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { begin, HEAD } from "../../test/support/scripted-client.ts";
import { SessionWorld } from "../../test/support/scripted-upstream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import { DEFAULT_RETRIES } from "./exchange-policy.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
const BUSY = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n";
const hedge = { afterMs: 200, max: 2 };

const error = (code: ErrorCode): PolarityError => new PolarityError(code, "as the test says");

function setUp(nodes: readonly string[], options: Parameters<typeof begin>[1] = { policy: { hedge } }) {
  const world = new SessionWorld();
  const upstreams = nodes.map((node) => world.offer(node));
  const { client, exchange } = begin(world, options);
  exchange.requestEnd();
  return { world, upstreams, client, exchange, statistics: world.registry.statistics("web")! };
}

test("another offer is asked the same after the delay, and not before", () => {
  const { world, upstreams, statistics } = setUp(["slow", "other"]);
  world.advance(199);
  assert.equal(upstreams[1]!.streams.length, 0);
  world.advance(1);
  assert.equal(upstreams[1]!.stream.written, HEAD);
  assert.ok(upstreams[1]!.stream.ended);
  assert.equal(statistics.hedges, 1);
  assert.equal(world.outstanding, 2);
  assert.equal(statistics.requests, 1, "it is one request");
});

test("whoever answers first serves, and the other is reset at once", () => {
  for (const winner of [0, 1]) {
    const { world, upstreams, client, exchange, statistics } = setUp(["slow", "other"]);
    world.advance(200);
    const [first, second] = [upstreams[winner]!.stream, upstreams[1 - winner]!.stream];
    first.deliver(`${OK}o`);
    assert.equal(second.resetBy?.code, "CLIENT_GONE");
    assert.equal(world.outstanding, 1);
    assert.equal(exchange.offer?.upstream, upstreams[winner]);
    first.deliver("k");
    assert.deepEqual(client.heard, ["response 200", "ended"]);
    assert.equal(client.body, "ok");
    assert.equal(first.owedBytes, 0);
    assert.equal(world.outstanding, 0);
    assert.equal(statistics.hedgesWon, winner);
    assert.equal(statistics.active, 0);
    assert.equal(statistics.latency.count, 1);
  }
});

test("a head in pieces wins when it is whole, and not by its first byte", () => {
  const { world, upstreams, client } = setUp(["slow", "other"]);
  world.advance(200);
  const [slow, other] = upstreams.map(({ stream }) => stream);
  slow!.deliver(OK.slice(0, 10));
  other!.deliver(OK.slice(0, 20));
  assert.deepEqual([slow!.resetBy, other!.resetBy], [undefined, undefined]);
  other!.deliver(`${OK.slice(20)}ok`);
  assert.equal(slow!.resetBy?.code, "CLIENT_GONE");
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  assert.equal(world.outstanding, 0);
});

test("no further offer is asked once one has said a byte", () => {
  const { world, upstreams } = setUp(["slow", "other"]);
  upstreams[0]!.stream.deliver("H");
  world.advance(1000);
  assert.equal(upstreams[1]!.streams.length, 0);
});

test("the one that breaks leaves it to the other, whichever it is", () => {
  for (const loser of [0, 1]) {
    for (const breaking of ["LINK_LOST", "TARGET_UNREACHABLE", "end", "nonsense\r\n\r\n"] as const) {
      const { world, upstreams, client } = setUp(["slow", "other"]);
      world.advance(200);
      const broken = upstreams[loser]!.stream;
      if (breaking === "end") broken.deliverEnd();
      else if (breaking.startsWith("nonsense")) broken.deliver(breaking);
      else broken.breakWith(error(breaking as ErrorCode));
      assert.deepEqual(client.heard, [], `${breaking} of ${loser}`);
      assert.equal(world.outstanding, 1);
      upstreams[1 - loser]!.stream.deliver(`${OK}ok`);
      assert.deepEqual(client.heard, ["response 200", "ended"]);
      assert.equal(world.outstanding, 0);
    }
  }
});

test("when all that were asked have broken, the next is tried as without a hedge, and the last failure is told", () => {
  const { world, upstreams, client, statistics } = setUp(["slow", "other", "third"]);
  world.advance(200);
  upstreams[0]!.stream.breakWith(error("LINK_LOST"));
  upstreams[1]!.stream.breakWith(error("TARGET_UNREACHABLE"));
  assert.equal(upstreams[2]!.stream.written, HEAD);
  assert.equal(statistics.retries, 1);
  upstreams[2]!.stream.breakWith(error("TARGET_UNREACHABLE"));
  assert.deepEqual(client.heard, ["failed TARGET_UNREACHABLE"]);
  assert.equal(world.outstanding, 0);
  assert.equal(statistics.active, 0);
});

test("as many are asked as the route says, each after the delay, and a new one is not asked for one that broke", () => {
  const { world, upstreams, statistics } = setUp(["a", "b", "c", "d"], { policy: { hedge: { afterMs: 200, max: 3 } } });
  world.advance(200);
  world.advance(200);
  world.advance(200);
  assert.deepEqual(
    upstreams.map(({ streams }) => streams.length),
    [1, 1, 1, 0],
  );
  assert.equal(statistics.hedges, 2);
  upstreams[1]!.stream.deliver(`${OK}ok`);
  assert.deepEqual(
    upstreams.slice(0, 3).map(({ stream }) => stream.resetBy?.code),
    ["CLIENT_GONE", undefined, "CLIENT_GONE"],
  );
  assert.equal(world.outstanding, 0);
});

test("nothing is hedged that is not safe, has a body, changes protocols, or has no other offer", () => {
  const cases = [
    { method: "POST", policy: { hedge } },
    { upgrade: true, policy: { hedge } },
  ];
  for (const options of cases) {
    const { world, upstreams } = setUp(["slow", "other"], options);
    world.advance(1000);
    assert.equal(upstreams[1]!.streams.length, 0);
  }
  const world = new SessionWorld();
  const [, other] = [world.offer("slow"), world.offer("other")];
  const { exchange } = begin(world, { policy: { hedge } });
  exchange.requestBody(Buffer.from("x"));
  exchange.requestEnd();
  world.advance(1000);
  assert.equal(other.streams.length, 0);
  const alone = setUp(["only"]);
  alone.world.advance(1000);
  assert.equal(alone.statistics.hedges, 0);
  assert.equal(alone.world.outstanding, 1);
});

test("an offer that takes no stream is passed over", () => {
  const { world, upstreams, statistics } = setUp(["slow", "full", "good"]);
  upstreams[1]!.refuses = true;
  world.advance(200);
  assert.equal(upstreams[2]!.streams.length, 1);
  assert.equal(statistics.hedges, 1);
  assert.equal(world.outstanding, 2);
});

test("a client that leaves ends all of them", () => {
  const { world, upstreams, exchange, client } = setUp(["slow", "other"]);
  world.advance(200);
  exchange.abort(error("CLIENT_GONE"));
  for (const { stream } of upstreams) assert.equal(stream.resetBy?.code, "CLIENT_GONE");
  assert.equal(world.outstanding, 0);
  world.advance(1000);
  assert.deepEqual(client.heard, []);
  assert.equal(world.context.deadlines.size, 0);
});

test("a client that leaves before the delay leaves no timer behind", () => {
  const { world, upstreams, exchange } = setUp(["slow", "other"]);
  exchange.abort(error("CLIENT_GONE"));
  assert.equal(world.context.deadlines.size, 0);
  world.advance(1000);
  assert.equal(upstreams[1]!.streams.length, 0);
});

test("a node that falls silent is left to the other one, whichever it is, and kept while it is the last hope", () => {
  for (const silent of [0, 1]) {
    const { world, upstreams, client, exchange } = setUp(["slow", "other"]);
    world.advance(200);
    world.registry.setUsable(upstreams[silent]!, false, "suspect");
    exchange.upstreamSuspect(upstreams[silent]!);
    assert.equal(upstreams[silent]!.stream.resetBy?.code, "LINK_TIMEOUT");
    world.registry.setUsable(upstreams[1 - silent]!, false, "suspect");
    exchange.upstreamSuspect(upstreams[1 - silent]!);
    assert.equal(upstreams[1 - silent]!.stream.resetBy, undefined);
    upstreams[1 - silent]!.stream.deliver(`${OK}ok`);
    assert.deepEqual(client.heard, ["response 200", "ended"]);
    assert.equal(world.outstanding, 0);
  }
});

test("an answer that the route would try again is given up while the other may still come, and passed on as the last", () => {
  for (const first of [0, 1]) {
    const retries = { ...DEFAULT_RETRIES, statuses: [503] };
    const { world, upstreams, client } = setUp(["slow", "other"], { policy: { hedge, retries } });
    world.advance(200);
    upstreams[first]!.stream.deliver(`${BUSY}no`);
    assert.deepEqual(client.heard, []);
    upstreams[1 - first]!.stream.deliver(`${BUSY}no`);
    assert.deepEqual(client.heard, ["response 503", "ended"]);
    assert.equal(world.outstanding, 0);
  }
});

test("informational answers pass only while one offer is asked", () => {
  const hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  const { world, upstreams, client } = setUp(["slow", "other"]);
  world.advance(200);
  for (const { stream } of upstreams) stream.deliver(hints);
  upstreams[1]!.stream.deliver(`${hints}${OK}ok`);
  assert.deepEqual(client.heard, ["response 200", "ended"]);
  for (const { stream } of upstreams) assert.equal(stream.owedBytes, 0);
});

test("a hedge needs the service's budget like a retry", () => {
  const retries = { ...DEFAULT_RETRIES, share: 0, floorPerSecond: 0 };
  const { world, upstreams, statistics } = setUp(["slow", "other"], { policy: { hedge, retries } });
  world.advance(1000);
  assert.equal(upstreams[1]!.streams.length, 0);
  assert.equal(statistics.retriesDenied, 1);
});

test("in whatever order things happen, a client hears one end, and nothing is owed by then", () => {
  const step = fc.record({
    who: fc.nat(3),
    what: fc.constantFrom("time", "half", "answer", "busy", "break", "end", "suspect", "abort"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      const policy = {
        hedge: { afterMs: 200, max: 3 },
        retries: { ...DEFAULT_RETRIES, statuses: [503] },
        timeoutMs: 1500,
      };
      const { world, upstreams, client, exchange, statistics } = setUp(["a", "b", "c", "d"], { policy });
      const answering = new Set<unknown>();
      let aborted = false;
      for (const { who, what } of steps) {
        const upstream = upstreams[who]!;
        const stream = upstream.streams.at(-1);
        if (what === "time") world.advance(200);
        else if (what === "abort") {
          exchange.abort(error("CLIENT_GONE"));
          aborted = true;
        } else if (what === "suspect") {
          world.registry.setUsable(upstream, false, "suspect");
          exchange.upstreamSuspect(upstream);
        } else if (stream === undefined || stream.over || answering.has(stream)) continue;
        else if (what === "break") stream.breakWith(error("LINK_LOST"));
        else {
          answering.add(stream);
          if (what === "half") stream.deliver(OK.slice(0, 12));
          else if (what === "end") stream.deliverEnd();
          else stream.deliver(`${what === "busy" ? BUSY : OK}ok`);
        }
      }
      world.advance(5000);
      const ends = client.heard.filter((word) => word === "ended" || word.startsWith("failed"));
      if (!aborted) assert.equal(ends.length, 1, client.heard.join(", "));
      else assert.ok(ends.length <= 1);
      assert.ok(client.heard.filter((word) => word.startsWith("response")).length <= 1);
      assert.equal(world.outstanding, 0);
      assert.equal(statistics.active, 0);
      assert.equal(statistics.requests, 1);
      assert.equal(world.context.deadlines.size, 0);
      assert.ok(exchange.over);
    }),
    { numRuns: 500 },
  );
});
