import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { processRuns } from "../support/process-runs.ts";
import { listens } from "../support/servers.ts";

/** The processes that the demo says it started. */
function pidsIn(output: string): number[] {
  return [...output.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
}

test("demo --once sends its requests through three processes, exits 0 and leaves none", async (t) => {
  const { code, stdout, stderr } = await run(t, ["demo", "--once"]);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /✓ GET \/ gives the app's page +server: polarity-demo-app/);
  assert.match(stdout, /✓ POST a=1&b=2 is echoed +a=1&b=2/);
  assert.match(stdout, /✓ a multipart upload of a 5,000-byte file arrives/);
  assert.match(stdout, /✓ a websocket talks to the app/);
  assert.match(stdout, /✓ messages of the Foo Protocol get their answers +ACK 1, NAK 5/);
  assert.match(stdout, /✓ the router's analyzer has counted them +msg_req=2 msg_ack=1 msg_nak=1/);
  assert.match(stdout, /10 of 10 right\./);
  // No terminal, no colours.
  assert.ok(!stdout.includes("\u001b"));
  const pids = pidsIn(stdout);
  assert.equal(pids.length, 3);
  assert.deepEqual(pids.filter(processRuns), []);
});

test("demo takes the ports that Cranker had, where they are free", async (t) => {
  const demo = new PolarityProcess(t, ["demo"]);
  await demo.until("up", () => /Ctrl-C stops all three/.exec(demo.stdout));
  for (const [what, usual] of [
    [/app +http:\S+:(\d+) /, 8003],
    [/clients http:\S+:(\d+) /, 8001],
    [/clients \S+ and tcp:\S+:(\d+) /, 8002],
    [/links tcp:\S+:(\d+) /, 8000],
    [/admin http:\S+:(\d+) /, 8088],
  ] as const) {
    const port = Number(what.exec(demo.stdout)?.[1]);
    assert.ok(port > 0, String(what));
    if (port !== usual) await listens(usual);
  }
  demo.signal("SIGINT");
  await demo.exited;
});

test("demo stays until it is interrupted, and then takes its processes with it", async (t) => {
  const demo = new PolarityProcess(t, ["demo"]);
  await demo.until("up", () => /Ctrl-C stops all three/.exec(demo.stdout));
  const clients = /clients (http:\/\/\S+)/.exec(demo.stdout)?.[1] ?? "";
  assert.equal((await fetch(`${clients}/echo`, { method: "POST", body: "still there" })).status, 200);
  demo.signal("SIGINT");
  assert.deepEqual(await demo.exited, { code: 0, signal: null });
  assert.deepEqual(pidsIn(demo.stdout).filter(processRuns), []);
});

test("the demo's processes end when it is killed, and it says so when one of them dies", async (t) => {
  const killed = new PolarityProcess(t, ["demo"]);
  await killed.until("up", () => /Ctrl-C stops all three/.exec(killed.stdout));
  const pids = pidsIn(killed.stdout);
  killed.signal("SIGKILL");
  await killed.exited;
  // Nobody is left to tell when they end, so they are asked until they have; the test's time limit bounds it.
  while (pids.some(processRuns)) await delay(20);

  const demo = new PolarityProcess(t, ["demo"]);
  await demo.until("up", () => /Ctrl-C stops all three/.exec(demo.stdout));
  const router = pidsIn(demo.stdout)[1] ?? 0;
  process.kill(router, "SIGKILL");
  assert.equal((await demo.exited).code, 1);
  assert.match(demo.stdout, /✗ the router ended by itself \(SIGKILL\)/);
});
