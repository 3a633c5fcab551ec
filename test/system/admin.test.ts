/** The admin server and its client over real sockets. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer as createHttpServer, request } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startAdmin } from "../../src/admin/admin.ts";
import { AdminClient } from "../../src/admin/client.ts";
import type { AdminSource, Readiness } from "../../src/admin/source.ts";
import { parseListenerAddress } from "../../src/base/address.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { PolarityError } from "../../src/base/errors.ts";
import type { ServiceConfig } from "../../src/config/node-config.ts";
import { viewService } from "../../src/node/traffic-view.ts";
import type { NodeView } from "../../src/node/view.ts";
import { Registry, REGISTRY_LIMITS } from "../../src/registry/registry.ts";
import { expectFailures } from "../support/expected-failures.ts";

/** The least that a node could be: services that are registered, and states that tests set. */
class TinyNode implements AdminSource {
  readonly registered = new Map<string, ServiceConfig>();
  state: Readiness = { ready: true, reasons: [] };
  drains = 0;
  reloadFailure: Error | undefined;
  readonly #registry = new Registry({ random: () => 0, clock: { now: () => 0 }, limits: REGISTRY_LIMITS });

  readiness(): Readiness {
    return this.state;
  }

  register(service: ServiceConfig): void {
    if (service.name === "taken") throw new PolarityError("NAME_TAKEN", 'service "taken" belongs to another identity');
    this.registered.set(service.name, service);
    this.#registry.declare(service.name);
  }

  unregister(name: string): void {
    if (!this.registered.delete(name))
      throw new PolarityError("SERVICE_UNKNOWN", `no service ${JSON.stringify(name)} here`);
    this.#registry.undeclare(name);
  }

  setCost(link: string): void {
    throw new PolarityError("LINK_UNKNOWN", `no ${link} here`);
  }

  drain(): void {
    this.drains++;
  }

  async reload(): Promise<void> {
    if (this.reloadFailure !== undefined) throw this.reloadFailure;
  }

  view(): NodeView {
    return {
      node: {
        name: "edge",
        instance: "i",
        version: "0",
        startedAt: "2026-01-01T00:00:00Z",
        uptimeSeconds: 1,
        state: "ready",
      },
      listeners: [],
      linkCertificates: [],
      links: [],
      services: this.#registry.services().map((service) => viewService(service, () => null, 0)),
      nodes: [],
      sessions: [],
      sessionsOmitted: 0,
      analyses: [],
      totals: {
        requestsTotal: 0,
        requestsActive: 0,
        connectionsOpen: 0,
        bytesInTotal: 0,
        bytesOutTotal: 0,
        links: 0,
        linksUp: 0,
        streamsOpen: 0,
        waiting: 0,
        offersRefusedTotal: 0,
        heldBytes: 0,
        heldStreamsShedTotal: 0,
        heldBytesShedTotal: 0,
      },
      process: { pid: 1, rssBytes: 1, heapUsedBytes: 1, cpuSeconds: 1, eventLoopDelayP99Ms: null, internalErrors: {} },
    };
  }
}

async function setUp(t: TestContext, options: { url?: string; token?: string; clientToken?: string } = {}) {
  const node = new TinyNode();
  const address = parseListenerAddress(options.url ?? "http://127.0.0.1:0");
  const admin = await startAdmin({ address, token: () => options.token, source: node, logger: silentLogger });
  t.after(() => admin.close());
  const client = new AdminClient({ url: admin.address, token: options.clientToken ?? options.token, timeoutMs: 5000 });
  return { node, admin, client };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

async function ask(
  base: string,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body = "",
): Promise<Answer> {
  const { hostname, port } = new URL(base);
  // The path goes out as it is written here: a URL would tidy it up.
  const outgoing = request({ hostname, port, path, method, headers, agent: false });
  outgoing.end(body);
  const [response] = await once(outgoing, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "polarity-admin-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

const code =
  (expected: string, message = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof PolarityError, String(error));
    assert.equal(error.code, expected);
    assert.match(error.message, message);
    return true;
  };

test("health says alive always, and ready only when it is, with the reasons", async (t) => {
  const { node, admin, client } = await setUp(t);
  assert.equal((await ask(admin.address, "GET", "/livez")).status, 200);
  assert.equal((await ask(admin.address, "GET", "/readyz")).status, 200);
  node.state = { ready: false, reasons: ["draining"] };
  const unready = await ask(admin.address, "GET", "/readyz");
  assert.equal(unready.status, 503);
  assert.deepEqual(JSON.parse(unready.body), { ready: false, reasons: ["draining"] });
  assert.equal((await ask(admin.address, "GET", "/livez")).status, 200);
  assert.equal((await ask(admin.address, "GET", "/healthz")).status, 200);
  assert.deepEqual((await client.readiness()).reasons, ["draining"]);
});

test("what a node shows comes whole and in parts", async (t) => {
  const { node, client, admin } = await setUp(t);
  await client.register({ name: "web", target: "http://127.0.0.1:3000" });
  assert.deepEqual(await client.view(), node.view());
  assert.deepEqual(
    (await client.services()).map((service) => service.name),
    ["web"],
  );
  const parts = await Promise.all([client.links(), client.nodes(), client.sessions(), client.listeners()]);
  assert.deepEqual(parts, [[], [], [], []]);
  const metrics = await ask(admin.address, "GET", "/metrics");
  assert.match(String(metrics.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^polarity_node_info\{node="edge",.*\} 1$/m);
});

test("a service is registered with the settings of the configuration file, and unregistered", async (t) => {
  const { node, client } = await setUp(t);
  const name = "odd/näme?";
  await client.register({ name, target: "tcp://127.0.0.1:5432", weight: 3 });
  const service = node.registered.get(name);
  assert.deepEqual([service?.weight, service?.protocol, service?.target.url], [3, "tcp", "tcp://127.0.0.1:5432"]);
  await client.unregister(name);
  assert.equal(node.registered.size, 0);
  await assert.rejects(client.unregister(name), code("SERVICE_UNKNOWN", /odd\/näme\?/));
});

test("a service that the configuration would not take is refused with what is wrong", async (t) => {
  const { node, client, admin } = await setUp(t);
  await assert.rejects(
    client.register({ name: "web", target: "gopher://127.0.0.1" }),
    code("CONFIG_INVALID", /^service "web": target: .*gopher/),
  );
  await assert.rejects(client.register({ name: "a b", target: "3000" }), code("CONFIG_INVALID", /blanks/));
  await assert.rejects(client.register({ name: "taken", target: "3000" }), code("NAME_TAKEN"));
  const json = { "content-type": "application/json" };
  for (const [body, expected] of [
    ['{"name":"web","target":"3000","wieght":1}', "CONFIG_INVALID"],
    ['{"name":"__proto__","target":{}}', "CONFIG_INVALID"],
    ['{"target":"3000"}', "CONFIG_INVALID"],
    ["[]", "CONFIG_INVALID"],
    ["", "CONFIG_INVALID"],
    ["{", "BAD_REQUEST"],
    [`{"name":"${"x".repeat(70_000)}"}`, "BAD_REQUEST"],
  ] as const) {
    const answer = await ask(admin.address, "POST", "/api/v1/services", json, body);
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} for ${body.slice(0, 50)}`);
    assert.equal(JSON.parse(answer.body).code, expected, answer.body);
  }
  assert.equal(node.registered.size, 0);
});

test("draining and reloading are asked for once each, and a failed reload says why", async (t) => {
  const { node, client } = await setUp(t);
  await client.drain();
  assert.equal(node.drains, 1);
  await client.reload();
  node.reloadFailure = new PolarityError("CONFIG_INVALID", "polarity.yaml:5:13: nonsense");
  await assert.rejects(client.reload(), code("CONFIG_INVALID", /^polarity\.yaml:5:13: nonsense$/));
  const failures = expectFailures(t);
  node.reloadFailure = new Error("secret detail");
  await assert.rejects(client.reload(), code("INTERNAL", /^(?!.*secret)/));
  assert.deepEqual(
    failures.map(({ place, error }) => [place, error.cause]),
    [["admin", node.reloadFailure]],
  );
});

test("a web page can neither read through a name of its own nor change anything", async (t) => {
  const { node, admin } = await setUp(t);
  const json = { "content-type": "application/json" };
  const rebound = await ask(admin.address, "GET", "/stats", { host: "rebound.example" });
  assert.equal(rebound.status, 403);
  assert.equal(JSON.parse(rebound.body).code, "ADMIN_FORBIDDEN");
  const posts = [
    { ...json, origin: "https://evil.example" },
    { ...json, "sec-fetch-site": "cross-site" },
    { "content-type": "application/x-www-form-urlencoded" },
    {},
  ];
  for (const headers of posts) {
    const { status } = await ask(admin.address, "POST", "/api/v1/drain", headers);
    assert.ok(status === 403 || status === 415, `${status} for ${JSON.stringify(headers)}`);
  }
  const preflight = await ask(admin.address, "OPTIONS", "/api/v1/drain", { origin: "https://evil.example" });
  assert.equal(preflight.headers["access-control-allow-origin"], undefined);
  assert.equal(node.drains, 0);
  assert.equal((await ask(admin.address, "GET", "/livez", { host: "10.0.0.7" })).status, 200);
});

test("with a token nothing but health is open, however the path is spelled", async (t) => {
  const { node, client, admin } = await setUp(t, { token: "s3cret\n" });
  for (const path of [
    "/stats",
    "/metrics",
    "/api/v1/services",
    "/nothing",
    "/livez/../stats",
    "//livez",
    "/Livez",
    "/livez/",
  ]) {
    assert.equal((await ask(admin.address, "GET", path)).status, 401, path);
  }
  assert.equal((await ask(admin.address, "GET", "/readyz?x")).status, 200);
  assert.equal((await ask(admin.address, "GET", "/stats", { authorization: "Bearer s3cret" })).status, 200);
  await client.drain();
  assert.equal(node.drains, 1);
  const stranger = new AdminClient({ url: admin.address, token: "guess", timeoutMs: 5000 });
  await assert.rejects(stranger.drain(), code("AUTH_FAILED"));
  assert.equal(node.drains, 1);
});

test("a listener that others can reach does not start without a token", async () => {
  const node = new TinyNode();
  for (const [url, token, expected] of [
    ["http://0.0.0.0:0", undefined, "INSECURE_LISTENER"],
    ["http://:0", undefined, "INSECURE_LISTENER"],
    ["http://:0", " \n", "CONFIG_INVALID"],
  ] as const) {
    const address = parseListenerAddress(url);
    await assert.rejects(
      startAdmin({ address, token: () => token, source: node, logger: silentLogger }),
      code(expected),
    );
  }
});

test("an unknown path is told as such, in JSON", async (t) => {
  const { admin } = await setUp(t);
  const answer = await ask(admin.address, "GET", "/api/v2/services");
  assert.equal(answer.status, 404);
  assert.deepEqual(JSON.parse(answer.body), { code: "NO_ROUTE", message: "the admin API has no GET /api/v2/services" });
});

test("a unix socket serves this user only, and one left behind is taken over", async (t) => {
  const path = join(folder(t), "admin.sock");
  const { client } = await setUp(t, { url: `unix://${path}` });
  assert.equal((await client.view()).node.name, "edge");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(setUp(t, { url: `unix://${path}` }), code("ADDRESS_IN_USE", /something else listens there/));

  // A process that is killed leaves its socket file.
  const left = join(folder(t), "left.sock");
  const killed = `require("node:net").createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", killed]);
  assert.ok(statSync(left).isSocket());
  const second = await setUp(t, { url: `unix://${left}` });
  assert.equal((await second.client.view()).node.name, "edge");
});

test("a port that is taken is said with its address", async (t) => {
  const { admin } = await setUp(t);
  await assert.rejects(
    setUp(t, { url: admin.address }),
    code("ADDRESS_IN_USE", /http:\/\/127\.0\.0\.1:\d+: something else listens/),
  );
});

test("closing cuts connections that would hold it up, and may be asked for twice", async (t) => {
  const { admin } = await setUp(t);
  const url = new URL(admin.address);
  const idle = connect(Number(url.port), url.hostname);
  await once(idle, "connect");
  idle.on("error", () => {});
  const closed = once(idle, "close");
  await Promise.all([admin.close(), admin.close()]);
  await closed;
});

test("a client says that nobody answers, or that what answers is something else", async (t) => {
  const other = createHttpServer((_request, response) => response.end("hello"));
  t.after(() => other.close());
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const silent = createServer();
  t.after(() => silent.close());
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const sockets = new Set<{ destroy(): void }>();
  silent.on("connection", (socket) => sockets.add(socket));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;

  const view = (url: string, timeoutMs = 5000) => new AdminClient({ url, token: undefined, timeoutMs }).view();
  await assert.rejects(view(otherUrl), code("ADMIN_UNREACHABLE", /is no admin API: GET \/stats gave status 200$/));
  await assert.rejects(view(silentUrl, 50), code("ADMIN_UNREACHABLE", /it took too long$/));
  await assert.rejects(view("unix:///nonexistent.sock"), code("ADMIN_UNREACHABLE", /there is no such socket$/));
  const { admin } = await setUp(t);
  await admin.close();
  await assert.rejects(
    view(admin.address),
    code("ADMIN_UNREACHABLE", /^no node answers on http:.*: connection refused$/),
  );
  assert.throws(
    () => new AdminClient({ url: "tcp://127.0.0.1:1", token: undefined, timeoutMs: 1 }),
    code("ADDRESS_INVALID"),
  );
});
