/** Files that a configuration names, tokens and certificates: read again when they change, on SIGHUP and with `reload`. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { startHttpApp } from "../support/apps.ts";
import { configOf, startNode } from "../support/cluster.ts";
import { TestAuthority } from "../support/certificates.ts";
import { until } from "../support/patience.ts";
import { BIN, PolarityProcess, run } from "../support/polarity-process.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { startHttpsApp } from "../support/tls-apps.ts";
import { authorityFile, certificateFiles, replaceFiles } from "../support/tls-files.ts";
import { requireTool } from "../support/tools.ts";

const authority = await TestAuthority.create();

/** A folder as Kubernetes mounts secrets: `..data` leads to the files of the moment, and is turned round at once. */
class Mount {
  readonly #folder: string;
  #versions = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  put(name: string, text: string): string {
    const version = `..${++this.#versions}`;
    mkdirSync(join(this.#folder, version));
    writeFileSync(join(this.#folder, version, name), text, { mode: 0o600 });
    symlinkSync(version, join(this.#folder, "..next"));
    renameSync(join(this.#folder, "..next"), join(this.#folder, "..data"));
    if (this.#versions === 1) symlinkSync(join("..data", name), join(this.#folder, name));
    return join(this.#folder, name);
  }
}

/** The serial number of the certificate that is shown at `port`. */
async function shownAt(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, ca: authority.cert, servername: "localhost" });
  try {
    await once(socket, "secureConnect");
    return socket.getPeerX509Certificate()?.serialNumber ?? "";
  } finally {
    socket.destroy();
  }
}

const has = (process: PolarityProcess, pattern: RegExp) => () => pattern.exec(process.stderr);

test("nodes that flags started read tokens and link certificates again when the files change", async (t) => {
  const folder = temporaryFolder(t);
  const tokens = new Mount(folder);
  const tokensFile = tokens.put("tokens.yaml", "shed: first\n");
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "first\n", { mode: 0o600 });
  const files = await certificateFiles(folder, authority, "localhost");
  const app = await startHttpApp(t, (_request, response) => response.end("ok"));
  const opened = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0", "--admin", "http://127.0.0.1:0"];
  const named = ["--tokens-file", tokensFile, "--tls-cert", files.cert, "--tls-key", files.key];
  const router = new PolarityProcess(t, ["router", ...opened, ...named]);
  const { links, listeners, admin = "" } = await router.ready();
  const port = Number(new URL(links[0] ?? "").port);
  const ca = authorityFile(folder, authority);
  const dialled = ["--router", `tls://localhost:${port}`, "--ca", ca, "--token-file", tokenFile];
  const command = ["connect", `web=${app.url}`, ...dialled, "--admin", "http://127.0.0.1:0"];
  const connector = new PolarityProcess(t, command);
  const own = (await connector.ready()).admin ?? "";
  await connector.until("joined", has(connector, /joined node/));
  const ask = async () => (await fetch(`${listeners[0]}/web`)).text();
  assert.equal(await ask(), "ok");

  // The certificate: new handshakes get it, the link stays.
  const before = await shownAt(port);
  const table = await run(t, ["get", "certificates", "--node", admin]);
  assert.match(table.stdout, new RegExp(`${files.cert} +localhost .*tcp://127\\.0\\.0\\.1`));
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  assert.match(metrics, /polarity_certificate_expires_days\{listener="tcp:\/\/127[^}]*localhost\.crt[^}]*\} 0/);
  replaceFiles(files, await authority.issue({ dns: ["localhost"] }));
  await until("the new certificate is shown", async () => (await shownAt(port)) !== before);
  assert.doesNotMatch(connector.stderr, /ended|drain/);

  // What cannot be used changes nothing, and shows nothing.
  tokens.put("tokens.yaml", "shed: !S3cret first\n");
  await router.until("told", has(router, /what was read before stays: .*tokens\.yaml/));
  assert.match(router.stderr, /tokens\.yaml:1:7: a tag \(!\) that is not known/);
  assert.doesNotMatch(router.stderr + router.stdout, /S3cret/);
  assert.equal(await ask(), "ok");
  assert.doesNotMatch(connector.stderr, /ended/);

  // Who comes under another token now is let go, and comes back with it.
  writeFileSync(tokenFile, "second\n");
  await connector.until("read again", has(connector, /changed, and read again: .*token/));
  assert.doesNotMatch(connector.stderr, /ended/);
  tokens.put("tokens.yaml", "shed: second\n");
  await router.until("drained", has(router, /the link of node .* is drained: its token is not known here any more/));
  await until("it has joined again", () => connector.stderr.match(/joined node/g)?.length === 2);
  await until("it serves", async () => (await ask()) === "ok");

  // SIGHUP and `reload` read the files of flags too.
  router.signal("SIGHUP");
  await router.until("reloaded", has(router, /configuration reloaded from the files that its flags name/));
  const reload = await run(t, ["reload", "--node", own]);
  assert.deepEqual([reload.code, reload.stderr], [0, ""]);
  rmSync(tokenFile);
  const without = await run(t, ["reload", "--node", own]);
  assert.match(without.stderr, /--token-file: cannot read .*token: no such file/);
});

test("an admin token and a target's authority are read again, and the service stays what it is", async (t) => {
  const folder = temporaryFolder(t);
  const other = await TestAuthority.create("Other");
  const token = join(folder, "admin-token");
  writeFileSync(token, "old", { mode: 0o600 });
  const app = await startHttpsApp(t, await authority.issue({ dns: ["localhost"] }), (_request, response) =>
    response.end("ok"),
  );
  const ca = authorityFile(folder, other);
  writeFileSync(
    join(folder, "polarity.yaml"),
    `services: { web: { target: "https://localhost:${app.port}", tls: { ca: ca.crt }, health: { interval: 100ms } } }
listeners: [{ url: "http://127.0.0.1:0", service: web }]
admin: { url: "http://127.0.0.1:0", tokenFile: admin-token }
`,
  );
  const node = new PolarityProcess(t, ["run"], { cwd: folder });
  const { listeners, admin = "" } = await node.ready();
  const status = async (path: string, word: string) =>
    (await fetch(`${admin}${path}`, { headers: { authorization: `Bearer ${word}` } })).status;
  assert.equal(await status("/metrics", "old"), 200);
  await until("it is down", async () => (await fetch(`${listeners[0]}/`)).status >= 502);

  writeFileSync(ca, authority.cert);
  writeFileSync(token, "new");
  await until("the new token counts", async () => (await status("/metrics", "new")) === 200);
  assert.equal(await status("/metrics", "old"), 401);
  await until("the app is trusted", async () => (await fetch(`${listeners[0]}/`)).status === 200);
  assert.match(node.stderr, /changed, and read again: /);
  assert.doesNotMatch(node.stderr, /take effect with the next start/);
});

const HANG_UP = `
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"started" not in seen and b"tcp://" not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
deadline = time.time() + 15
while time.time() < deadline:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        print("ended", os.waitstatus_to_exitcode(status))
        sys.exit()
    time.sleep(0.05)
os.kill(pid, 9)
print("stayed")
`;

async function hangUp(context: TestContext, parameters: readonly string[]): Promise<string> {
  const child = spawn("python3", ["-c", HANG_UP, process.execPath, BIN, ...parameters], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  await once(child, "close");
  return said.trim();
}

test("a connector that was typed at a terminal ends with it", { skip: requireTool("python3") }, async (t) => {
  assert.equal(await hangUp(t, ["connect", "web=1", "--router", `tcp://127.0.0.1:${await freePort()}`]), "ended 0");
});

test("without a terminal SIGHUP ends nothing", async (t) => {
  const connector = new PolarityProcess(t, ["connect", "web=1", "--router", `tcp://127.0.0.1:${await freePort()}`]);
  await connector.ready();
  connector.signal("SIGHUP");
  await connector.until("reloaded", has(connector, /configuration reloaded from the files that its flags name/));
});

test("a token that came through a pipe is read once", async (t) => {
  const child = spawn(
    "bash",
    [
      "-c",
      `exec "$0" "$@" --token-file <(echo secret)`,
      process.execPath,
      BIN,
      "connect",
      "web=1",
      "--router",
      "tcp://127.0.0.1:1",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  await until("it waits for its router", () => said.includes("waiting for"));
  child.kill("SIGHUP");
  await until("it has reloaded", () => said.includes("configuration reloaded"));
});

test("listeners whose ports the system chose keep them over reloads", async (t) => {
  const web = { url: "http://127.0.0.1:0", service: "web" };
  const other = { url: "http://127.0.0.1:0", service: "other" };
  const raw = { url: "tcp://127.0.0.1:0", service: "raw" };
  const datagrams = { url: "udp://127.0.0.1:0", service: "dns" };
  const accept = { url: "tcp://127.0.0.1:0" };
  const edge = { node: { name: "edge" }, links: { accept: [accept] } };
  const node = await startNode(t, { ...edge, listeners: [web, other, raw, datagrams] });
  const { listeners: before, links } = node.addresses;
  await node.reload(configOf({ ...edge, listeners: [{ ...web, waitForOffer: "1s" }, other, raw, datagrams] }));
  assert.deepEqual(node.addresses, { listeners: before, links });
  // Whoever is left is who it was, wherever it stands now.
  const changed = { ...edge, links: { accept: [{ ...accept, relay: false }] } };
  await node.reload(configOf({ ...changed, listeners: [datagrams, { ...other, waitForOffer: "1s" }, raw] }));
  assert.deepEqual(node.addresses, { listeners: [before[3], before[1], before[2]], links });
  await node.reload(configOf({ ...edge, listeners: [other, web] }));
  assert.equal(node.addresses.listeners[0], before[1]);
  assert.notEqual(node.addresses.listeners[1], before[1]);
});

test("permissions of unix sockets are what the configuration says, also after a reload", async (t) => {
  const folder = temporaryFolder(t);
  const [clients, links, admin] = ["clients", "links", "admin"].map((name) => join(folder, name));
  const config = (mode: string) => `
node: { name: edge }
links: { accept: [{ url: "unix://${links}", socketMode: 0600 }] }
listeners: [{ url: "unix://${clients}", service: db, socketMode: ${mode} }]
admin: { url: "unix://${admin}", socketMode: "0666" }
`;
  writeFileSync(join(folder, "polarity.yaml"), config('"0660"'));
  const node = new PolarityProcess(t, ["run"], { cwd: folder });
  await node.ready();
  const modes = () => [clients, links, admin].map((path) => (statSync(path!).mode & 0o777).toString(8));
  assert.deepEqual(modes(), ["660", "600", "666"]);
  writeFileSync(join(folder, "polarity.yaml"), config("0o777"));
  const wrong = await run(t, ["validate"], { cwd: folder });
  assert.match(wrong.stderr, /polarity\.yaml:4:\d+: listeners\[0\]\.socketMode: expected permissions such as 0660/);
  writeFileSync(join(folder, "polarity.yaml"), config("0640"));
  node.signal("SIGHUP");
  await node.until("reloaded", has(node, /configuration reloaded/));
  assert.deepEqual(modes(), ["640", "600", "666"]);
});
