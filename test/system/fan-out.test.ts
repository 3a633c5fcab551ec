/** One-to-N sessions with real sockets: the same scenarios over every way that leads from a client to several servers. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { offered, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { soon, until } from "../support/patience.ts";
import { freePort } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

type Mode = "half-duplex" | "full-duplex";

/** A way from a client to servers; returns the port where clients come in. */
type Way = (context: TestContext, servers: readonly number[], mode: Mode) => Promise<number>;

const url = (port: number): string => `tcp://127.0.0.1:${port}`;
const listener = (mode?: Mode) => ({
  url: "tcp://127.0.0.1:0",
  service: "bus",
  ...(mode === undefined ? {} : { mode }),
});

const WAYS: Readonly<Record<string, Way>> = {
  "targets of the same node": async (context, servers, mode) => {
    const services = { bus: { targets: servers.map(url), mode } };
    return (await startRouter(context, [listener()], { services })).port;
  },
  "targets behind one link": async (context, servers, mode) => {
    const router = await startRouter(context, [listener()]);
    await startConnector(context, router.link, { bus: { targets: servers.map(url), mode } });
    await offered(router.node, "bus");
    return router.port;
  },
  "a link for each server": async (context, servers, mode) => {
    const router = await startRouter(context, [listener()]);
    for (const server of servers) await startConnector(context, router.link, { bus: { target: url(server), mode } });
    await offered(router.node, "bus", servers.length);
    return router.port;
  },
  "links that the clients' node dialled": async (context, servers, mode) => {
    const accept = [{ url: "tcp://127.0.0.1:0", relay: false }];
    const segments = servers.map((server, index) => {
      const services = { bus: { target: url(server) } };
      return startRouter(context, [], { node: { name: `segment-${index}` }, links: { accept }, services });
    });
    const dial = (await Promise.all(segments)).map(({ link }) => ({ url: link }));
    const controller = await startRouter(context, [listener(mode)], { links: { dial } });
    await offered(controller.node, "bus", servers.length);
    return controller.port;
  },
};

interface Server {
  readonly port: number;
  readonly sockets: Socket[];
  /** All that its connections were sent. */
  received(): string;
}

async function startServer(context: TestContext, serve: (socket: Socket) => void, host = "127.0.0.1"): Promise<Server> {
  const sockets: Socket[] = [];
  const received: Buffer[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => received.push(Buffer.from(chunk)));
    serve(socket);
  });
  server.listen(0, host);
  await once(server, "listening");
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { port, sockets, received: () => Buffer.concat(received).toString("latin1") };
}

const silent = (context: TestContext): Promise<Server> => startServer(context, () => {});
const echo = (context: TestContext): Promise<Server> => startServer(context, (socket) => socket.pipe(socket));
const ports = (servers: readonly Server[]): number[] => servers.map(({ port }) => port);
const closed = (socket: Socket): Promise<unknown> => until("the server's connection is closed", () => socket.closed);

for (const [way, start] of Object.entries(WAYS)) {
  test(`${way}: the one that answers keeps the session, and the others are closed`, async (context) => {
    const servers = await Promise.all([silent(context), silent(context), silent(context)]);
    const client = new WireClient(context, await start(context, ports(servers), "half-duplex"));
    client.send("who is there?");
    for (const server of servers) await until("each server was asked", () => server.received() === "who is there?");
    const others = [servers[0], servers[2]].map(({ sockets }) => closed(sockets[0]!));
    servers[1].sockets[0]!.write("I am");
    assert.equal(await client.read(4), "I am");
    await Promise.all(others);
    client.send("!");
    await until("it goes on with one", () => servers[1].received() === "who is there?!");
    assert.equal(servers[0].received(), "who is there?");
  });

  test(`${way}: when none answers, the client sees the end`, async (context) => {
    for (const mode of ["half-duplex", "full-duplex"] as const) {
      const servers = await Promise.all([silent(context), silent(context)]);
      const dead = await freePort();
      const client = new WireClient(context, await start(context, [...ports(servers), dead], mode));
      client.send("who is there?");
      for (const server of servers) await until("each server was asked", () => server.received() === "who is there?");
      servers[0].sockets[0]!.resetAndDestroy();
      servers[1].sockets[0]!.end();
      assert.equal(await soon("the client's end", client.ended), "end");
      assert.equal(client.arrived, "");
    }
  });

  test(`${way}: when all answer at once, one is heard, whole, and nobody else`, async (context) => {
    const answers = ["aaaaaaaa", "bbbbbbbb", "cccccccc"];
    const servers = await Promise.all(answers.map((answer) => startServer(context, (socket) => socket.end(answer))));
    const port = await start(context, ports(servers), "half-duplex");
    const clients = Array.from({ length: 20 }, () => new WireClient(context, port));
    for (const client of clients) {
      client.halfClose();
      assert.ok(answers.includes(await client.readAll()));
    }
  });

  test(`${way}: a server that refuses is no answer`, async (context) => {
    const dead = await freePort();
    const server = await echo(context);
    const client = new WireClient(context, await start(context, [dead, server.port], "half-duplex"));
    assert.equal(await client.send("hello").read(5), "hello");
    client.halfClose();
    assert.equal(await client.readAll(), "");
  });

  test(`${way}: full duplex goes on without who leaves`, async (context) => {
    const servers = await Promise.all([silent(context), silent(context), silent(context)]);
    const client = new WireClient(context, await start(context, ports(servers), "full-duplex"));
    client.send("all");
    for (const server of servers) await until("each server was asked", () => server.received() === "all");
    for (const [index, { sockets }] of servers.entries()) sockets[0]!.write(`<${index}>`);
    const heard = await client.read(9);
    for (const index of [0, 1, 2]) assert.ok(heard.includes(`<${index}>`), heard);
    servers[1].sockets[0]!.resetAndDestroy();
    client.send(" others");
    for (const index of [0, 2]) await until("the rest goes on", () => servers[index]!.received() === "all others");
    servers[2].sockets[0]!.end("bye");
    assert.equal(await client.read(3), "bye");
    servers[0].sockets[0]!.end("end");
    assert.equal(await client.readAll(), "end");
  });

  test(`${way}: 3 MB there and back, through whoever is first`, async (context) => {
    const servers = await Promise.all([echo(context), echo(context), echo(context)]);
    const port = await start(context, ports(servers), "half-duplex");
    const bytes = Buffer.allocUnsafe(3 * 1024 * 1024);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at);
    const client = new WireClient(context, port);
    client.send(bytes).halfClose();
    assert.equal(hash(await client.readAll()), hash(bytes.toString("latin1")));
  });

  test(`${way}: an answer that comes after the client's end is heard`, async (context) => {
    const servers = await Promise.all([silent(context), silent(context)]);
    const client = new WireClient(context, await start(context, ports(servers), "half-duplex"));
    client.send("question").halfClose();
    const ends = servers.map(async ({ sockets, port }) => {
      await until(`a connection to ${port}`, () => sockets.length > 0);
      if (!sockets[0]!.readableEnded) await soon("the client's end at the server", once(sockets[0]!, "end"));
    });
    await Promise.all(ends);
    servers[1].sockets[0]!.end("late answer");
    assert.equal(await client.readAll(), "late answer");
  });
}

const hash = (text: string): string => createHash("sha256").update(text, "latin1").digest("hex");

test("a server that joins an open session gets all of it; one that comes without join gets none", async (context) => {
  for (const join of ["yes", "no"] as const) {
    const [first, second] = await Promise.all([silent(context), silent(context)]);
    const router = await startRouter(context, [listener()]);
    const service = (port: number) => ({ bus: { target: url(port), mode: "full-duplex", join } as const });
    await startConnector(context, router.link, service(first.port));
    await offered(router.node, "bus");
    const client = new WireClient(context, router.port);
    client.send("from the beginning");
    await until("the first server was asked", () => first.received() === "from the beginning");
    await startConnector(context, router.link, service(second.port));
    await offered(router.node, "bus", 2);
    client.send(" on");
    await until("the first server hears on", () => first.received() === "from the beginning on");
    if (join === "yes") await until("the second hears all", () => second.received() === "from the beginning on");
    else assert.equal(second.sockets.length, 0);
  }
});

test("a session may be with a hundred servers", async (context) => {
  const servers = await startServer(context, (socket) => socket.pipe(socket), "0.0.0.0");
  const targets = Array.from({ length: 100 }, (_, index) => `tcp://127.0.1.${index + 1}:${servers.port}`);
  const services = { bus: { targets, mode: "full-duplex" as const } };
  const { port } = await startRouter(context, [listener()], { services });
  const answers = await new WireClient(context, port).send("x").halfClose().readAll();
  assert.equal(answers, "x".repeat(100));
});

test("a server that stops reading stalls its own session and no other on the same link", async (context) => {
  const sockets: Socket[] = [];
  const stuck = await startServer(context, (socket) => {
    sockets.push(socket);
    if (sockets.length === 1) socket.pause();
    else socket.pipe(socket);
  });
  const well = await echo(context);
  const router = await startRouter(context, [listener()]);
  await startConnector(context, router.link, {
    bus: { targets: [url(stuck.port), url(well.port)], mode: "full-duplex" },
  });
  await offered(router.node, "bus");
  const first = new WireClient(context, router.port);
  await until("both serve the first client", () => stuck.sockets.length === 1 && well.sockets.length === 1);
  first.send(Buffer.alloc(64 * 1024 * 1024, "x"));
  const second = new WireClient(context, router.port);
  assert.equal(await second.send("ping").read(8), "pingping");
  assert.ok(first.socket.writableLength > 0, "the first client waits for the slowest");
});

test("on an http listener every server gets the request, and the first answer is the client's", async (context) => {
  const app = (name: string, answers: boolean) =>
    startServer(context, (socket) => {
      if (!answers) return;
      socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`));
    });
  const [slow, fast] = await Promise.all([app("slow", false), app("fast", true)]);
  const services = {
    web: { targets: [slow, fast].map(({ port }) => `http://127.0.0.1:${port}`), mode: "half-duplex" },
  } as const;
  const router = await startRouter(context, [{ url: "http://127.0.0.1:0", service: "web" }]);
  await startConnector(context, router.link, services);
  await offered(router.node, "web");
  const client = new WireClient(context, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  const { status, body } = await client.response();
  assert.deepEqual([status, body], [200, "fast"]);
  assert.match(slow.received(), /\r\n\r\nhi$/);
});

test("on an http listener, when none can be reached the client is told who failed", async (context) => {
  const [one, two] = [await freePort(), await freePort()];
  const services = {
    web: { targets: [one, two].map((port) => `http://127.0.0.1:${port}`), mode: "half-duplex" },
  } as const;
  const node = await startNode(context, { services, listeners: [{ url: "http://127.0.0.1:0", service: "web" }] });
  const client = new WireClient(context, Number(node.addresses.listeners[0]!.split(":").at(-1)));
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const { status, headers } = await client.response();
  assert.deepEqual([status, headers["x-polarity-error"]], [502, "TARGET_UNREACHABLE"]);
});

test("statistics say who latched, who was cut and why, for each session and for each server", async (context) => {
  const [quiet, quick] = await Promise.all([silent(context), echo(context)]);
  const router = await startRouter(context, [listener()]);
  const names = ["quiet", "quick"];
  for (const [index, { port }] of [quiet, quick].entries()) {
    const options = { name: names[index]! };
    await startConnector(context, router.link, { bus: { target: url(port), mode: "half-duplex" } }, options);
  }
  await offered(router.node, "bus", 2);
  const client = new WireClient(context, router.port);
  await client.send("hello").read(5);
  const shown = router.node.view().sessions[0]!.sides.map(({ firstByteMs, ...side }) => ({
    ...side,
    answered: firstByteMs !== null,
  }));
  assert.deepEqual(
    shown.toSorted((left, right) => (left.name < right.name ? -1 : 1)),
    [
      { name: "quick", state: "open", bytesIn: 5, bytesOut: 5, latched: true, reason: "", answered: true },
      {
        name: "quiet",
        state: "gone",
        bytesIn: 5,
        bytesOut: 0,
        latched: false,
        reason: "SESSION_LATCHED",
        answered: false,
      },
    ],
  );
  client.halfClose();
  await client.readAll();
  const servers = (): readonly string[] =>
    router.node
      .view()
      .services[0]!.servers.map(({ name, sessionsActive, latchedTotal, bytesOutTotal, cuts }) =>
        JSON.stringify([name, sessionsActive, latchedTotal, bytesOutTotal, cuts]),
      )
      .toSorted();
  const expected = ['["quick",0,1,5,{}]', '["quiet",0,0,0,{"SESSION_LATCHED":1}]'];
  await until("the books are closed", () => servers().join() === expected.join());
});
