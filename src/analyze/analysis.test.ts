import assert from "node:assert/strict";
import { test } from "node:test";
import { createByteStreamPair } from "../base/byte-stream-pair.ts";
import { type ByteSink, DiscardSink } from "../base/byte-stream.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { Analysis } from "./analysis.ts";
import type { Analyzer, AnalyzerFactory } from "./analyzer.ts";
import { createBytesAnalyzer } from "./bytes-analyzer.ts";
import { createFooAnalyzer } from "./foo-analyzer.ts";
import type { Meters } from "./meters.ts";

const PLACE = { name: "listener tcp://:1", service: "foo", analyzer: "foo" };

function analyze(create: AnalyzerFactory) {
  const clock = { time: 1_000, now: () => clock.time };
  const failures: unknown[] = [];
  const analysis = new Analysis({ place: PLACE, create, clock, failed: (error) => failures.push(error) });
  return { analysis, clock, failures };
}

/** A connection with a tap: `client` is what its peer uses, `heard` what it was told. */
function connect(analysis: Analysis) {
  const [client, far] = createByteStreamPair();
  const stream = analysis.attach(far);
  const heard: string[] = [];
  const note = (who: string): ByteSink => ({
    data: (chunk) => heard.push(`${who} ${chunk.toString()}`),
    end: () => heard.push(`${who} end`),
    reset: (error) => heard.push(`${who} ${error.code}`),
    drain: () => {},
  });
  client.sink = note("client");
  stream.sink = note("server");
  return { client, stream, heard };
}

test("a tap sees both directions, and both pass through it as they are", () => {
  const { analysis } = analyze(createFooAnalyzer);
  const { client, stream, heard } = connect(analysis);
  client.write(Buffer.from("REQ 1 Hey\nREQ 2"));
  stream.write(Buffer.from("ACK 1 x\nNAK 9 "));
  stream.writeLatin1("y", "\n");
  client.end();
  stream.end();
  assert.deepEqual(heard, [
    "server REQ 1 Hey\nREQ 2",
    "client ACK 1 x\nNAK 9 ",
    "client y\n",
    "server end",
    "client end",
  ]);
  const { msg_total, msg_req, msg_ack, msg_nak, other_lines } = analysis.statistics();
  assert.deepEqual(
    { msg_total, msg_req, msg_ack, msg_nak, other_lines },
    { msg_total: 3, msg_req: 1, msg_ack: 1, msg_nak: 1, other_lines: 1 },
  );
  assert.equal(analysis.connectionsOpen, 0);
});

test("answers in any order are matched with their requests by number", () => {
  const { analysis, clock } = analyze(createFooAnalyzer);
  const { client, stream } = connect(analysis);
  client.write(Buffer.from("REQ 1\n"));
  clock.time += 10;
  client.write(Buffer.from("REQ 2\nREQ 3\n"));
  clock.time += 20;
  stream.write(Buffer.from("ACK 3\nACK 1\nACK 7\n"));
  clock.time += 970;
  stream.write(Buffer.from("NAK 2\n"));
  const { answer_ms, request_rate_1s, request_rate_10s, response_rate_1s } = analysis.statistics();
  assert.deepEqual(
    { request_rate_1s, request_rate_10s, response_rate_1s },
    { request_rate_1s: 2, request_rate_10s: 0.3, response_rate_1s: 4 },
  );
  const { count, p50, p99 } = answer_ms as { count: number; p50: number; p99: number };
  assert.equal(count, 3);
  assert.ok(p50 >= 30 && p50 < 34, `${p50}`);
  assert.ok(p99 >= 990 && p99 < 1_115, `${p99}`);
  const { answer_ms: ofThis } = stream.tap.statistics() ?? {};
  assert.equal((ofThis as { count: number }).count, 3);
});

test("numbers that are never answered take bounded memory, and the latest of them still match", () => {
  const { analysis, clock } = analyze(createFooAnalyzer);
  const { client, stream } = connect(analysis);
  for (let seq = 0; seq < 5_000; seq++) client.write(Buffer.from(`REQ ${seq}\n`));
  clock.time += 5;
  for (let seq = 0; seq < 5_000; seq++) stream.write(Buffer.from(`ACK ${seq}\n`));
  const { count } = analysis.statistics()["answer_ms"] as { count: number };
  assert.ok(count >= 1_024 && count <= 1_025, `${count}`);
});

test("a tap that throws is detached and reported once, and the stream does not notice", () => {
  let calls = 0;
  const broken: Analyzer = {
    open: () => ({
      fromClient: () => {
        calls++;
        throw new Error("a bug");
      },
      fromServer: () => calls++,
    }),
  };
  const { analysis, failures } = analyze(() => broken);
  for (const _ of [1, 2]) {
    const { client, stream, heard } = connect(analysis);
    client.write(Buffer.from("a"));
    client.write(Buffer.from("b"));
    stream.write(Buffer.from("c"));
    stream.reset(new PolarityError("NODE_STOPPED", "enough"));
    assert.deepEqual(heard, ["server a", "server b", "client c", "client NODE_STOPPED"]);
  }
  assert.equal(calls, 2);
  assert.equal(analysis.failures, 2);
  assert.equal(analysis.connectionsOpen, 0);
  assert.deepEqual(failures.map(String), ["Error: a bug"]);
});

test("an analyzer that cannot be made, opened, closed or asked breaks nothing either", () => {
  const bug = (): never => {
    throw new Error("a bug");
  };
  for (const create of [
    bug,
    () => ({ open: bug }),
    () => ({ open: () => ({ fromClient: bug, fromServer: bug, closed: bug, statistics: bug }), statistics: bug }),
  ]) {
    const { analysis, failures } = analyze(create);
    const { client, stream, heard } = connect(analysis);
    assert.equal(stream.tap.statistics(), undefined);
    client.write(Buffer.from("a"));
    client.reset(new PolarityError("CLIENT_GONE", "bye"));
    analysis.statistics();
    assert.deepEqual(heard, ["server a", "server CLIENT_GONE"]);
    assert.equal(analysis.connectionsOpen, 0);
    assert.equal(failures.length, 1);
  }
});

test("totals and windows survive a restart, at their age", () => {
  const before = analyze(createFooAnalyzer);
  const { client, stream } = connect(before.analysis);
  for (let seq = 0; seq < 50; seq++) client.write(Buffer.from(`REQ ${seq}\nx\n`));
  stream.write(Buffer.from("ACK 1\nNAK 2\n"));
  const saved = JSON.parse(JSON.stringify(before.analysis.save())) as Record<string, unknown>;

  const soon = analyze(createFooAnalyzer);
  soon.analysis.restore(saved, 500);
  const { request_rate_1s, request_rate_10s, msg_total, other_lines } = soon.analysis.statistics();
  assert.deepEqual(
    { request_rate_1s, request_rate_10s, msg_total, other_lines },
    { request_rate_1s: 50, request_rate_10s: 5, msg_total: 52, other_lines: 50 },
  );
  soon.clock.time += 600;
  assert.equal(soon.analysis.statistics()["request_rate_1s"], 0);

  const late = analyze(createFooAnalyzer);
  late.analysis.restore(saved, 3_600_000);
  assert.equal(late.analysis.statistics()["request_rate_10s"], 0);
  assert.equal(late.analysis.statistics()["msg_req"], 50);
});

test("names that clients filled up survive a restart, and what comes beyond them is still counted", () => {
  const flooded = (meters: Meters): Analyzer => {
    meters.meter("asked");
    return {
      open: () => ({
        fromClient: (name, now) => meters.counter(`name_${name.toString()}`).add(now),
        fromServer: () => {},
      }),
    };
  };
  const before = analyze(flooded);
  const { client } = connect(before.analysis);
  for (let name = 0; name < 300; name++) client.write(Buffer.from(String(name)));
  const after = analyze(flooded);
  after.analysis.restore(JSON.parse(JSON.stringify(before.analysis.save())) as Record<string, unknown>, 0);
  assert.deepEqual(after.analysis.statistics(), before.analysis.statistics());
  assert.equal(after.analysis.statistics()["other_total"], 45);
});

test("an analyzer that throws what cannot be said breaks nothing either", () => {
  const { analysis, failures } = analyze(() => {
    throw Object.create(null);
  });
  const { client, heard } = connect(analysis);
  client.write(Buffer.from("a"));
  assert.deepEqual(heard, ["server a"]);
  assert.deepEqual(failures.map(messageOf), ["an object that says nothing"]);
});

test("what another analyzer saved, or nobody, is refused", () => {
  for (const meters of [
    undefined,
    [],
    { req: 5 },
    { req: { total: -1 } },
    { ack: { total: 1, window: { stepMs: 10, counts: [] } } },
    { req: { total: 1 } },
  ]) {
    assert.throws(() => analyze(createFooAnalyzer).analysis.restore({ meters }, 0));
  }
});

test("bytes counts each way, and how long connections last", () => {
  const { analysis, clock } = analyze(createBytesAnalyzer);
  const { client, stream } = connect(analysis);
  client.write(Buffer.alloc(70_000));
  stream.sink = new DiscardSink(stream);
  client.write(Buffer.alloc(30_000));
  stream.write(Buffer.alloc(5));
  assert.deepEqual(stream.tap.statistics(), { bytes_in: 100_000, bytes_out: 5 });
  clock.time += 2_000;
  client.end();
  stream.end();
  const statistics = analysis.statistics();
  assert.equal(statistics["bytes_in_total"], 100_000);
  assert.equal(statistics["bytes_in_rate_10s"], 10_000);
  assert.equal(statistics["bytes_in_rate_1s"], 0);
  assert.equal((statistics["connection_ms"] as { count: number }).count, 1);
});
