/** Redis and PostgreSQL with their own clients through a node: what the analyzers count is what the servers did. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { PolarityNode } from "../../src/node/node.ts";
import { TestAuthority } from "../support/certificates.ts";
import { runTool } from "../support/command.ts";
import { portOf, startNode } from "../support/cluster.ts";
import { startPostgres, startRedis } from "../support/databases.ts";
import { until } from "../support/patience.ts";
import { startRecordingRelay } from "../support/recording-relay.ts";
import { temporaryFolder } from "../support/servers.ts";
import { analyzeTurns, everyCut, type Turn } from "../support/tapped-turns.ts";
import { requireTool } from "../support/tools.ts";
import { WireClient } from "../support/wire-client.ts";

/** A node with an analyzer before a server, and a relay before it that records. */
async function startAnalyzed(t: TestContext, analyzer: string, server: number) {
  const node = await startNode(t, {
    services: { db: { target: `tcp://127.0.0.1:${server}` } },
    listeners: [{ url: "tcp://127.0.0.1:0", service: "db", analyze: analyzer }],
  });
  const { port, conversations } = await startRecordingRelay(t, portOf(node.addresses.listeners[0]!));
  return { node, port, conversations };
}

/** Once nobody is connected. */
async function statisticsOf(node: PolarityNode): Promise<Record<string, number>> {
  const [analysis] = await until(
    "connections to end",
    () => node.analyses()[0]?.connectionsOpen === 0 && node.analyses(),
  );
  assert.equal(analysis?.failuresTotal, 0);
  return analysis.statistics as Record<string, number>;
}

/** Longer ones take longer than they show anything new. */
const REPLAYED_BYTES_MAX = 2_500;

/** Everything but when it was. */
function totals(analyzer: string, turns: readonly Turn[]): unknown {
  const statistics = analyzeTurns(analyzer, turns);
  return Object.entries(statistics).map(([name, value]) => [
    name,
    typeof value === "object" ? value?.["count"] : value,
  ]);
}

function assertCutsChangeNothing(analyzer: string, conversations: readonly (readonly Turn[])[]): void {
  const short = conversations.filter((turns) => lengthOf(turns) <= REPLAYED_BYTES_MAX);
  assert.ok(short.length > 0);
  for (const turns of short) {
    const whole = totals(analyzer, turns);
    for (const cut of everyCut(turns)) assert.deepEqual(totals(analyzer, cut), whole);
  }
}

function lengthOf(turns: readonly Turn[]): number {
  return turns.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

/** Numbers by what stands behind `prefix` in their name. */
function named(statistics: Record<string, unknown>, prefix: string): Record<string, number> {
  const found = Object.entries(statistics).flatMap(([name, value]) =>
    name.startsWith(prefix) && typeof value === "number"
      ? [[name.slice(prefix.length, -"_total".length), value] as const]
      : [],
  );
  return Object.fromEntries(found);
}

test(
  "redis: commands and errors are those that the server counted",
  { skip: requireTool("redis-server", "redis-cli") },
  async (t) => {
    const server = await startRedis(t);
    const { node, port, conversations } = await startAnalyzed(t, "redis", server);
    const cli = async (words: readonly string[], input = ""): Promise<string> =>
      (await runTool(t, "redis-cli", ["-p", `${port}`, ...words], input)).stdout;
    assert.equal(await cli(["SET", "greeting", "hello"]), "OK\n");
    await cli(["INCR", "greeting"]);
    await cli(["NOSUCH", "thing"]);
    await cli(["-3", "HGETALL", "nothing"]);
    await cli(["EVAL", "return {1,{2,'x'},redis.error_reply('MINE oh')}", "0"]);
    assert.match(await cli(["--pipe"], "SET k 1\r\n".repeat(300)), /errors: 0, replies: 300/);

    const one = new WireClient(t, port);
    one.send("MULTI\r\nINCR n\r\nLPOP n\r\nNOSUCH\r\n");
    await one.readTo("-ERR unknown command");
    await one.send("DISCARD\r\nMULTI\r\nINCR n\r\nLPOP n\r\nEXEC\r\n").readTo("-WRONGTYPE");
    one.send("*3\r\n$5\r\nBLPOP\r\n$4\r\nlist\r\n$1\r\n0\r\n").send("PING after\r\n");
    const two = new WireClient(t, port);
    await two.send(`RPUSH list ${"x".repeat(300)}\r\n`).readTo(":1\r\n");
    await one.readTo("$5\r\nafter\r\n");
    await two.send("HELLO 3\r\nSUBSCRIBE news\r\nPING\r\n").readTo("+PONG\r\n");
    const three = new WireClient(t, port);
    await three.send("PSUBSCRIBE n*\r\nSUBSCRIBE a b\r\n").readTo(":3\r\n");
    await one.send("PUBLISH news hello\r\n").readTo(":2\r\n");
    await two.readTo("hello\r\n");
    await three.readTo("hello\r\n");
    await one.send("CLIENT REPLY SKIP\r\nSET quiet 1\r\nGET quiet\r\n").readTo("$1\r\n1\r\n");
    for (const client of [one, two, three]) await client.halfClose().ended;

    const statistics = await statisticsOf(node);
    const info = (await runTool(t, "redis-cli", ["-p", `${server}`, "INFO", "everything"])).stdout;
    const done: Record<string, number> = {};
    for (const [, name, calls, rejected] of info.matchAll(
      /^cmdstat_([a-z]+)\S*:calls=(\d+),.*rejected_calls=(\d+)/gm,
    )) {
      const command = name!.toUpperCase();
      done[command] = (done[command] ?? 0) + Number(calls) + Number(rejected);
    }
    const failed = [...info.matchAll(/^errorstat_(\w+):count=(\d+)/gm)].map(([, name, count]) => [
      name!,
      Number(count),
    ]);
    // What there is not has no count of its own, and a transaction counts what it queued when it is done.
    const { NOSUCH, ...commands } = named(statistics, "command_");
    assert.equal(NOSUCH, 2);
    assert.deepEqual({ ...commands, INCR: commands["INCR"]! - 1, LPOP: commands["LPOP"]! - 1 }, done);
    assert.deepEqual(named(statistics, "error_"), Object.fromEntries(failed));
    assert.equal(statistics["pushes_total"], 2);
    assert.ok(statistics["commands_pipelined_total"]! >= 300 - 1);
    assertCutsChangeNothing("redis", conversations);
  },
);

test(
  "postgres: queries, errors, copies and pipelines of psql, pgbench and a driver's kind",
  { skip: requireTool("postgres", "psql", "pgbench") },
  async (t) => {
    const folder = temporaryFolder(t);
    const server = await startPostgres(t, folder, await (await TestAuthority.create()).issue({ dns: ["localhost"] }));
    const { node, port, conversations } = await startAnalyzed(t, "postgres", server);
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o644 });
      return join(folder, name);
    };
    const to = (at: number) => ["-h", "127.0.0.1", "-p", `${at}`, "-U", "polarity"];
    const psql = async (words: readonly string[], at = port) =>
      (await runTool(t, "psql", ["-X", "-q", "-A", "-t", "-d", "postgres", ...to(at), ...words])).stdout;
    let seen: Record<string, number> = {};
    /** What has been added to the statistics since it was last asked. */
    const added = async (...names: readonly string[]): Promise<number[]> => {
      const now = await statisticsOf(node);
      const more = names.map((name) => (now[name] ?? 0) - (seen[name] ?? 0));
      seen = now;
      return more;
    };

    // The server speaks no TLS: psql wishes for it, is refused, and goes on.
    assert.equal(await psql(["-c", "select 6 * 7", "-c", "select 1; select 2", "-c", "oops"]), "42\n1\n2\n");
    assert.deepEqual(await added("queries_total", "errors_total"), [3, 1]);

    const script = file(
      "script.sql",
      `
    create table t (n int);
    begin; insert into t values (1); select no_such_column from t; select 1; rollback;
    \\copy t from '${file("rows", "1\n2\n3\n")}'
    \\copy t from '${file("wrong", "1\nx\n")}'
    copy t to stdout;
  `,
    );
    assert.equal(await psql(["-f", script]), "1\n2\n3\n");
    // Within a transaction that failed, each statement but its end fails too.
    assert.deepEqual(
      await added("queries_total", "errors_total", "copies_in_total", "copies_out_total", "queries_pipelined_total"),
      [9, 3, 2, 1, 0],
    );

    const bench = async (mode: string, text: string) =>
      await runTool(t, "pgbench", [
        ...to(port),
        "-n",
        "-c",
        "2",
        "-t",
        "5",
        "-M",
        mode,
        "-f",
        file(mode, text),
        "postgres",
      ]);
    assert.equal((await bench("extended", "select 1;\ninsert into t values (:client_id);\n")).code, 0);
    assert.deepEqual(await added("queries_total", "errors_total", "queries_pipelined_total"), [20, 0, 0]);
    assert.equal(
      (await bench("prepared", "\\startpipeline\nselect 1;\nselect 2;\nselect 3;\n\\endpipeline\n")).code,
      0,
    );
    assert.deepEqual(await added("queries_total", "errors_total", "queries_pipelined_total"), [30, 0, 20]);
    const timed = (seen["query_ms"] as unknown as { count: number }).count;
    assert.equal(timed, seen["queries_total"]);

    await copyByExecute(t, port);
    assert.deepEqual(await added("queries_total", "errors_total", "copies_in_total"), [4, 1, 2]);
    assert.equal((seen["query_ms"] as unknown as { count: number }).count, timed + 4);
    assert.equal(await psql(["-c", "select count(*) from t where n > 90"], server), "2\n");

    await psql(["-c", "alter system set ssl = on", "-c", "select pg_reload_conf()"], server);
    await until("it speaks TLS", async () => (await psql(["-c", "show ssl"], server)) === "on\n");
    assert.equal(await psql(["-c", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"]), "t\n");
    assert.deepEqual(
      await added("queries_total", "connections_encrypted_total", "connections_unreadable_total"),
      [0, 1, 0],
    );
    assertCutsChangeNothing("postgres", conversations);
  },
);

/** As libpq does for a COPY with parameters: the Sync behind Execute is passed over, another follows the end of the copy. */
async function copyByExecute(t: TestContext, port: number): Promise<void> {
  const client = new WireClient(t, port);
  const send = (...frames: readonly Buffer[]) => client.send(Buffer.concat(frames));
  const parse = (sql: string) => message("P", `\0${sql}\0\0\0`);
  const bind = message("B", "\0\0\0\0\0\0\0\0");
  const execute = message("E", "\0\0\0\0\0");
  const sync = message("S", "");
  const ready = "Z\0\0\0\x05I";
  const startup = Buffer.from("\0\x03\0\0user\0polarity\0database\0postgres\0\0", "latin1");
  const length = Buffer.alloc(4);
  length.writeInt32BE(startup.length + 4);
  send(length, startup);
  await client.readTo(ready);
  send(parse("copy t from stdin"), bind, execute, sync);
  await client.readTo("G\0\0\0");
  await send(message("d", "91\n92\n"), message("c", ""), sync).readTo(ready);
  send(parse("copy t from stdin"), bind, execute, sync);
  await client.readTo("G\0\0\0");
  await send(message("d", "93\n"), message("f", "no more\0"), sync).readTo(ready);
  // Two at once, each behind its own Sync.
  send(parse("select 1"), bind, execute, sync, parse("select 2"), bind, execute, sync);
  await client.readTo(ready);
  await client.readTo(ready);
  await send(message("X", "")).ended;
  client.socket.destroy();
}

function message(type: string, text: string): Buffer {
  const body = Buffer.from(text, "latin1");
  const head = Buffer.alloc(5);
  head.write(type, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
