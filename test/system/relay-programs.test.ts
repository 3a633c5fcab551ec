/** The commands and well-known programs on top of a relay: `dial`, `forward`, redis-cli, ssh. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { startPlace } from "../support/router-places.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { BIN, PolarityProcess, run } from "../support/polarity-process.ts";
import { freePort, listens, startServer, temporaryFolder } from "../support/servers.ts";
import { requireTool, toolPath } from "../support/tools.ts";
import { WireClient } from "../support/wire-client.ts";

const execute = promisify(execFile);
const PROGRAM_TIMEOUT_MS = 20_000;

test("dial reaches a service of another node through the router, with both half-closes", async (t) => {
  const { link } = await startRouter(t, []);
  const app = await startRawApp(t, (socket) => {
    socket.write("hello ");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("end", () => socket.end(`got ${text}`));
  });
  await startConnector(t, link, { raw: { target: app.url } }, { name: "phone0" });
  for (const name of ["raw", "phone0.raw"]) {
    const { code, stdout, stderr } = await run(t, ["dial", name, "--router", link], { input: "all of it" });
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "hello got all of it", stderr: "" });
  }
});

test("dial waits for a connector that joins after it", async (t) => {
  const router = await startRouter(t, []);
  const dial = new PolarityProcess(t, ["dial", "late", "--router", router.link, "--wait", "30s"]);
  dial.send("early");
  dial.endInput();
  await until("the router to be asked", () => router.node.view().totals.waiting === 1);
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  await startConnector(t, router.link, { late: { target: app.url } });
  assert.deepEqual(await dial.exited, { code: 0, signal: null });
  assert.equal(dial.stdout, "early");
});

for (const { name, why } of [
  { name: "nope", why: 'no offer for service "nope" (no connector has offered it)' },
  { name: "phone1.raw", why: 'no offer for service "raw" on node "phone1" (node "phone1" does not offer it)' },
]) {
  test(`dial ${name} says why it is not reached and exits 1`, async (t) => {
    const router = await startRouter(t, []);
    await startConnector(t, router.link, { raw: { target: "tcp://127.0.0.1:1" } }, { name: "phone0" });
    await offered(router.node, "raw");
    const dialled = await run(t, ["dial", name, "--router", router.link, "--wait", "500ms"]);
    const { code, stdout, stderr } = dialled;
    assert.deepEqual([code, stdout, stderr], [1, "", `polarity: node "edge": ${why}\n`]);
  });
}

for (const { how, flags, env } of [
  { how: "by flag", flags: ["--no-relay"], env: {} },
  { how: "by variable", flags: [], env: { POLARITY_NO_RELAY: "1" } },
]) {
  test(`dial through a router that does not relay, ${how}, says so and exits 1`, async (t) => {
    const router = new PolarityProcess(t, ["router", "--link", "tcp://127.0.0.1:0", "--listen", ":0", ...flags], {
      env,
    });
    const link = (await router.ready()).links[0] ?? "";
    const { code, stderr } = await run(t, ["dial", "raw", "--router", link, "--wait", "300ms"]);
    assert.equal(code, 1);
    assert.match(stderr, /does not relay/);
  });
}

test("a connector that freezes behind a router costs safe requests through it little time and no failure", async (t) => {
  const router = await startRouter(t, []);
  const frozenApp = await startHttpApp(t, (_request, response) => response.end("frozen"));
  const awakeApp = await startHttpApp(t, (_request, response) => response.end("awake"));
  const service = `web=${frozenApp.url}`;
  const frozen = new PolarityProcess(t, ["connect", service, "--router", router.link, "--name", "frozen"]);
  await startConnector(t, router.link, { web: { target: awakeApp.url } }, { name: "awake", cost: 10 });
  await offered(router.node, "web", 2);
  const forward = new PolarityProcess(t, ["forward", "http://127.0.0.1:0=web", "--router", router.link]);
  const port = Number(new URL((await forward.ready()).listeners[0] ?? "").port);
  assert.equal((await ask(port)).text, "frozen");
  frozen.signal("SIGSTOP");
  const started = performance.now();
  const { status, text } = await ask(port);
  frozen.signal("SIGCONT");
  assert.deepEqual([status, text], [200, "awake"]);
  assert.ok(performance.now() - started < 5_000, "long before the link counts as dead");
});

test("dial says at once that its token is wrong, and at the latest with its last line that a router is down", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "tokens.yaml"), "phone0: right\n");
  writeFileSync(join(folder, "wrong"), "wrong\n");
  const router = await startRouter(t, [], {
    links: { accept: [{ url: "tcp://127.0.0.1:0", auth: { tokensFile: join(folder, "tokens.yaml") } }] },
  });
  const began = performance.now();
  const rejected = await run(t, [
    "dial",
    "raw",
    "--router",
    router.link,
    "--token-file",
    join(folder, "wrong"),
    "--wait",
    "60s",
  ]);
  assert.equal(rejected.code, 1);
  assert.match(rejected.stderr, /^polarity: .*token/m);
  assert.doesNotMatch(rejected.stderr, /no connector has offered it/);
  assert.ok(performance.now() - began < 30_000);

  const nobody = `tcp://127.0.0.1:${await freePort()}`;
  const down = await run(t, ["dial", "raw", "--router", nobody, "--wait", "300ms"]);
  assert.equal(down.code, 1);
  assert.match(down.stderr, new RegExp(`^polarity: cannot reach ${nobody}: .*ECONNREFUSED`, "m"));
  assert.doesNotMatch(down.stderr, /no connector has offered it/);
});

/** Where people dial and where connectors join: one router, or the ends of three. */
const BETWEEN: readonly (readonly [string, (context: TestContext) => Promise<{ front: string; behind: string }>])[] = [
  [
    "a router",
    async (context) => {
      const { link } = await startRouter(context, []);
      return { front: link, behind: link };
    },
  ],
  [
    "a chain of three routers",
    async (context) => {
      const edge = await startPlace(context, "edge");
      const middle = await startPlace(context, "middle", [edge]);
      const inner = await startPlace(context, "inner", [middle]);
      return { front: edge.link, behind: inner.link };
    },
  ],
];

test("dial and forward reach what one of several routers leads to, and take the next one when that goes", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const lacking = await startPlace(t, "lacking");
  const [first, second] = [await startPlace(t, "first"), await startPlace(t, "second")];
  const inner = await startPlace(t, "inner", [first, second]);
  await startConnector(t, inner.link, { raw: { target: app.url } }, { name: "phone0" });
  for (const { node } of [first, second]) await offered(node, "raw");
  const routers = [lacking, first, second].flatMap(({ link }) => ["--router", link]);
  const forward = new PolarityProcess(t, ["forward", "tcp://127.0.0.1:0=phone0.raw", ...routers]);
  const url = (await forward.ready()).listeners[0] ?? "";
  const echoes = async (): Promise<void> => {
    const direct = ["dial", "raw", "--router", second.link];
    assert.equal((await run(t, ["dial", "phone0.raw", ...routers], { input: "dialled" })).stdout, "dialled");
    assert.equal((await run(t, direct, { input: "straight" })).stdout, "straight");
    const client = new WireClient(t, Number(new URL(url).port)).send("forwarded").halfClose();
    assert.equal(await client.readAll(), "forwarded");
  };
  await echoes();
  await first.node.stop();
  await echoes();
});

for (const [what, startBetween] of BETWEEN) {
  test(
    `redis-cli works on a port that is forwarded through ${what}`,
    { skip: requireTool("redis-server") },
    async (t) => {
      const folder = temporaryFolder(t);
      const path = join(folder, "redis.sock");
      startServer(t, "redis-server", ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]);
      const { front, behind } = await startBetween(t);
      await startConnector(t, behind, { cache: { target: `unix://${path}` } }, { name: "shed" });
      const forward = new PolarityProcess(t, ["forward", "tcp://127.0.0.1:0=shed.cache", "--router", front]);
      const port = new URL((await forward.ready()).listeners[0] ?? "").port;
      const cli = async (...command: string[]): Promise<string> =>
        (await execute("redis-cli", ["-p", port, ...command], { timeout: PROGRAM_TIMEOUT_MS })).stdout.trim();
      await until("redis answers", () =>
        cli("PING").then(
          (text) => text === "PONG",
          () => false,
        ),
      );
      const big = "x".repeat(100_000);
      assert.equal(await cli("SET", "big", big), "OK");
      assert.equal(await cli("GET", "big"), big);
    },
  );

  test(
    `ssh reaches a machine behind ${what} with dial as its ProxyCommand`,
    { skip: requireTool("ssh", "sshd") },
    async (t) => {
      const folder = temporaryFolder(t);
      const server = await startSshServer(t, folder);
      const { front, behind } = await startBetween(t);
      await startConnector(t, behind, { ssh: { target: `tcp://127.0.0.1:${server.port}` } }, { name: "phone0" });
      const proxy = [process.execPath, BIN, "dial", "phone0.ssh", "--router", front]
        .map((word) => `'${word}'`)
        .join(" ");
      const options = [
        `ProxyCommand=${proxy}`,
        `UserKnownHostsFile=${join(folder, "known_hosts")}`,
        "StrictHostKeyChecking=accept-new",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
      ].flatMap((option) => ["-o", option]);
      const destination = `${userInfo().username}@phone0`;
      const asked = execute(toolPath("ssh")!, ["-F", "none", "-i", server.key, ...options, destination, "wc", "-c"], {
        timeout: PROGRAM_TIMEOUT_MS,
      });
      asked.child.stdin?.end("x".repeat(300_000));
      const { stdout } = await asked;
      assert.equal(stdout.trim(), "300000");
    },
  );
}

/** An sshd of the current user's own, with keys made for the test. */
async function startSshServer(
  context: TestContext,
  folder: string,
): Promise<{ readonly port: number; readonly key: string }> {
  const [hostKey, key] = [join(folder, "host"), join(folder, "client")];
  for (const path of [hostKey, key]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path]);
  // Where the system has not started one yet, root's sshd misses this folder.
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const port = await freePort();
  const config = join(folder, "sshd_config");
  const lines = [
    "ListenAddress 127.0.0.1",
    `Port ${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${key}.pub`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "PermitRootLogin prohibit-password",
    "PrintMotd no",
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  startServer(context, "sshd", ["-D", "-f", config]);
  await listens(port);
  return { port, key };
}
