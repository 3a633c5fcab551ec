/** Requests that share a tunnel of cranker 3.0, and what one of them has to do with another: nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { offered } from "../support/cluster.ts";
import { stall, startCrankerRouter, startRaw } from "../support/cranker-router.ts";
import { RawConnector, type RawFrame } from "../support/cranker-socket.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";

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
  const seen = { reset: false };
  const watching = until("the request is reset", async () => (await raw.frame()).type === 3, 30_000).then(() => {
    seen.reset = true;
  });
  while (!seen.reset) {
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
  const upload = { unacknowledged: head.payload.length, total: 0 };
  /** The next frame that is no acknowledgement; of the upload it is counted. */
  const take = async (): Promise<RawFrame> => {
    for (;;) {
      const frame = await raw.frame();
      if (frame.type === 8) continue;
      if (frame.id !== 1) return frame;
      assert.equal(frame.type, 0);
      assert.ok(frame.payload.length <= 16_000);
      upload.unacknowledged += frame.payload.length;
      upload.total += frame.payload.length;
      return frame;
    }
  };
  while (upload.unacknowledged <= 64 * 1024) await take();
  // What the router sends for others comes behind all that it sent before it paused.
  for (const id of [2, 3, 4]) {
    const neighbour = ask(port, { path: "/web/" });
    while ((await take()).id !== id);
    raw.answer(id, "hi");
    assert.equal((await neighbour).text, "hi");
  }
  assert.ok(upload.unacknowledged < 256 * 1024, `${upload.unacknowledged} bytes were on their way`);
  for (let more = true; more;) {
    const window = Buffer.alloc(4);
    window.writeInt32BE(upload.unacknowledged);
    upload.unacknowledged = 0;
    raw.send(8, 0, 1, window);
    more = ((await take()).flags & 1) === 0;
  }
  assert.equal(upload.total, 10_000_000);
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
