/** Cranker connectors that break, misbehave or stall, and clients that go away: who hears of it, and who does not. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, type Router, startConnector, startRouter } from "../support/cluster.ts";
import { startCrankerPeer } from "../support/cranker-connector.ts";
import { RawConnector, type RawFrame, type RawSettings } from "../support/cranker-socket.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";

const VERSIONS = ["1.0", "3.0"] as const;

type Cranker = NonNullable<NonNullable<NonNullable<Parameters<typeof startRouter>[2]>["links"]>["accept"]>[number];

function startCrankerRouter(
  context: TestContext,
  { cranker = true, waitForOffer = "5s" }: { cranker?: NonNullable<Cranker["cranker"]>; waitForOffer?: string } = {},
): Promise<Router> {
  return startRouter(context, [{ url: "http://127.0.0.1:0", waitForOffer }], {
    links: { accept: [{ url: "tcp://127.0.0.1:0", cranker }] },
  });
}

async function startRaw(
  context: TestContext,
  settings: RawSettings,
  options: Parameters<typeof startCrankerRouter>[1] = {},
): Promise<Router & { readonly raw: RawConnector }> {
  const router = await startCrankerRouter(context, options);
  const raw = await new RawConnector(context, router.link, settings).opened();
  await offered(router.node, settings.route ?? "web");
  return { ...router, raw };
}

/** A client that takes no byte of its answer. */
function stall(context: TestContext, port: number, path: string): Socket {
  const socket = connect(port, "127.0.0.1");
  context.after(() => socket.destroy());
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return socket;
}

/** Answers without an end, and counts what it got rid of. */
async function startFlood(context: TestContext) {
  const counts = { sent: 0, closed: 0 };
  const block = Buffer.alloc(64 * 1024, 0x7a);
  const app = await startHttpApp(context, (asked, response) => {
    if (!asked.url?.includes("flood")) {
      response.end("small");
      return;
    }
    const more = (): void => {
      for (;;) {
        counts.sent += block.length;
        if (!response.write(block)) return;
      }
    };
    response.on("drain", more);
    response.on("close", () => counts.closed++);
    more();
  });
  return { ...app, counts };
}

for (const version of VERSIONS) {
  test(`${version}: a client that stops reading stops its app, and nobody else`, { timeout: 60_000 }, async (t) => {
    const app = await startFlood(t);
    const { port, node, link } = await startCrankerRouter(t);
    startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, version });
    await offered(node, "web");
    const stalled = Array.from({ length: 8 }, () => stall(t, port, "/web/flood"));
    let before = -1;
    await until("the app is stopped", async () => {
      for (let round = 0; round < 10; round++) assert.equal((await ask(port, { path: "/web/" })).text, "small");
      const still = app.counts.sent > 0 && before === app.counts.sent;
      before = app.counts.sent;
      return still;
    });
    // What fits into the kernel's buffers, a window each, and not the node's memory.
    assert.ok(app.counts.sent < 8 * 24 * 1024 * 1024, `${app.counts.sent} bytes`);
    for (const socket of stalled) socket.destroy();
    await until("the apps hear of it", () => app.counts.closed === 8);
    assert.equal((await ask(port, { path: "/web/" })).text, "small");
    await until("no request is left", () => node.view().links.every(({ streamsOpen }) => streamsOpen === 0));
  });

  test(`${version}: an app that takes nothing stops its client's upload`, { timeout: 60_000 }, async (t) => {
    const app = await startHttpApp(t, (asked, response) => {
      asked.pause();
      if (asked.url?.includes("late")) setTimeout(() => asked.resume(), 300);
      asked.on("end", () => response.end("taken"));
    });
    const { port, node, link } = await startCrankerRouter(t);
    startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, version });
    await offered(node, "web");
    const outgoing = request({ port, host: "127.0.0.1", path: "/web/stuck", method: "POST" });
    t.after(() => outgoing.destroy());
    outgoing.on("error", () => {});
    let sent = 0;
    const block = Buffer.alloc(64 * 1024);
    const send = (): void => {
      while (!outgoing.writableNeedDrain && sent < 2 ** 30) {
        outgoing.write(block);
        sent += block.length;
      }
    };
    outgoing.on("drain", send);
    send();
    await until("the client is held up", async () => {
      const before = sent;
      await ask(port, { path: "/web/late", method: "POST", body: "x" });
      return before === sent && outgoing.writableNeedDrain;
    });
    assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes`);
  });

  test(`${version}: an app that cannot be reached is 502, one that breaks off cuts the answer`, async (t) => {
    const app = await startHttpApp(t, (asked, response) => {
      if (asked.url?.includes("cut")) {
        response.writeHead(200, asked.url.includes("length") ? { "Content-Length": 1000 } : {});
        response.write("begun");
        setImmediate(() => response.destroy());
      } else asked.socket.destroy();
    });
    const { port, node, link } = await startCrankerRouter(t);
    startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, version });
    await offered(node, "web");
    const answer = await ask(port, { path: "/web/", method: "POST", body: "x" });
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["x-polarity-error"], "TARGET_FAILED");
    assert.match(answer.text, /cranker connector \\?"shed\\?"/);
    await assert.rejects(ask(port, { path: "/web/cut/length" }));
    await assert.rejects(ask(port, { path: "/web/cut/chunked" }));
  });

  test(`${version}: no answer in time is 504`, async (t) => {
    const { port, raw } = await startRaw(t, { version }, { cranker: { responseTimeout: "100ms" } });
    const answer = await ask(port, { path: "/web/" });
    assert.equal(answer.status, 504);
    assert.equal(answer.headers["x-polarity-error"], "TARGET_TIMEOUT");
    if (version === "1.0") assert.equal((await raw.closed()).code, 1001);
    else {
      assert.equal((await raw.frame()).type, 1);
      assert.equal((await raw.frame()).type, 3, "the connector is told");
    }
  });

  test(`${version}: a connector that is killed breaks its POST, and a GET goes to another`, async (t) => {
    const app = await startHttpApp(t, (_asked, response) => response.end("from the other"));
    const { port, node, link, raw } = await startRaw(t, { version });
    const posted = ask(port, { path: "/web/", method: "POST", body: "x" });
    await raw.message();
    raw.socket.terminate();
    const broken = await posted;
    assert.deepEqual([broken.status, broken.headers["x-polarity-error"]], [502, "LINK_LOST"]);

    const second = await new RawConnector(t, link, { version }).opened();
    await offered(node, "web");
    const got = ask(port, { path: "/web/" });
    await second.message();
    const peer = startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, version });
    await until("the other connector is there", () => peer.sockets.size > 0);
    await until("two offers", () => node.view().services[0]?.offers.length === 2);
    second.socket.terminate();
    assert.equal((await got).text, "from the other");
  });

  test(`${version}: deregistration lets what is under way finish, and closes what waits`, async (t) => {
    const held = Promise.withResolvers<() => void>();
    const app = await startHttpApp(t, (_asked, response) => {
      response.write("begun ");
      held.resolve(() => response.end("and ended"));
    });
    const { port, node, link } = await startCrankerRouter(t, { waitForOffer: "50ms" });
    const peer = startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, version });
    await offered(node, "web");
    const answer = ask(port, { path: "/web/" });
    const finish = await held.promise;
    assert.equal(await peer.deregister(), "1000 Deregister complete");
    await until("it offers nothing", () => node.view().services[0]?.offers.length === 0);
    assert.equal((await ask(port, { path: "/web/" })).status, 503, "known, but nobody offers it");
    assert.deepEqual(
      node.view().links.map(({ state, streamsOpen }) => [state, streamsOpen]),
      [["draining", 1]],
    );
    finish();
    assert.equal((await answer).text, "begun and ended");
    await until("its sockets are closed", () => peer.sockets.size === 0);
    assert.ok(peer.closes.includes("1001 Going away"), peer.closes.join());
    await until("nothing is left of it", () => node.view().links.length === 0);
  });

  test(`${version}: a router that stops finishes what is under way`, async (t) => {
    const held = Promise.withResolvers<() => void>();
    const app = await startHttpApp(t, (_asked, response) => held.resolve(() => response.end("done")));
    const { port, node, link } = await startCrankerRouter(t);
    const peer = startCrankerPeer(t, { router: link.replace("tcp", "ws"), target: app.url, version });
    await offered(node, "web");
    const answer = ask(port, { path: "/web/" });
    const finish = await held.promise;
    const drained = node.drain();
    finish();
    assert.equal((await answer).text, "done");
    assert.deepEqual(await soon("the drain", drained), { cutOff: 0 });
    await until("its sockets are closed", () => peer.sockets.size === 0);
  });
}

test("1.0: without a free socket a request waits for one, then is 503", async (t) => {
  const { port, link, raw } = await startRaw(t, { version: "1.0" }, { waitForOffer: "2s" });
  const first = ask(port, { path: "/web/1" });
  assert.match(await raw.text(), /^GET \/web\/1 .*\n\n_2$/s);
  const second = ask(port, { path: "/web/2" });
  const next = new RawConnector(t, link, { version: "1.0" });
  assert.match(await next.text(), /^GET \/web\/2 /);
  const third = ask(port, { path: "/web/3" });
  for (const each of [raw, next]) {
    each.socket.send("HTTP/1.1 200 OK\ncontent-length:0\n");
    each.socket.close(1000);
  }
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
  const refused = await third;
  assert.deepEqual([refused.status, refused.headers["x-polarity-error"]], [503, "NO_OFFER"]);
});

test("1.0: what the codes of a close mean before an answer", async (t) => {
  const { port, node, link } = await startCrankerRouter(t);
  for (const [code, status, name] of [
    [1011, 502, "TARGET_FAILED"],
    [1008, 400, "BAD_REQUEST"],
    [1001, 502, "TARGET_FAILED"],
    [1000, 502, "TARGET_FAILED"],
  ] as const) {
    const raw = await new RawConnector(t, link, { version: "1.0" }).opened();
    await offered(node, "web");
    const answer = ask(port, { path: "/web/", method: "POST" });
    await raw.message();
    raw.socket.close(code, "because\n<b>");
    const { status: got, headers, text } = await answer;
    assert.deepEqual([got, headers["x-polarity-error"]], [status, name], `${code}`);
    assert.ok(!text.includes("because\n"), "its words are on one line");
    await raw.closed();
  }
});

test("1.0: a socket that speaks unasked is closed, and an answer that makes no sense is 502", async (t) => {
  const { port, node, link } = await startCrankerRouter(t);
  for (const words of ["HTTP/1.1 200 OK\n", Buffer.from("body")]) {
    const raw = await new RawConnector(t, link, { version: "1.0" }).opened();
    await offered(node, "web");
    raw.socket.send(words);
    assert.equal((await raw.closed()).code, 1002);
    await until("it is gone", () => node.view().links.length === 0);
  }
  for (const words of ["nonsense", Buffer.from("body"), `HTTP/1.1 200 OK\nx:${"x".repeat(70_000)}\n`]) {
    const raw = await new RawConnector(t, link, { version: "1.0" }).opened();
    await offered(node, "web");
    const answer = ask(port, { path: "/web/" });
    await raw.message();
    raw.socket.send(words);
    assert.deepEqual((await answer).headers["x-polarity-error"], "TARGET_PROTOCOL");
    await raw.closed();
  }
});

test("3.0: a reset is 502 for its request alone, and frames of others, or of nobody, change nothing", async (t) => {
  const { port, raw } = await startRaw(t, {});
  const answers = [ask(port, { path: "/web/1", method: "POST" }), ask(port, { path: "/web/2" })];
  const heads = [await raw.frame(), await raw.frame()];
  assert.deepEqual(
    heads.map(({ type, flags, id }) => [type, flags, id]),
    [
      [1, 5, 1],
      [1, 5, 2],
    ],
  );
  const posted = heads.findIndex(({ payload }) => payload.toString().startsWith("POST")) + 1;
  const got = 3 - posted;
  // Of requests that never were, of kinds that nobody knows, and acknowledgements of nothing.
  for (const id of [0, -1, 3, 2 ** 31 - 1]) raw.send(0, 1, id, "lost");
  raw.send(9, 0, got, "later version");
  raw.send(8, 0, got, Buffer.from("7fffffff", "hex"));
  raw.send(3, 0, posted, Buffer.from("000003f3", "hex"));
  assert.equal((await answers[0])?.status, 502);
  // Late ones of the request that is over, and a second reset.
  raw.send(3, 0, posted);
  raw.send(0, 1, posted, "late");
  raw.answer(got, "whole");
  assert.equal((await answers[1])?.text, "whole");
  raw.answer(got, "again");
  const after = ask(port, { path: "/web/3" });
  assert.equal((await raw.frame()).type, 8, "what the client took is acknowledged");
  const acknowledgements = [];
  for (;;) {
    const frame = await raw.frame();
    if (frame.type === 1) {
      assert.equal(frame.id, 3, "ids are not used again");
      raw.answer(3, "third");
      break;
    }
    acknowledgements.push(frame.type);
  }
  assert.ok(acknowledgements.every((type) => type === 8));
  assert.equal((await after).text, "third");
});

test("3.0: a frame that is none, and text, end the tunnel", async (t) => {
  const { port, node, link } = await startCrankerRouter(t);
  for (const words of ["text", Buffer.from("0000", "hex"), Buffer.from("080000000001", "hex")]) {
    const raw = await new RawConnector(t, link).opened();
    await offered(node, "web");
    const answer = ask(port, { path: "/web/", method: "POST" });
    await raw.message();
    raw.socket.send(words);
    assert.deepEqual((await answer).headers["x-polarity-error"], "LINK_PROTOCOL");
    assert.equal((await raw.closed()).code, 1002);
    await until("it is gone", () => node.view().links.length === 0);
  }
});

test("3.0: heads in pieces are put together, and not without end", async (t) => {
  const { port, raw } = await startRaw(t, {});
  const whole = ask(port, { path: "/web/" });
  await raw.frame();
  for (const piece of ["HTTP/1.1 2", "", "01 X\nx-a", ":1\n"]) raw.send(1, 0, 1, piece);
  raw.send(1, 5, 1, "x-b:caf\u00e9\n");
  const answer = await whole;
  assert.deepEqual([answer.status, answer.headers["x-a"], answer.headers["x-b"]], [201, "1", "caf\u00e9"]);

  const endless = ask(port, { path: "/web/", method: "POST" });
  await until("the second head", async () => (await raw.frame()).type === 1);
  for (let piece = 0; piece < 20; piece++) raw.send(1, 0, 2, "x".repeat(16_000));
  assert.equal((await endless).headers["x-polarity-error"], "TARGET_PROTOCOL");
  await until("the connector is told", async () => (await raw.frame()).type === 3);

  const headless = ask(port, { path: "/web/", method: "POST" });
  await until("the third head", async () => (await raw.frame()).type === 1);
  raw.send(0, 1, 3, "body first");
  assert.equal((await headless).headers["x-polarity-error"], "TARGET_PROTOCOL");
});

test("3.0: a connector that ignores its client's pace loses the request, its neighbours nothing", async (t) => {
  const { port, raw } = await startRaw(t, {});
  const stalled = stall(t, port, "/web/flood");
  await raw.frame();
  raw.send(1, 4, 1, "HTTP/1.1 200 OK\n");
  const block = Buffer.alloc(64 * 1024);
  let reset = false;
  const watching = until("the request is reset", async () => (await raw.frame()).type === 3, 30_000).then(
    () => (reset = true),
  );
  while (!reset) {
    raw.send(0, 0, 1, block);
    if (raw.socket.bufferedAmount > 1e6) await new Promise((resolve) => setImmediate(resolve));
  }
  await watching;
  const cut = new Promise((resolve) => stalled.once("close", resolve));
  const neighbour = ask(port, { path: "/web/" });
  assert.equal((await raw.frame()).id, 2);
  raw.answer(2, "unmoved");
  assert.equal((await neighbour).text, "unmoved");
  stalled.resume();
  await soon("the stalled client is cut", cut);
});

test("3.0: sending pauses above 64 KiB until the connector acknowledges", async (t) => {
  const { port, raw } = await startRaw(t, {});
  const answer = ask(port, { path: "/web/", method: "POST", body: Buffer.alloc(10_000_000, 1) });
  const head = await raw.frame();
  assert.deepEqual([head.type, head.flags], [1, 4]);
  let unacknowledged = head.payload.length;
  let total = 0;
  /** The next frame that is no acknowledgement; of the upload it is counted. */
  const take = async (): Promise<RawFrame> => {
    for (;;) {
      const frame = await raw.frame();
      if (frame.type === 8) continue;
      if (frame.id !== 1) return frame;
      assert.equal(frame.type, 0);
      assert.ok(frame.payload.length <= 16_000);
      unacknowledged += frame.payload.length;
      total += frame.payload.length;
      return frame;
    }
  };
  while (unacknowledged <= 64 * 1024) await take();
  // What the router sends for others comes behind all that it sent before it paused.
  for (const id of [2, 3, 4]) {
    const neighbour = ask(port, { path: "/web/" });
    while ((await take()).id !== id);
    raw.answer(id, "hi");
    assert.equal((await neighbour).text, "hi");
  }
  assert.ok(unacknowledged < 256 * 1024, `${unacknowledged} bytes were on their way`);
  for (let more = true; more;) {
    const window = Buffer.alloc(4);
    window.writeInt32BE(unacknowledged);
    unacknowledged = 0;
    raw.send(8, 0, 1, window);
    more = ((await take()).flags & 1) === 0;
  }
  assert.equal(total, 10_000_000);
  raw.answer(1, "thanks");
  assert.equal((await answer).text, "thanks");
});

test("3.0: a client that goes away resets its request and no other", async (t) => {
  const { port, raw } = await startRaw(t, {});
  const leaving = stall(t, port, "/web/1");
  assert.equal((await raw.frame()).id, 1);
  const staying = ask(port, { path: "/web/2" });
  assert.equal((await raw.frame()).id, 2);
  leaving.destroy();
  const frame = await raw.frame();
  assert.deepEqual([frame.type, frame.id], [3, 1]);
  raw.answer(2, "still here");
  assert.equal((await staying).text, "still here");
});

test("heads over 64 KiB are refused, and the connector is not bothered", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", limits: { head: "256KiB", fields: 1000 } }], {
    links: { accept: [{ url: "tcp://127.0.0.1:0", cranker: true }] },
  });
  for (const version of VERSIONS) {
    const raw = await new RawConnector(t, router.link, { version, route: `v${version[0]}` }).opened();
    await offered(router.node, `v${version[0]}`);
    const headers = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`x-${index}`, "x".repeat(6_000)]));
    const answer = await ask(router.port, { path: `/v${version[0]}/`, headers });
    assert.deepEqual([answer.status, answer.headers["x-polarity-error"]], [431, "HEAD_TOO_LARGE"]);
    const small = ask(router.port, { path: `/v${version[0]}/small`, method: "DELETE" });
    assert.match((await raw.message()).data.toString(), /DELETE \/v\d\/small/);
    raw.socket.terminate();
    await small;
  }
});

test("an upgrade goes to a Polarity connector where one offers the service too", async (t) => {
  const app = await startHttpApp(t, () => {});
  app.server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello");
  });
  const { port, node, link } = await startRaw(t, {});
  await startConnector(t, link, { web: { target: app.url } }, { cost: 1 });
  await offered(node, "web", 2);
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write("GET /web/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await soon("the tunnel's end", once(socket, "end"));
  assert.match(text, /^HTTP\/1\.1 101 .*hello$/s);
});
