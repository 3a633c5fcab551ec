/** Clients that were written for a `net.Socket`, on streams of a dialer: what they expect of one is there. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbstractConnector, Redis } from "ioredis";
import { createConnection, createServer as createMysqlServer } from "mysql2";
import { Client, Pool } from "pg";
import { WebSocket, WebSocketServer } from "ws";
import type { Dialer, ProgramNode, ServiceStream } from "../../src/index.ts";
import { startRawApp } from "../support/apps.ts";
import { startPostgres, startRedis } from "../support/databases.ts";
import { soon, until } from "../support/patience.ts";
import { startDialer, startLinkRouter, startMachine } from "../support/programs.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { requireTool } from "../support/tools.ts";

async function startSides(context: TestContext): Promise<{ readonly machine: ProgramNode; readonly dialer: Dialer }> {
  const { url } = await startLinkRouter(context);
  return {
    machine: await startMachine(context, "shed", url),
    dialer: startDialer(context, { routers: [url] }),
  };
}

const TEXT_COLUMN = {
  catalog: "def",
  schema: "",
  table: "",
  orgTable: "",
  orgName: "",
  name: "text",
  characterSet: 33,
  columnType: 253,
  columnLength: 99,
  flags: 0,
  decimals: 0,
};

/** Names of what a stream or socket tells, in order. */
function heard(stream: Socket): string[] {
  const events: string[] = [];
  for (const name of ["connect", "ready", "end", "finish", "timeout"]) stream.on(name, () => events.push(name));
  stream.on("error", () => events.push("error"));
  stream.on("close", (failed) => events.push(`close ${failed}`));
  return events;
}

test("a stream tells of its life as a socket does", async (t) => {
  const { machine, dialer } = await startSides(t);
  const servers: Readonly<Record<string, (socket: Socket) => void>> = {
    "ends at once": (socket) => socket.end(),
    "says and ends": (socket) => socket.end("hello"),
    "is left": (socket) => {
      socket.resume();
      socket.on("end", () => socket.end());
    },
  };
  const users: Readonly<Record<string, (stream: Socket) => void>> = {
    reads: (stream) => void stream.resume(),
    "reads and ends": (stream) => {
      stream.resume();
      stream.once("connect", () => stream.end("bye"));
    },
    "ends soon": (stream) => {
      stream.resume();
      stream.write("bye");
      stream.once("connect", () => stream.destroySoon());
    },
  };
  for (const [server, accept] of Object.entries(servers)) {
    const app = await startRawApp(t, accept);
    machine.register("app", app.url);
    for (const [user, use] of Object.entries(users)) {
      if (server === "is left" && user === "reads") continue;
      const lives: string[][] = [];
      for (const open of [() => dialer.open("shed.app"), () => connectSocket(app.port, "127.0.0.1")]) {
        const stream = open();
        lives.push(heard(stream));
        assert.equal(stream.readyState, "opening");
        use(stream);
        await soon(`the close of what ${user} where the server ${server}`, once(stream, "close"));
        assert.equal(stream.readyState, "closed");
      }
      assert.deepEqual(new Set(lives[0]), new Set(lives[1]), `${user}, ${server}`);
      assert.equal(lives[0]?.[0], "connect");
      assert.equal(lives[0]?.at(-1), "close false");
    }
    machine.unregister("app");
  }
});

test("a stream has the methods and counts of a socket", async (t) => {
  const { machine, dialer } = await startSides(t);
  machine.serve("echo", { stream: (stream) => void stream.pipe(stream) });
  const stream: Socket = dialer.open("shed.echo");
  assert.deepEqual([stream.connecting, stream.pending, stream.readyState], [true, true, "opening"]);
  assert.equal(stream.setNoDelay(true).setKeepAlive(true, 1000).ref().unref(), stream);
  stream.write("early");
  assert.equal(stream.bytesWritten, 5, "what waits counts, as for sockets");
  await soon("a connect of a client that connects", new Promise<void>((done) => void stream.connect(1, "x", done)));
  assert.deepEqual([stream.connecting, stream.readyState], [false, "open"]);
  const [data] = (await once(stream, "data")) as [Buffer];
  assert.deepEqual([data.toString(), stream.bytesRead, stream.bytesWritten], ["early", 5, 5]);
  await soon("another connect, of what is connected", new Promise<void>((done) => void stream.connect(1, done)));
  await soon("a timeout", new Promise<void>((done) => void stream.setTimeout(20, done)));
  stream.setTimeout(0);
  stream.end();
  assert.equal(stream.readyState, "readOnly");
  await soon("a close", once(stream, "close"));
  assert.deepEqual([stream.readyState, stream.destroyed], ["closed", true]);
});

test("our side ends with the other's, unless it is to stay half-open", async (t) => {
  const { machine, dialer } = await startSides(t);
  const heardAfter = Promise.withResolvers<string>();
  machine.serve("greets", {
    stream: async (stream) => {
      stream.end("hello");
      let after = "";
      for await (const chunk of stream) after += String(chunk);
      heardAfter.resolve(after);
    },
  });
  const closing = await dialer.connect("shed.greets");
  closing.resume();
  await soon("a close", once(closing, "close"));
  assert.equal(await heardAfter.promise, "");

  const late = await dialer.connect("shed.greets");
  late.on("data", () => {});
  await once(late, "end");
  late.on("error", () => {});
  const refused = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => void late.write("late", resolve));
  assert.equal((await soon("a refusal", refused))?.code, "EPIPE");

  const open = await dialer.connect("shed.greets", { allowHalfOpen: true });
  open.resume();
  await once(open, "end");
  assert.equal(open.readyState, "writeOnly");
  open.end("after");
  await soon("a close", once(open, "close"));
});

test("ioredis works, and comes back after CLIENT KILL", { skip: requireTool("redis-server") }, async (t) => {
  const { machine, dialer } = await startSides(t);
  machine.register("cache", `tcp://127.0.0.1:${await startRedis(t)}`);
  class StreamConnector extends AbstractConnector {
    constructor() {
      super(1000);
    }
    async connect(): Promise<ServiceStream> {
      await Promise.resolve();
      this.connecting = true;
      const stream = dialer.open("shed.cache");
      this.stream = stream;
      return stream;
    }
  }
  const start = (): Redis => {
    const client = new Redis({ Connector: StreamConnector, retryStrategy: () => 10, connectTimeout: 5000 });
    t.after(() => client.disconnect());
    client.on("error", () => {});
    return client;
  };
  const client = start();
  const killer = start();
  assert.equal(await client.set("key", "value"), "OK");
  const closes: unknown[] = [];
  client.on("close", () => closes.push("close"));
  for (let turn = 1; turn <= 3; turn++) {
    const id = await client.client("ID");
    assert.equal(await killer.client("KILL", "ID", id), 1);
    await until("a close", () => closes.length === turn);
    assert.equal(await soon("an answer after the kill", client.get("key")), "value");
  }
  const values = await Promise.all(Array.from({ length: 200 }, (_, index) => client.incrby("count", index)));
  assert.equal(values.at(-1), 19_900);
  const ended = once(client, "end");
  await client.quit();
  await soon("an end", ended);
  killer.disconnect();
  await until("no stream left", () => machine.view().totals.streamsOpen === 0);
});

test(
  "pg works by its stream option, in a pool too, and client.end resolves",
  { skip: requireTool("postgres", "psql") },
  async (t) => {
    const { machine, dialer } = await startSides(t);
    machine.register("db", `tcp://127.0.0.1:${await startPostgres(t, temporaryFolder(t))}`);
    const streams: ServiceStream[] = [];
    const options = {
      user: "polarity",
      database: "postgres",
      stream: (): ServiceStream => {
        const stream = dialer.open("shed.db");
        streams.push(stream);
        return stream;
      },
    };
    const client = new Client(options);
    await soon("a connection", client.connect());
    const { rows } = await client.query<{ sum: number }>("select $1::int + 1 as sum", [41]);
    assert.deepEqual(rows, [{ sum: 42 }]);
    await soon("an end", client.end());

    const given = await dialer.connect("shed.db");
    const onStream = new Client({ ...options, stream: () => given });
    await soon("a connection on a stream that was connected", onStream.connect());
    const failed = once(onStream, "error");
    // The connection's end is another.
    onStream.on("error", () => {});
    const other = new Client(options);
    await other.connect();
    const { rows: own } = await onStream.query<{ pid: number }>("select pg_backend_pid() as pid");
    await other.query("select pg_terminate_backend($1)", [own[0]?.pid]);
    await soon("an error of who was terminated", failed);
    await soon("an end", other.end());

    const pool = new Pool({ ...options, max: 4 });
    const sums = await Promise.all(
      Array.from(
        { length: 40 },
        async (_, index) => (await pool.query("select $1::int as n", [index])).rows[0] as { n: number },
      ),
    );
    assert.equal(
      sums.reduce((sum, { n }) => sum + n, 0),
      780,
    );
    await soon("an end of the pool", pool.end());
    // A pool that has ended does not wait for its connections.
    await until("the close of all streams", () => streams.every(({ closed }) => closed));
  },
);

test("mysql2 works by its stream option, and hears that the server went away", async (t) => {
  const { machine, dialer } = await startSides(t);
  const port = await freePort();
  const server = createMysqlServer((connection) => {
    connection.on("error", () => {});
    connection.serverHandshake({
      protocolVersion: 10,
      serverVersion: "8.0.0",
      connectionId: 1,
      statusFlags: 2,
      characterSet: 8,
      capabilityFlags: 0xff_f7_ff,
      authCallback: (_parameters: unknown, done: (error: null) => void) => done(null),
    });
    connection.on("query", (text: string) => {
      // mysql2's server counts the packets of a connection, and clients those of a command.
      Object.assign(connection, { sequenceId: 1 });
      if (text === "kill") connection.destroy();
      else connection.writeTextResult([{ text }], [TEXT_COLUMN]);
    });
  });
  server.listen(port);
  t.after(() => new Promise((resolve) => server.close(resolve)));
  machine.register("db", `tcp://127.0.0.1:${port}`);
  const open = (): ReturnType<typeof createConnection> => {
    const connection = createConnection({ user: "any", stream: () => dialer.open("shed.db"), enableKeepAlive: true });
    connection.on("error", () => {});
    return connection;
  };
  const connection = open();
  for (const text of ["select 1", "x".repeat(100_000)]) {
    const [row] = await soon(
      "rows",
      new Promise<{ text: string }[]>(
        (resolve, reject) =>
          void connection.query(text, (error, rows) =>
            error === null ? resolve(rows as { text: string }[]) : reject(error),
          ),
      ),
    );
    assert.equal(row?.text, text);
  }
  await soon("an end", new Promise((resolve) => connection.end(resolve)));
  const killed = open();
  const failure = await soon(
    "a failure",
    new Promise<NodeJS.ErrnoException | null>((resolve) => void killed.query("kill", resolve)),
  );
  assert.equal(failure?.code, "PROTOCOL_CONNECTION_LOST");
  killed.destroy();
  await until("no stream left", () => machine.view().totals.streamsOpen === 0);
});

test("ws works with createConnection", async (t) => {
  const { machine, dialer } = await startSides(t);
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => server.close());
  await once(server, "listening");
  server.on("connection", (socket) =>
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  machine.register("chat", `tcp://127.0.0.1:${(server.address() as { port: number }).port}`);
  const client = new WebSocket("ws://shed.chat/", {
    createConnection: () => dialer.open("shed.chat"),
    handshakeTimeout: 5000,
  });
  await soon("an open websocket", once(client, "open"));
  client.send("ping");
  const [data] = (await soon("an answer", once(client, "message"))) as [Buffer];
  assert.equal(data.toString(), "ping");
  client.close(1000);
  await soon("a close", once(client, "close"));
  const gone = new WebSocket("ws://shed.chat/", { createConnection: () => dialer.open("shed.chat") });
  await soon("an open websocket", once(gone, "open"));
  for (const socket of server.clients) socket.terminate();
  await soon("a close of what was cut off", once(gone, "close"));
  await delay(0);
  await until("no stream left", () => machine.view().totals.streamsOpen === 0);
});
