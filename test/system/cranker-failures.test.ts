/** Cranker connectors that break, misbehave or stall, and clients that go away: who hears of it, and who does not. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { startCrankerPeer } from "../support/cranker-connector.ts";
import { stall, startCrankerRouter, startRaw } from "../support/cranker-router.ts";
import { RawConnector } from "../support/cranker-socket.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";

const VERSIONS = ["1.0", "3.0"] as const;

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

for (const version of ["1.0", "3.0"] as const) {
  test(`${version}: uploads of any size reach a connector that takes messages of 32 KiB, as those in Go do`, async (t) => {
    const app = await startHttpApp(t, (incoming, response) => {
      const hash = createHash("sha256");
      incoming.on("data", (chunk: Buffer) => hash.update(chunk));
      incoming.on("end", () => response.end(hash.digest("hex")));
    });
    const router = await startCrankerRouter(t);
    const connector = { target: app.url, version, route: "web", messageBytesMax: 32 * 1024 };
    startCrankerPeer(t, { router: router.link.replace("tcp:", "ws:"), ...connector });
    await offered(router.node, "web");
    for (const bytes of [0, 32_767, 32_768, 32_769, 65_536, 65_537, 1_000_000]) {
      const body = randomBytes(bytes);
      const answer = await ask(router.port, { path: "/web/up", method: "POST", body });
      assert.deepEqual(
        [answer.status, answer.text],
        [200, createHash("sha256").update(body).digest("hex")],
        String(bytes),
      );
    }
  });
}

test("1.0: an answer without a length is whole when its socket closes without a code, and is not when it is lost", async (t) => {
  const { raw, port } = await startRaw(t, { version: "1.0" });
  const whole = ask(port, { path: "/web/x" });
  await raw.message();
  raw.socket.send("HTTP/1.1 200 OK\ncontent-type:text/plain\n");
  raw.socket.send(Buffer.from("all of it"));
  raw.socket.close();
  assert.equal((await whole).text, "all of it");
});

test("after the last connector has left, an unknown route is 404 at once, and a known one 503", async (t) => {
  const router = await startCrankerRouter(t, { waitForOffer: "2s" });
  const first = await ask(router.port, { path: "/none/x" });
  assert.deepEqual([first.status, first.headers["x-polarity-error"]], [503, "NO_CONNECTOR"]);
  const app = await startHttpApp(t, (_request, response) => response.end("ok"));
  const peer = startCrankerPeer(t, { router: router.link.replace("tcp:", "ws:"), target: app.url, version: "3.0" });
  await offered(router.node, "web");
  await peer.deregister();
  peer.kill();
  await until("the connector to have left", () =>
    router.node.view().services.every(({ offers }) => offers.length === 0),
  );
  const unknown = await ask(router.port, { path: "/none/x" });
  assert.deepEqual([unknown.status, unknown.headers["x-polarity-error"]], [404, "NO_ROUTE"]);
  assert.equal((await ask(router.port, { path: "/web/x" })).status, 503);
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
