/** What passes a row of routers: bytes, endings, addresses, names and errors. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { configOf, offered, portOf, startNode } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { listening, port, startChain, startPlace, waysAre } from "../support/router-places.ts";
import { WireClient } from "../support/wire-client.ts";

test("a service at the end of a chain is reached, with its path and the sum of the costs", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const edge = await startPlace(t, "edge", [], listening("app"));
  const middle = await startPlace(t, "middle", [{ url: edge.link, relay: true, cost: 10 }]);
  const shed = { node: { name: "shed" }, links: { dial: [{ url: middle.link, cost: 3 }] } };
  await startNode(t, { ...shed, services: { app: { target: app.url, weight: 7, labels: { zone: "a" } } } });
  await waysAre(edge, "app", ["middle shed"]);
  const [offer] = edge.node.view().services[0]?.offers ?? [];
  assert.deepEqual(
    [offer?.node, offer?.cost, offer?.weight, offer?.labels, offer?.path],
    ["shed", 13, 7, { zone: "a" }, ["middle", "shed"]],
  );
  assert.equal(await new WireClient(t, port(edge)).send("hello").read(5), "hello");
});

test("it makes no difference who dials in a chain", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("here"));
  const inner = await startPlace(t, "inner");
  const middle = await startPlace(t, "middle", [{ url: inner.link }]);
  const edge = await startPlace(t, "edge", [{ url: middle.link }], listening("app"));
  await startNode(t, {
    node: { name: "shed" },
    links: { dial: [{ url: inner.link }] },
    services: { app: { target: app.url } },
  });
  await waysAre(edge, "app", ["middle inner shed"]);
  assert.equal(await new WireClient(t, port(edge)).readAll(), "here");
});

test("a server that speaks first, bytes behind the opening, half-close and a body that ends by close pass a chain", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.write("220 ready\r\n");
    const heard: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => heard.push(chunk));
    socket.on("end", () => socket.end(`heard ${Buffer.concat(heard).toString()}`));
  });
  const { edge } = await startChain(t, app.url, listening("app"));
  const client = new WireClient(t, port(edge)).send("at once");
  assert.equal(await client.readTo("\r\n"), "220 ready\r\n");
  client.send(", and the rest").halfClose();
  assert.equal(await client.readAll(), "heard at once, and the rest");
  assert.equal(await client.ended, "end");
});

test("a response whose body ends by close is whole behind a chain, and one that is cut is not", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.once("data", (chunk) => {
      socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end");
      if (chunk.toString().includes("/cut")) setImmediate(() => socket.resetAndDestroy());
      else socket.end();
    });
  });
  const { edge } = await startChain(t, app.url, listening("app", "http://127.0.0.1:0"), "http/1.1");
  const whole = await ask(port(edge), { path: "/whole" });
  assert.deepEqual([whole.status, whole.text], [200, "to the end"]);
  await assert.rejects(ask(port(edge), { path: "/cut" }));
});

test("a reset passes a chain in both directions", async (t) => {
  const left = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<void>();
  const app = await startRawApp(t, (socket) => {
    socket.once("data", (chunk) => (chunk.toString() === "break" ? socket.resetAndDestroy() : connected.resolve()));
    socket.once("close", () => left.resolve());
  });
  const { edge } = await startChain(t, app.url, listening("app"));
  const leaving = new WireClient(t, port(edge)).send("stay");
  await soon("the app's connection", connected.promise);
  leaving.socket.resetAndDestroy();
  await soon("the end of the app's connection", left.promise);
  assert.equal(await soon("a reset", new WireClient(t, port(edge)).send("break").ended), "reset");
});

test("a client that stops reading stops the app at the other end of a chain, and what it reads in the end is whole", async (t) => {
  const bytes = randomBytes(48 * 1024 * 1024);
  let written = 0;
  const app = await startRawApp(t, (socket) => {
    const step = 64 * 1024;
    const write = (): void => {
      while (written < bytes.length && socket.write(bytes.subarray(written, (written += step))));
      if (written >= bytes.length) socket.end();
    };
    socket.on("drain", write);
    write();
  });
  const { edge } = await startChain(t, app.url, listening("app"));
  const client = new WireClient(t, port(edge));
  client.socket.removeAllListeners("data").pause();
  let before = -1;
  await until("the app to stand still", () => {
    const still = written > 0 && before === written;
    before = written;
    return still;
  });
  assert.ok(written < bytes.length, `the app wrote all of ${written} bytes to a client that reads nothing`);
  const received = createHash("sha256");
  client.socket.on("data", (chunk: Buffer) => received.update(chunk)).resume();
  assert.equal(await soon("the end", client.ended, 20_000), "end");
  assert.equal(received.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
});

test("HTTP passes a chain: bodies both ways, the client's address, a websocket's upgrade, and who failed", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("x-from", request.headers["x-forwarded-for"] ?? "");
      response.end(Buffer.concat(chunks));
    });
  });
  app.server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
    socket.pipe(socket);
  });
  const { edge, shed } = await startChain(t, app.url, listening("app", "http://127.0.0.1:0"));
  const body = randomBytes(3_000_000);
  const { status, text, headers } = await ask(port(edge), { method: "POST", body });
  assert.deepEqual([status, headers["x-from"], text.length], [200, "127.0.0.1", body.toString().length]);

  const client = new WireClient(t, port(edge));
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  assert.match(await client.readTo("\r\n\r\n"), /^HTTP\/1\.1 101 /);
  assert.equal(await client.send("through three links").read(19), "through three links");
  client.socket.destroy();

  shed.register(configOf({ services: { broken: { target: "http://127.0.0.1:1" } } }).services[0]!);
  await waysAre(edge, "broken", ["middle inner shed"]);
  const failed = await ask(
    port(await startPlace(t, "desk", [{ url: edge.link }], listening("broken", "http://127.0.0.1:0"))),
  );
  assert.deepEqual([failed.status, failed.headers["x-polarity-error"]], [502, "TARGET_UNREACHABLE"]);
  assert.match(failed.text, /shed/);
});

test("the client's address reaches an app at the end of a chain in a PROXY header", async (t) => {
  const app = await startRawApp(t, (socket) => socket.once("data", (chunk) => socket.end(chunk)));
  const edge = await startPlace(t, "edge", [], listening("app"));
  const middle = await startPlace(t, "middle", [edge]);
  const services = { app: { target: app.url, proxyProtocol: "v1" as const } };
  await startNode(t, { node: { name: "shed" }, links: { dial: [{ url: middle.link }] }, services });
  await waysAre(edge, "app", ["middle shed"]);
  const client = new WireClient(t, port(edge));
  await soon("the connection", new Promise((resolve) => client.socket.once("connect", resolve)));
  const { localPort } = client.socket;
  const said = await client.readAll();
  assert.ok(said.startsWith("PROXY TCP4 127.0.0.1 ") && said.includes(` ${localPort} `), said);
});

test("names that look like anything pass a chain", async (t) => {
  const app = await startRawApp(t, (socket) => socket.end("found"));
  const names = ["a,b", 'q"uo\\te', "ünï·code", "comma,semi;colon:", "constructor", "%20"];
  const edge = await startPlace(t, "edge", [], {
    listeners: names.map((service) => ({ url: "tcp://127.0.0.1:0", service })),
  });
  const middle = await startPlace(t, "middle", [edge]);
  await startNode(t, {
    node: { name: "shed" },
    links: { dial: [{ url: middle.link }] },
    services: Object.fromEntries(names.map((name) => [name, { target: app.url }])),
  });
  for (const [index, name] of names.entries()) {
    await waysAre(edge, name, ["middle shed"]);
    const listener = portOf(edge.node.addresses.listeners[index] ?? "");
    assert.equal(await new WireClient(t, listener).readAll(), "found", name);
  }
});

test("node.service reaches that node's behind a chain and no other", async (t) => {
  const edge = await startPlace(t, "edge", [], {
    listeners: ["phone0", "phone1"].map((node) => ({ url: "tcp://127.0.0.1:0", service: "who", node })),
  });
  const middle = await startPlace(t, "middle", [edge]);
  for (const name of ["phone0", "phone1"]) {
    const app = await startRawApp(t, (socket) => socket.end(name));
    await startNode(t, {
      node: { name },
      links: { dial: [{ url: middle.link }] },
      services: { who: { target: app.url } },
    });
  }
  await offered(edge.node, "who", 2);
  for (const [index, name] of ["phone0", "phone1"].entries()) {
    const listener = portOf(edge.node.addresses.listeners[index] ?? "");
    for (let round = 0; round < 3; round++) assert.equal(await new WireClient(t, listener).readAll(), name);
  }
});
