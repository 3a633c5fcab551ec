/** Unix sockets that have a name instead of a file, wherever an address may be given. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { AdminClient } from "../../src/admin/client.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { offered, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { startRawApp } from "../support/apps.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { WireClient } from "../support/wire-client.ts";

const LINUX = {
  skip: process.platform === "linux" ? false : "only Linux has abstract unix sockets",
  timeout: 60_000,
};

/** Names are the machine's, so each test has its own. */
const nameFor = (what: string): string => `polarity-test/${what}=${randomUUID()}`;

test(
  "clients, links and apps may all be at abstract unix sockets, and nothing is beyond this machine",
  LINUX,
  async (t) => {
    const [clients, links, apps] = [nameFor("clients"), nameFor("links"), nameFor("apps")];
    const app = await startRawApp(t, (socket) => socket.pipe(socket), `\0${apps}`);
    assert.equal(app.url, `unix:@${apps}`);
    const router = await startNode(t, {
      links: { accept: [{ url: `unix:@${links}` }] },
      listeners: [{ url: `unix://@${clients}`, service: "bus" }],
    });
    assert.deepEqual(router.addresses.links, [`unix:@${links}`]);
    assert.deepEqual(router.addresses.listeners, [`unix:@${clients}`]);
    await startConnector(t, `unix:@${links}`, { bus: { target: app.url, health: { interval: "100ms" } } });
    await offered(router, "bus");
    assert.equal(await new WireClient(t, { path: `\0${clients}` }).send("hello").halfClose().readAll(), "hello");
  },
);

test("a name that is taken, or that nobody listens on, is told as @name", LINUX, async (t) => {
  const name = nameFor("taken");
  await startRawApp(t, (socket) => socket.destroy(), `\0${name}`);
  const taken = { code: "ADDRESS_IN_USE", message: new RegExp(`cannot listen on @${name}: `) };
  await assert.rejects(startNode(t, { listeners: [{ url: `unix:@${name}`, service: "x" }] }), taken);
  await assert.rejects(startNode(t, { links: { accept: [{ url: `unix:@${name}` }] } }), taken);
  const admin = await run(t, ["router", "--link", "tcp://127.0.0.1:0", "--admin", `unix:@${name}`]);
  assert.equal(admin.code, 1);
  assert.match(admin.stderr, /cannot listen on unix:@.*: something else listens there/);

  const nowhere = nameFor("nowhere");
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  await startConnector(t, router.link, { web: { target: `unix:@${nowhere}`, protocol: "http/1.1" } });
  await offered(router.node, "web");
  const answer = await fetch(`http://127.0.0.1:${router.port}/`);
  assert.equal(answer.status, 502);
  assert.match(await answer.text(), new RegExp(`cannot reach unix:@${nowhere}: connect ECONNREFUSED @${nowhere}`));

  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
  await startNode(t, { links: { dial: [{ url: `unix:@${nowhere}` }] } }, logger);
  const failed = await until("the link fails", () => warnings[0]);
  assert.match(failed, /^waiting for unix:@.*: cannot reach unix:@.*: connect ECONNREFUSED @/);
});

test("the command line takes them: listen, expose, status", LINUX, async (t) => {
  const [clients, links, admin, apps] = [nameFor("c"), nameFor("l"), nameFor("admin"), nameFor("a")];
  await startRawApp(t, (socket) => socket.end("from the app"), `\0${apps}`);
  const flags = ["--link", `unix:@${links}`, "--listen", `unix:@${clients}=bus`, "--admin", `unix:@${admin}`];
  const router = new PolarityProcess(t, ["router", ...flags]);
  const addresses = await router.ready();
  assert.deepEqual(addresses.links, [`unix:@${links}`]);
  assert.equal(addresses.admin, `unix:@${admin}`);
  const connector = new PolarityProcess(t, ["connect", "--router", `unix:@${links}`, `bus=unix:@${apps}`]);
  await connector.until("joined", () => /joined node/.exec(connector.stderr));
  const client = new AdminClient({ url: `unix:@${admin}`, token: undefined, timeoutMs: 5000 });
  await until("the service is there", async () => (await client.view()).services.length === 1);
  assert.equal(await new WireClient(t, { path: `\0${clients}` }).readAll(), "from the app");
  const status = await run(t, ["status", "--node", `unix:@${admin}`]);
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, /bus/);
});
