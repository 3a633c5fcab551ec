/** Services that are registered while a node runs: their settings, their conflicts, and what is kept of them. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { AdminClient } from "../../src/admin/client.ts";
import { startHttpApp } from "../support/apps.ts";
import { configOf, type RawConfig, type ServicesInput, startNode, startRouter } from "../support/cluster.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";

const FILE = "registered-services.json";

function newFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-registration-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A connector with an admin API that writes what it keeps below `folder`. */
async function startKeeping(context: TestContext, folder: string, link: string) {
  const connector = new PolarityProcess(context, [
    "connect",
    "fixed=1",
    "--name",
    "shed",
    "--router",
    link,
    "--admin",
    "http://127.0.0.1:0",
    "--state-folder",
    join(folder, "state"),
  ]);
  const { admin = "" } = await connector.ready();
  return { connector, admin };
}

test("a registered service is at the router within a second, with all of its settings", async (t) => {
  const router = await startRouter(t);
  const app = await startHttpApp(t, (_request, response) => response.end("ok"));
  const { connector, admin } = await startKeeping(t, newFolder(t), router.link);
  await connector.until("joined", () => /joined node/.exec(connector.stderr));
  const offers = () => router.node.view().services.find(({ name }) => name === "late")?.offers ?? [];
  const registered = await run(t, [
    "register",
    "late",
    app.url,
    "--node",
    admin,
    "--weight",
    "7",
    "--label",
    "zone=a",
    "--label",
    "tier=b=c",
    "--health",
    "/",
    "--settings",
    "{connectTimeout: 1s, health: {interval: 1h}, labels: {lost: x}}",
  ]);
  assert.deepEqual([registered.code, registered.stderr], [0, ""]);
  const answeredAt = performance.now();
  await until("the offer", () => offers().length === 1);
  assert.ok(performance.now() - answeredAt < 1_000);
  const [offer] = offers();
  assert.deepEqual([offer?.weight, offer?.labels, offer?.protocol], [7, { zone: "a", tier: "b=c" }, "http/1.1"]);
  await run(t, ["unregister", "late", "--node", admin]);
  const withdrawnAt = performance.now();
  await until("the end of the offer", () => offers().length === 0);
  assert.ok(performance.now() - withdrawnAt < 1_000);
});

test("what is wrong with a registration is said, and changes nothing", async (t) => {
  const router = await startRouter(t);
  const { admin } = await startKeeping(t, newFolder(t), router.link);
  for (const [args, code, reason] of [
    [["fixed", "2"], 1, /service "fixed" is in the configuration of this node: change it there and reload/],
    [["late", "2", "--settings", "{colour: red}"], 1, /colour/],
    [["late", "2", "--protocol", "http/9"], 1, /protocol: expected http\/1\.1/],
    [["late", "2", "--label", "zone"], 64, /expected NAME=VALUE/],
    [["late", "2", "--settings", "[1]"], 64, /expected settings such as/],
  ] as const) {
    const { code: exit, stderr } = await run(t, ["register", ...args, "--node", admin]);
    assert.equal(exit, code, stderr);
    assert.match(stderr, reason);
  }
  const taken = await run(t, ["unregister", "fixed", "--node", admin]);
  assert.match(taken.stderr, /service "fixed" is in the configuration/);
});

test("what is kept is there after a kill, what is not is gone, and unregistering forgets", async (t) => {
  const router = await startRouter(t);
  const folder = newFolder(t);
  const first = await startKeeping(t, folder, router.link);
  const register = (admin: string, name: string, ...more: string[]) =>
    run(t, ["register", name, "tcp://127.0.0.1:1", "--node", admin, ...more]);
  const kept = await register(first.admin, "kept", "--keep", "--weight", "3");
  assert.equal(kept.stdout, "service kept is offered, at tcp://127.0.0.1:1, also after a restart\n");
  await register(first.admin, "passing");
  await register(first.admin, "changed", "--keep");
  await register(first.admin, "changed", "--weight", "2");
  await register(first.admin, "forgotten", "--keep");
  await run(t, ["unregister", "forgotten", "--node", first.admin]);
  const file = join(folder, "state", FILE);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  first.connector.signal("SIGKILL");
  await first.connector.exited;

  await startKeeping(t, folder, router.link);
  const offers = () =>
    router.node.view().services.flatMap((service) => service.offers.map((offer) => [service.name, offer.weight]));
  await until("the kept service", () => offers().some(([name]) => name === "kept"));
  assert.deepEqual(offers(), [
    ["fixed", 1],
    ["kept", 3],
  ]);
});

test("a file that cannot be understood is put aside, loudly, and the node starts", async (t) => {
  const router = await startRouter(t);
  const folder = newFolder(t);
  const first = await startKeeping(t, folder, router.link);
  await run(t, ["register", "kept", "1", "--node", first.admin, "--keep"]);
  first.connector.signal("SIGTERM");
  await first.connector.exited;
  const state = join(folder, "state");
  const good = readFileSync(join(state, FILE), "utf8");
  for (const [bad, names] of [
    [good.slice(0, good.length / 2), ["fixed"]],
    ["", ["fixed"]],
    ["\u0000\u0001", ["fixed"]],
    ["null", ["fixed"]],
    ['{"version":2,"services":[]}', ["fixed"]],
    [good.replace('"services": [', '"services": [{"name":"odd","target":"gopher://x"},null,'), ["fixed", "kept"]],
  ] as const) {
    writeFileSync(join(state, FILE), bad);
    const before = readdirSync(state).length;
    const { connector, admin } = await startKeeping(t, folder, router.link);
    await connector.until("loud", () => /kept services in .*registered-services\.json/.exec(connector.stderr));
    const services = await new AdminClient({ url: admin, token: undefined, timeoutMs: 5_000 }).services();
    assert.deepEqual(
      services.map(({ name }) => name),
      names,
    );
    const aside = readdirSync(state).filter((name) => name.includes("corrupt"));
    assert.ok(aside.some((name) => readFileSync(join(state, name), "utf8") === bad));
    assert.ok(readdirSync(state).length >= before);
    connector.signal("SIGKILL");
    await connector.exited;
  }
});

test("a reload leaves what was registered, unless the configuration has one of that name now", async (t) => {
  const router = await startRouter(t);
  const raw = (services: ServicesInput): RawConfig => ({
    node: { name: "shed" },
    links: { dial: [{ url: router.link }] },
    services,
  });
  const node = await startNode(t, raw({ fixed: { target: "1" }, gone: { target: "1" } }));
  const weights = () =>
    router.node.view().services.flatMap(({ name, offers }) => offers.map(({ weight }) => `${name} ${weight}`));
  for (const weight of [2, 3]) {
    node.register(configOf({ services: { late: { target: "1", weight } } }).services[0]!);
    await until("the offers", () => weights().join() === `fixed 1,gone 1,late ${weight}`);
  }
  await node.reload(configOf(raw({ fixed: { target: "1" } })));
  await until("what is left", () => weights().join() === "fixed 1,late 3");
  await node.reload(configOf(raw({ late: { target: "1", weight: 9 } })));
  await until("the configured one", () => weights().join() === "late 9");
  assert.throws(() => node.unregister("late"), /is in the configuration/);
});

test("a node that keeps nothing says so, and one that cannot write does not register", async (t) => {
  const router = await startRouter(t);
  const plain = new PolarityProcess(t, [
    "connect",
    "fixed=1",
    "--router",
    router.link,
    "--admin",
    "http://127.0.0.1:0",
  ]);
  const { admin = "" } = await plain.ready();
  const refused = await run(t, ["register", "late", "1", "--node", admin, "--keep"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /this node keeps nothing over restarts: set state\.folder/);

  const folder = newFolder(t);
  writeFileSync(join(folder, "state"), "a file where a folder should be");
  const blocked = await startKeeping(t, folder, router.link);
  const unwritable = await run(t, ["register", "late", "1", "--node", blocked.admin, "--keep"]);
  assert.equal(unwritable.code, 1);
  assert.match(unwritable.stderr, /cannot write .*registered-services\.json/);
  const { stdout } = await run(t, ["get", "services", "-o", "json", "--node", blocked.admin]);
  assert.deepEqual(
    (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name),
    ["fixed"],
  );
});

test("what cannot be forgotten is still offered, and can be unregistered once it can", async (t) => {
  const router = await startRouter(t);
  const folder = newFolder(t);
  const { admin } = await startKeeping(t, folder, router.link);
  await run(t, ["register", "kept", "1", "--node", admin, "--keep"]);
  const inTheWay = join(folder, "state", `${FILE}.new`);
  mkdirSync(inTheWay);
  const refused = await run(t, ["unregister", "kept", "--node", admin]);
  assert.match(refused.stderr, /cannot write .*registered-services\.json/);
  rmdirSync(inTheWay);
  const done = await run(t, ["unregister", "kept", "--node", admin]);
  assert.equal(done.code, 0, done.stderr);
  assert.doesNotMatch(readFileSync(join(folder, "state", FILE), "utf8"), /"kept"/);
});

test("registering needs the token of the admin API where it has one", async (t) => {
  const router = await startRouter(t);
  const folder = newFolder(t);
  const [right, wrong] = [join(folder, "right"), join(folder, "wrong")];
  writeFileSync(right, "correct-horse", { mode: 0o600 });
  writeFileSync(wrong, "battery-staple", { mode: 0o600 });
  const connector = new PolarityProcess(t, [
    "connect",
    "fixed=1",
    "--router",
    router.link,
    "--admin",
    "http://0.0.0.0:0",
    "--admin-token-file",
    right,
  ]);
  const { admin = "" } = await connector.ready();
  const url = admin.replace("0.0.0.0", "127.0.0.1");
  for (const [file, code] of [
    [undefined, 1],
    [wrong, 1],
    [right, 0],
  ] as const) {
    const token = file === undefined ? [] : ["--admin-token-file", file];
    const { code: exit, stderr } = await run(t, ["register", "late", "1", "--node", url, ...token]);
    assert.equal(exit, code, stderr);
    if (code === 1) assert.match(stderr, /bearer token/);
  }
  const open = await run(t, ["connect", "fixed=1", "--router", router.link, "--admin", "http://0.0.0.0:0"]);
  assert.equal(open.code, 1);
  assert.match(open.stderr, /is reachable beyond this machine/);
});
