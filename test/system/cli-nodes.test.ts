import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { PolarityProcess, run } from "../support/polarity-process.ts";

/** An HTTP app that answers with what it is asked for; `/slow` is answered when the returned `release` is called. */
async function startApp(context: TestContext) {
  const slow = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = createHttpServer((request, response) => {
    if (request.url !== "/slow") return void response.end(`app ${request.url}`);
    asked.resolve();
    return void slow.promise.then(() => response.end("slow answer"));
  });
  const url = `http://127.0.0.1:${await listening(context, server)}`;
  return { url, slowAsked: asked.promise, release: slow.resolve };
}

async function startTcp(context: TestContext, serve: (socket: Socket) => void): Promise<string> {
  return `tcp://127.0.0.1:${await listening(context, createServer({ allowHalfOpen: true }, serve))}`;
}

async function listening(context: TestContext, server: ReturnType<typeof createServer>): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** What a socket receives up to its end, without closing it then. */
async function received(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(socket, "end");
  return text;
}

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-cli-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function freePort(context: TestContext): Promise<number> {
  const probe = createServer();
  const port = await listening(context, probe);
  probe.close();
  await once(probe, "close");
  return port;
}

const ROUTER = ["router", "--link", "tcp://127.0.0.1:0", "--admin", "http://127.0.0.1:0", "--name", "edge"];

async function startRouter(context: TestContext, ...args: readonly string[]) {
  const router = new PolarityProcess(context, [...ROUTER, ...args]);
  const { links, listeners, admin } = await router.ready();
  return { router, link: links[0] ?? "", clients: listeners[0] ?? "", listeners, admin: admin ?? "" };
}

async function startConnector(
  context: TestContext,
  link: string,
  ...args: readonly string[]
): Promise<PolarityProcess> {
  const connector = new PolarityProcess(context, ["connect", "--router", link, "--name", "laptop", ...args]);
  await connector.until("joined", () => /joined node/.exec(connector.stderr));
  return connector;
}

test("requests pass from a router to an app behind a connector", async (t) => {
  const app = await startApp(t);
  const { link, clients, admin } = await startRouter(t, "--listen", "http://127.0.0.1:0=web");
  await startConnector(t, link, `web=${app.url}`);
  const response = await fetch(`${clients}/a?b=c`);
  assert.deepEqual([response.status, await response.text()], [200, "app /a?b=c"]);

  const table = await run(t, ["get", "services", "--node", admin]);
  assert.match(table.stdout, /^SERVICE +NODE .*\nweb +laptop +http\/1\.1 +up /);
  const status = await run(t, ["status", "-o", "json", "--node", admin]);
  assert.equal((JSON.parse(status.stdout) as { node: { name: string } }).node.name, "edge");
  const links = await run(t, ["get", "links", "-o", "yaml", "--node", admin]);
  assert.match(links.stdout, /^- id: .*\n {2}node: laptop\n/);
});

test("a connector waits for its router, saying so once, and joins when it is there", async (t) => {
  const app = await startApp(t);
  const port = await freePort(t);
  const connector = new PolarityProcess(t, ["connect", app.url, "--router", `tcp://127.0.0.1:${port}`]);
  await connector.until("waiting", () => /waiting for tcp:\/\/127\.0\.0\.1/.exec(connector.stderr));
  const router = new PolarityProcess(t, [
    "router",
    "--link",
    `tcp://127.0.0.1:${port}`,
    "--listen",
    "http://127.0.0.1:0",
  ]);
  const { listeners } = await router.ready();
  await connector.until("joined", () => /joined node/.exec(connector.stderr));
  const response = await fetch(`${listeners[0]}/anything`);
  assert.equal(await response.text(), "app /anything");
});

test("SIGTERM lets a request under way finish and exits 0", async (t) => {
  const app = await startApp(t);
  const { router, link, clients } = await startRouter(t, "--listen", "http://127.0.0.1:0=web");
  await startConnector(t, link, `web=${app.url}`);
  const answer = fetch(`${clients}/slow`).then((response) => response.text());
  await app.slowAsked;
  router.signal("SIGTERM");
  await router.until("draining", () => /draining/.exec(router.stderr));
  app.release();
  assert.equal(await answer, "slow answer");
  assert.deepEqual(await router.exited, { code: 0, signal: null });
});

test("a drain that takes too long ends with 3, and whoever drained beside it then has nothing left to wait for", async (t) => {
  const app = await startApp(t);
  const { router, link, clients } = await startRouter(
    t,
    "--listen",
    "http://127.0.0.1:0=web",
    "--drain-timeout",
    "100ms",
  );
  const connector = await startConnector(t, link, `web=${app.url}`);
  const cut = assert.rejects(fetch(`${clients}/slow`).then((response) => response.text()));
  await app.slowAsked;
  connector.signal("SIGTERM");
  await connector.until("draining", () => /draining/.exec(connector.stderr));
  router.signal("SIGTERM");
  assert.deepEqual(await router.exited, { code: 3, signal: null });
  assert.deepEqual(await connector.exited, { code: 0, signal: null });
  await cut;
});

test("a second SIGINT while a request holds the drain exits 2", async (t) => {
  const app = await startApp(t);
  const { router, link, clients } = await startRouter(t, "--listen", "http://127.0.0.1:0=web");
  await startConnector(t, link, `web=${app.url}`);
  const cut = assert.rejects(fetch(`${clients}/slow`).then((response) => response.text()));
  await app.slowAsked;
  router.signal("SIGINT");
  await router.until("draining", () => /draining/.exec(router.stderr));
  router.signal("SIGTERM");
  assert.deepEqual(await router.exited, { code: 2, signal: null });
  await cut;
});

test("SIGHUP takes a new configuration, and keeps the old one if the new one is wrong", async (t) => {
  const cwd = temporaryFolder(t);
  const app = await startApp(t);
  // A port that the system chooses would be another one after each reload.
  const port = await freePort(t);
  const write = (target: string): void => {
    const services = `services: { web: { target: "${target}" } }`;
    writeFileSync(
      join(cwd, "polarity.yaml"),
      `${services}\nlisteners: [{ url: "http://127.0.0.1:${port}", service: web }]\n`,
    );
  };
  write("http://127.0.0.1:1");
  const node = new PolarityProcess(t, ["run"], { cwd });
  const { listeners } = await node.ready();
  assert.equal((await fetch(`${listeners[0]}/`)).status, 502);

  write("nonsense");
  node.signal("SIGHUP");
  await node.until("told", () => /polarity\.yaml:1:28: services\.web\.target: expected a URL/.exec(node.stderr));
  await node.until("told", () => /the old one stays/.exec(node.stderr));
  assert.equal((await fetch(`${listeners[0]}/`)).status, 502);

  write(app.url);
  node.signal("SIGHUP");
  await node.until("reloaded", () => /configuration reloaded from polarity\.yaml/.exec(node.stderr));
  assert.equal(await (await fetch(`${listeners[0]}/`)).text(), "app /");
});

test("where connectors find their router makes the router not join itself", async (t) => {
  const link = `tcp://127.0.0.1:${await freePort(t)}`;
  const router = new PolarityProcess(t, ["router", "--link", link, "--listen", "http://127.0.0.1:0"], {
    env: { POLARITY_ROUTER: link },
  });
  await router.ready();
  const connector = new PolarityProcess(t, ["connect", "web=1", "--name", "shed"], { env: { POLARITY_ROUTER: link } });
  await router.until("joined", () => /node \\"shed\\" joined from/.exec(router.stderr));
  router.signal("SIGUSR2");
  const line = await router.until("printed", () => /^(.*)\n$/.exec(router.stdout)?.[1]);
  assert.equal((JSON.parse(line) as { links: unknown[] }).links.length, 1);
  connector.signal("SIGTERM");
});

test("SIGUSR2 prints the statistics as one line on standard output", async (t) => {
  const { router } = await startRouter(t, "--listen", "http://127.0.0.1:0");
  router.signal("SIGUSR2");
  const line = await router.until("printed", () => /^(.*)\n$/.exec(router.stdout)?.[1]);
  assert.equal((JSON.parse(line) as { node: { name: string } }).node.name, "edge");
});

test("services are registered and unregistered while a connector runs, and drain ends it", async (t) => {
  const app = await startApp(t);
  const { link, clients } = await startRouter(t, "--listen", "http://127.0.0.1:0");
  const connector = new PolarityProcess(t, ["connect", "first=1", "--router", link, "--admin", "http://127.0.0.1:0"]);
  const { admin = "" } = await connector.ready();
  await connector.until("joined", () => /joined node/.exec(connector.stderr));

  const registered = await run(t, ["register", "late", app.url, "--node", admin]);
  assert.deepEqual([registered.code, registered.stdout], [0, `service late is offered, at ${app.url}\n`]);
  assert.equal(await (await fetch(`${clients}/late/x`)).text(), "app /late/x");
  assert.equal((await run(t, ["unregister", "late", "--node", admin])).code, 0);
  const unknown = await run(t, ["unregister", "late", "--node", admin]);
  assert.deepEqual([unknown.code, unknown.stderr], [1, 'polarity: this node has no service "late"\n']);

  const reload = await run(t, ["reload", "--node", admin]);
  assert.deepEqual([reload.code, reload.stderr], [0, ""]);
  assert.equal((await run(t, ["drain", "--node", admin])).stdout, "draining\n");
  assert.deepEqual(await connector.exited, { code: 0, signal: null });
});

test("an address that is taken is an error of one line, with exit code 1", async (t) => {
  const port = await listening(t, createServer());
  const { code, stderr } = await run(t, [
    "router",
    "--link",
    "tcp://127.0.0.1:0",
    "--listen",
    `http://127.0.0.1:${port}`,
  ]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^polarity: [^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*\\n$`));
});

/** A node that accepts links and serves a target itself, without a router in between. */
async function startServer(context: TestContext, service: string, target: string): Promise<string> {
  const cwd = temporaryFolder(context);
  const lines = ["node: { name: laptop }", "links: { accept: [{ url: 'tcp://127.0.0.1:0' }] }"];
  writeFileSync(join(cwd, "polarity.yaml"), [...lines, `services: { ${service}: { target: "${target}" } }`].join("\n"));
  const { links } = await new PolarityProcess(context, ["run"], { cwd }).ready();
  return links[0] ?? "";
}

test("dial carries the half-close of standard input", async (t) => {
  // Answers when it has everything.
  const target = await startTcp(t, (socket) => {
    void received(socket).then((all) => socket.end(`got ${all}`));
  });
  const link = await startServer(t, "raw", target);
  const { code, stdout, stderr } = await run(t, ["dial", "raw", "--router", link], { input: "all of it" });
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "got all of it", stderr: "" });
});

test("dial goes on sending after the service has half-closed", async (t) => {
  const rest = Promise.withResolvers<string>();
  const target = await startTcp(t, (socket) => {
    socket.end("hello first");
    void received(socket).then(rest.resolve);
  });
  const link = await startServer(t, "raw", target);
  const dial = new PolarityProcess(t, ["dial", "laptop.raw", "--router", link]);
  await dial.until("at the end of its output", () =>
    dial.outputEnded && dial.stdout === "hello first" ? true : undefined,
  );
  dial.send("and more");
  dial.endInput();
  assert.equal(await rest.promise, "and more");
  assert.deepEqual(await dial.exited, { code: 0, signal: null });
});

test("dial to a service that nobody offers says so and exits 1", async (t) => {
  const { link } = await startRouter(t, "--listen", "http://127.0.0.1:0");
  const { code, stdout, stderr } = await run(t, ["dial", "nobody.has-it", "--router", link, "--wait", "300ms"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^polarity: .*has-it.*\n$/);
});

test("forward listens here for a service of one node", async (t) => {
  const target = await startTcp(t, (socket) => socket.pipe(socket));
  const link = await startServer(t, "echo", target);
  const forward = new PolarityProcess(t, [
    "forward",
    "tcp://127.0.0.1:0=laptop.echo",
    "--router",
    link,
    "--name",
    "desk",
  ]);
  const { listeners } = await forward.ready();
  const socket = connect(Number(new URL(listeners[0] ?? "").port), "127.0.0.1");
  socket.end("through and back");
  assert.equal(await received(socket), "through and back");
});

test("ports alone are ports of this machine, and an HTTP app may stand behind a unix socket", async (t) => {
  const socket = join(temporaryFolder(t), "app.sock");
  const app = createHttpServer((request, response) => response.end(`unix ${request.url}`)).listen(socket);
  t.after(() => app.close());
  const [link, clients, admin] = [await freePort(t), await freePort(t), await freePort(t)];
  const router = new PolarityProcess(t, [
    "router",
    "--link",
    `${link}`,
    "--listen",
    `${clients}`,
    "--admin",
    `${admin}`,
  ]);
  assert.deepEqual(await router.ready(), {
    links: [`tcp://127.0.0.1:${link}`],
    listeners: [`http://127.0.0.1:${clients}`],
    admin: `http://127.0.0.1:${admin}`,
  });
  await startConnector(t, `tcp://127.0.0.1:${link}`, `web=http+unix://${socket}`);
  const response = await fetch(`http://127.0.0.1:${clients}/web/hello`);
  assert.equal(await response.text(), "unix /web/hello");
});
