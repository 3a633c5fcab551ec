/** The recovery file: whole whenever its writer dies, and never a reason not to start. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { decodeRecovery, encodeRecovery } from "../../src/analyze/recovery-format.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { RecoveryFile } from "../../src/node/recovery-file.ts";
import { configOf, portOf, startNode } from "../support/cluster.ts";
import { converse, startFooServer } from "../support/foo-peers.ts";
import { until } from "../support/patience.ts";
import { BATCH, PLACE } from "../support/recovery-child.ts";
import { SMALL } from "../support/recovery-filling.ts";
import { temporaryFolder } from "../support/servers.ts";

const CHILD = fileURLToPath(new URL("../support/recovery-child.ts", import.meta.url));
const FILLING_CHILD = fileURLToPath(new URL("../support/recovery-filling.ts", import.meta.url));
const CHAINS = 5;
const KILLS = 10;

interface Said {
  readonly from: number;
  readonly to: number;
  readonly restored?: number;
  readonly within1s?: number;
  readonly within10s?: number;
  readonly warnings?: readonly string[];
  readonly saved?: number;
}

/** What was counted, between which times. */
interface Counted {
  readonly from: number;
  readonly to: number;
  readonly messages: number;
}

/** A window that was saved and restored is wrong by two steps of 10 ms; the rest is for two clocks read on a busy machine. */
const BOUND_MS = 100;

test("killed at fifty moments: the file is always whole, totals are there and rates go on", async (t) => {
  const folder = temporaryFolder(t);
  await Promise.all(
    Array.from({ length: CHAINS }, (_, chain) => killAgainAndAgain(t, join(folder, `${chain}.json`), chain)),
  );
});

async function killAgainAndAgain(t: TestContext, path: string, seed: number): Promise<void> {
  const counted: Counted[] = [];
  let total = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, [CHILD, path], {
      // Fifty starts of a process are most of this test's time.
      env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(path), "compiled") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    t.after(() => void child.kill("SIGKILL"));
    let saves = 0;
    let last = 0;
    for await (const line of createInterface(child.stdout)) {
      const { from, to, restored, within1s, within10s, warnings, saved } = JSON.parse(line) as Said;
      if (restored !== undefined) {
        assert.deepEqual(warnings, []);
        assert.equal(restored, total);
        assertWindow(counted, 1_000, within1s!, { from, to });
        assertWindow(counted, 10_000, within10s!, { from, to });
      }
      if (saved !== undefined) {
        counted.push({ from, to, messages: saved - total });
        total = saved;
        if (++saves === 1 + ((seed * 7 + kill * 3) % 5)) {
          // Anywhere in the course of the next saves.
          await delay((seed * 13 + kill * 29) % 17);
          child.kill("SIGKILL");
        }
      }
      last = to;
    }
    await exited;
    const decoded = decodeRecovery(readFileSync(path, "utf8"), Date.now());
    assert.equal(decoded.kind, "valid");
    if (decoded.kind !== "valid") return;
    const { meters } = decoded.analyses[PLACE.name]!.state as { meters: { req: { total: number } } };
    // What was said to be saved is; the save after that may have come through too.
    assert.ok(meters.req.total === total || meters.req.total === total + BATCH, `${meters.req.total} of ${total}`);
    counted.push({ from: last, to: Date.now(), messages: meters.req.total - total });
    total = meters.req.total;
  }
}

function assertWindow(
  counted: readonly Counted[],
  spanMs: number,
  found: number,
  now: { readonly from: number; readonly to: number },
): void {
  const sum = (those: readonly Counted[]): number => those.reduce((all, { messages }) => all + messages, 0);
  const atLeast = sum(counted.filter(({ from }) => from > now.to - spanMs + BOUND_MS));
  const atMost = sum(counted.filter(({ to }) => to > now.from - spanMs - BOUND_MS));
  // A rate is a fraction.
  assert.ok(
    found >= atLeast - 0.5 && found <= atMost + 0.5,
    `${found} within ${spanMs} ms, of ${atLeast} to ${atMost}`,
  );
}

/** What loading `contents` says, with the path that it was at. */
async function load(t: TestContext, contents: string | Buffer) {
  const path = join(temporaryFolder(t), "recovery.json");
  writeFileSync(path, contents);
  const said: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => said.push(message) };
  return { path, said, recovered: await new RecoveryFile(path, logger, Date.now).load() };
}

const GOOD = encodeRecovery({ a: { analyzer: "foo", state: { n: 1 } } }, Date.now() - 5_000);

test("a good file is read, with its age", async (t) => {
  const { recovered, said } = await load(t, GOOD);
  assert.deepEqual(recovered?.analyses, { a: { analyzer: "foo", state: { n: 1 } } });
  assert.ok(recovered.ageMs >= 5_000);
  assert.deepEqual(said, []);
});

for (const [what, contents, reason] of [
  ["cut", GOOD.slice(0, -9), /cannot be understood/],
  ["empty", "", /cannot be understood/],
  ["changed", GOOD.replace('"n":1', '"n":2'), /checksum/],
  ["binary", Buffer.from([0xff, 0, 1, 2]), /cannot be understood/],
  ["another program's", '{"msg_total": 5}', /not a recovery file of this program/],
  ["a later version's", GOOD.replace('"version":1', '"version":2'), /its version is 2/],
  ["the future's", encodeRecovery({}, Date.now() + 3_600_000), /in the future/],
] as const) {
  test(`a file that is ${what} is said, kept aside, and nothing is taken from it`, async (t) => {
    const { path, said, recovered } = await load(t, contents);
    assert.equal(recovered, undefined);
    assert.equal(said.length, 1);
    assert.match(said[0]!, reason);
    assert.ok(!existsSync(path));
    assert.deepEqual(readFileSync(`${path}.bad`), Buffer.from(contents));
  });
}

test("a file that cannot be read is said and kept aside, before another takes its place", async (t) => {
  const path = join(temporaryFolder(t), "recovery.json");
  // A file of which no read succeeds, whoever reads.
  symlinkSync("/proc/self/mem", path);
  const said: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => said.push(message) };
  assert.equal(await new RecoveryFile(path, logger, Date.now).load(), undefined);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /it cannot be read: .*; it is kept as .*\.bad/);
  assert.equal(readlinkSync(`${path}.bad`), "/proc/self/mem");
});

test("a folder in its place, or a file where its folder should be: said once, and the node serves", async (t) => {
  const { url } = await startFooServer(t);
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "taken"));
  writeFileSync(join(folder, "file"), "");
  for (const recoveryPath of [join(folder, "taken"), join(folder, "file", "recovery.json")]) {
    const said: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => said.push(message) };
    const listeners = [{ url: "tcp://127.0.0.1:0", service: "foo", analyze: "foo" }];
    const node = await startNode(
      t,
      { services: { foo: { target: url } }, listeners, analysis: { recoveryPath } },
      logger,
    );
    await converse(portOf(node.addresses.listeners[0]!), ["REQ 1 Hey"], { req: 0, ack: 0, nak: 0 });
    await until("it is said", () => said.some((message) => message.startsWith("cannot save statistics")));
    await node.stop();
    assert.equal(said.filter((message) => message.startsWith("cannot save statistics")).length, 1);
    assert.equal(node.analyses()[0]?.statistics["msg_req"], 1);
  }
});

test("a full disk is said, is no reason to stop, and leaves the last whole file", (t) => {
  // A limit on how large files may be is a full disk that needs no rights; its unit is half a kilobyte, or a whole one.
  const command = `ulimit -f 16; exec "$0" "$1" "$2"`;
  const path = join(temporaryFolder(t), "recovery.json");
  const { stdout } = spawnSync("sh", ["-c", command, process.execPath, FILLING_CHILD, path], { encoding: "utf8" });
  const { saved, said, between } = JSON.parse(stdout) as {
    readonly saved: readonly boolean[];
    readonly said: readonly string[];
    readonly between: unknown;
  };
  assert.deepEqual(saved, [true, false, false, true]);
  assert.deepEqual(between, SMALL);
  assert.equal(said.length, 2);
  assert.match(said[0]!, /cannot save statistics.*EFBIG/);
  assert.match(said[1]!, /again$/);
  assert.ok(!existsSync(`${path}.tmp`));
});

test("the file is its owner's alone, and a link in the place of the temporary one leads nowhere", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "deep", "recovery.json");
  const file = new RecoveryFile(path, silentLogger, Date.now);
  assert.equal(await file.save({}), true);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const victim = join(folder, "victim");
  writeFileSync(victim, "precious");
  spawnSync("ln", ["-s", victim, `${path}.tmp`]);
  await file.save({});
  assert.equal(readFileSync(victim, "utf8"), "precious");
});

test("a path is relative to the configuration's folder", () => {
  assert.match(
    configOf({ analysis: { recoveryPath: "x/recovery.json" } }).analysis.recoveryPath ?? "",
    /^\/.*x\/recovery\.json$/,
  );
});
