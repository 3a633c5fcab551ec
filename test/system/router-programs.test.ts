/** Routers in a row, as one would start them by hand. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { portOf } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { type Addresses, PolarityProcess, run } from "../support/polarity-process.ts";

const ANY_PORT = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0", "--admin", "http://127.0.0.1:0"];

async function router(t: TestContext, name: string, ...flags: string[]): Promise<Addresses> {
  return await new PolarityProcess(t, ["router", "--name", name, ...ANY_PORT, ...flags]).ready();
}

/** The column PATH of each offer of a service. */
async function pathsAt(t: TestContext, { admin = "" }: Addresses, service: string): Promise<string[]> {
  const { stdout } = await run(t, ["get", "services", "-o", "wide", "--node", admin]);
  const [titles = "", ...rows] = stdout.split("\n");
  const from = titles.indexOf("PATH");
  const to = titles.indexOf("LINK", from);
  assert.ok(from > 0 && to > from, stdout);
  const offers = rows.filter((row) => row.startsWith(`${service} `) && !row.includes("no offer"));
  return offers.map((row) => row.slice(from, to).trim());
}

test("router --router: what is registered at the third router's machine is reached at the first, and the way is shown", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(`asked for ${request.url}`));
  const a = await router(t, "a");
  const b = await router(t, "b", "--router", a.links[0]!);
  const c = await router(t, "c", "--router", `${b.links[0]}#cost=5`);
  const machine = ["connect", `early=${app.url}`, "--name", "phone0", "--router", c.links[0]!];
  const { admin = "" } = await new PolarityProcess(t, [...machine, "--admin", "http://127.0.0.1:0"]).ready();
  const port = portOf(a.listeners[0]!);
  await until("early is there", async () => (await ask(port, { path: "/early/" })).status === 200);

  const { code, stderr } = await run(t, ["register", "late", app.url, "--node", admin]);
  assert.equal(code, 0, stderr);
  const registeredAt = performance.now();
  await until("late is there", async () => (await ask(port, { path: "/late/x" })).text === "asked for /late/x");
  assert.ok(performance.now() - registeredAt < 1_000, "within a second");
  assert.deepEqual(await pathsAt(t, a, "late"), ["b > c > phone0"]);
  assert.deepEqual(await pathsAt(t, b, "late"), ["c > phone0"]);
  assert.deepEqual(await pathsAt(t, c, "late"), ["phone0"]);

  await run(t, ["unregister", "late", "--node", admin]);
  await until("late is gone", async () => (await pathsAt(t, a, "late")).length === 0);
});

test("router --router --no-relay passes nothing on, neither way", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("here"));
  const outer = await router(t, "outer");
  const inner = await router(t, "inner", "--router", outer.links[0]!, "--no-relay");
  for (const [name, { links }] of Object.entries({ outer, inner })) {
    await new PolarityProcess(t, ["connect", `at-${name}=${app.url}`, "--name", name, "--router", links[0]!]).ready();
  }
  const said = async ({ listeners }: Addresses, path: string): Promise<number> =>
    (await ask(portOf(listeners[0]!), { path })).status;
  // Outer relays, so that inner's clients reach its services; inner does not.
  for (const [at, path] of [
    [outer, "/at-outer/"],
    [inner, "/at-inner/"],
    [inner, "/at-outer/"],
  ] as const) {
    await until(`${path} is there`, async () => (await said(at, path)) === 200);
  }
  assert.deepEqual(await pathsAt(t, outer, "at-inner"), []);
});
