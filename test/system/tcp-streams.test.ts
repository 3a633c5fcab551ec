/** Raw bytes through a router, a link and a connector: half-closes, resets and backpressure are the clients' and apps' own. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { startRawApp } from "../support/apps.ts";
import { offered, startConnector, startNode, startPair, startRouter } from "../support/cluster.ts";
import { soon, until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

async function through(t: TestContext, accepted: (socket: Socket) => void) {
  const app = await startRawApp(t, accepted);
  const router = await startPair(t, app.url);
  return { app, router, open: () => new WireClient(t, router.port) };
}

test("a server may speak first", async (t) => {
  const { open } = await through(t, (socket) => socket.write("220 welcome\r\n"));
  assert.equal(await open().readTo("\r\n"), "220 welcome\r\n");
});

test("data right behind the connect arrives, and so does the half-close behind it", async (t) => {
  const { open } = await through(t, (socket) => {
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("end", () => socket.end(`got ${text}`));
  });
  assert.equal(await open().send("hello").halfClose().readAll(), "got hello");
});

test("a server that closes its side still hears the client", async (t) => {
  const heard = Promise.withResolvers<string>();
  const { router, open } = await through(t, (socket) => {
    let text = "";
    socket.end("goodbye");
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("end", () => heard.resolve(text));
  });
  const client = open();
  assert.equal(await client.readAll(), "goodbye");
  client.send("one more thing").halfClose();
  assert.equal(await soon("the client's last words", heard.promise), "one more thing");
  await until("the session is over", () => router.node.view().totals.connectionsOpen === 0);
});

test("a body that ends with the connection is whole", async (t) => {
  const body = randomBytes(1_000_000);
  const { open } = await through(t, (socket) => socket.end(body));
  const text = await open().readAll();
  assert.ok(Buffer.from(text, "latin1").equals(body));
});

test("a client's reset reaches the app as a reset", async (t) => {
  const errors = Promise.withResolvers<NodeJS.ErrnoException>();
  const { open } = await through(t, (socket) => {
    socket.write("hello");
    socket.on("error", errors.resolve);
  });
  const client = open();
  await client.readTo("hello");
  client.socket.resetAndDestroy();
  assert.equal((await soon("the reset", errors.promise)).code, "ECONNRESET");
});

test("an app's reset reaches the client as a reset, also behind data", async (t) => {
  const { open } = await through(t, (socket) => {
    socket.once("data", () => socket.write("part", () => socket.resetAndDestroy()));
  });
  const client = open().send("go");
  assert.equal(await soon("the end", client.ended), "reset");
});

test("an app that refuses resets the client at once", async (t) => {
  const { app, open } = await through(t, () => {});
  await new Promise((resolve) => {
    app.server.close(resolve);
  });
  assert.equal(await soon("the end", open().ended), "reset");
});

test("without an offer a client is reset after waitForOffer; with one that comes in time it is served", async (t) => {
  const app = await startRawApp(t, (socket) => socket.pipe(socket));
  const router = await startRouter(t, [
    { url: "tcp://127.0.0.1:0", service: "echo", waitForOffer: "30ms" },
    { url: "tcp://127.0.0.1:0", service: "echo", waitForOffer: "15s" },
  ]);
  const [hasty, patient] = router.ports.map((port) => new WireClient(t, port).send("hello"));
  assert.equal(await soon("the end", hasty!.ended), "reset");
  await startConnector(t, router.link, { echo: { target: app.url } });
  assert.equal(await patient!.read(5), "hello");
});

test("two hundred sessions at once echo their own bytes", async (t) => {
  const { router, open } = await through(t, (socket) => socket.pipe(socket));
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const text = `session ${index} `.repeat(50);
      assert.equal(await open().send(text).halfClose().readAll(), text);
    }),
  );
  await until("all are over", () => router.node.view().totals.connectionsOpen === 0);
  assert.equal(router.node.view().services[0]?.offers[0]?.outstanding, 0);
  assert.equal(router.node.view().totals.streamsOpen, 0);
});

test("unix sockets serve at both ends", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "polarity-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const app = await startRawApp(t, (socket) => socket.pipe(socket), join(folder, "app.sock"));
  const path = join(folder, "bus.sock");
  const router = await startRouter(t, [{ url: `unix://${path}`, service: "bus" }]);
  await startConnector(t, router.link, { bus: { target: app.url } });
  await offered(router.node, "bus");
  assert.equal(await new WireClient(t, { path }).send("hello").halfClose().readAll(), "hello");
});

const BIG_BYTES = 64 * 1024 * 1024;
const PIECE = randomBytes(1024 * 1024);

/** Writes BIG_BYTES as fast as they are taken; resolves with their hash. */
async function pour(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  for (let sent = 0; sent < BIG_BYTES; sent += PIECE.length) {
    hash.update(PIECE);
    if (!socket.write(PIECE)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
  return hash.digest("hex");
}

/** Reads to the end, a turn of the loop between any two chunks so that the reader is the slower side. */
async function drink(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  // Reading to the end must not end the other direction, as it would by default.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    hash.update(chunk as Buffer);
    await new Promise(setImmediate);
  }
  return hash.digest("hex");
}

test("64 MiB up and 64 MiB down at once arrive whole at slow readers, in bounded memory", async (t) => {
  const atApp = Promise.withResolvers<[Promise<string>, Promise<string>]>();
  const { router } = await through(t, (socket) => atApp.resolve([pour(socket), drink(socket)]));
  const client = new WireClient(t, router.port);
  // Read here, not into the client's own buffer.
  client.socket.removeAllListeners("data");
  let highest = 0;
  const sampling = setInterval(() => {
    const { rss } = process.memoryUsage();
    highest = Math.max(highest, rss);
  }, 20);
  const before = process.memoryUsage().rss;
  const [sentUp, gotDown] = await soon(
    "both directions at the client",
    Promise.all([pour(client.socket), drink(client.socket)]),
    60_000,
  );
  const [sentDown, gotUp] = await soon("both directions at the app", Promise.all(await atApp.promise));
  clearInterval(sampling);
  assert.equal(gotUp, sentUp);
  assert.equal(gotDown, sentDown);
  // Client, app, router and connector are all this one process.
  assert.ok(highest - before < 128 * 1024 * 1024, `grew by ${Math.round((highest - before) / 2 ** 20)} MiB`);
});

test("a node's own target needs no link: streams and HTTP", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      if (text.startsWith("GET ")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhttp");
      else socket.end(`raw ${text}`);
    });
  });
  const node = await startNode(t, {
    listeners: [
      { url: "tcp://127.0.0.1:0", service: "raw" },
      { url: "http://127.0.0.1:0", service: "web" },
      { url: "tcp://127.0.0.1:0", service: "dead" },
    ],
    services: {
      raw: { target: app.url },
      web: { target: `http://127.0.0.1:${app.port}` },
      dead: { target: "unix:///nowhere/at/all.sock" },
    },
  });
  const [raw, web, dead] = node.addresses.listeners.map((url) => Number(url.split(":")[2]));
  assert.equal(await new WireClient(t, raw!).send("bytes").halfClose().readAll(), "raw bytes");
  const client = new WireClient(t, web!);
  for (let index = 0; index < 3; index++) {
    const answer = await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").response();
    assert.deepEqual([answer.status, answer.body], [200, "http"]);
  }
  assert.equal(await soon("the end", new WireClient(t, dead!).send("x").ended), "reset");
  assert.ok(node.view().services.every(({ offers }) => offers.every(({ outstanding }) => outstanding === 0)));
});

test("a client that never reads its last bytes does not keep a node from stopping", async (t) => {
  const { router, open } = await through(t, (socket) => {
    socket.resume();
    socket.end(Buffer.alloc(32 * 1024 * 1024));
  });
  const client = open();
  client.socket.pause();
  client.halfClose();
  await until("bytes have been sent", () => router.node.view().totals.bytesOutTotal > 100_000);
  await router.node.stop();
  client.socket.resume();
  assert.equal(await soon("the end", client.ended), "reset");
});

test("bulk is whole both ways at once on several streams, whose readers stop and go as they like", async (t) => {
  const { router } = await through(t, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  const exchanges = Array.from({ length: 4 }, async (_, index) => {
    const sent = randomBytes(12_000_000 + index);
    const client = connect({ port: router.port, host: "127.0.0.1" });
    t.after(() => client.destroy());
    const received = createHash("sha256");
    let left = sent.length;
    const over = new Promise<void>((resolve, reject) => {
      client.on("error", reject);
      client.on("end", resolve);
      client.on("data", (chunk: Buffer) => {
        received.update(chunk);
        left -= chunk.length;
        // Every so often the reader looks away for a turn or for some time.
        if (chunk[0]! < 64) {
          client.pause();
          if (chunk[0]! < 8) setTimeout(() => client.resume(), chunk[0]);
          else setImmediate(() => client.resume());
        }
      });
    });
    client.end(sent);
    await over;
    assert.equal(left, 0);
    assert.equal(received.digest("hex"), createHash("sha256").update(sent).digest("hex"));
  });
  await soon("all of them", Promise.all(exchanges), 30_000);
});
