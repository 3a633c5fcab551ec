/** Clients that break rules or never read: nothing crashes, nothing grows, and neighbours are served. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { startPair } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { WireClient } from "../support/wire-client.ts";

/** A generator of the same numbers for the same seed (mulberry32), so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const REQUESTS = [
  "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Service-Id: web\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n5;x=y\r\nhello\r\n0\r\na: b\r\n\r\n",
  "GET http://x/ HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, upgrade\r\nUpgrade: websocket\r\n\r\n",
  "OPTIONS * HTTP/1.0\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
];
const PIECES = [
  "\r\n",
  "\n",
  "\0",
  " ",
  "\t",
  ":",
  "\r\n\r\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\xff",
  "0\r\n\r\n",
];

function mutate(random: () => number): string {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
  let text = pick(REQUESTS);
  for (let edits = 1 + Math.floor(random() * 4); edits > 0; edits--) {
    const at = Math.floor(random() * text.length);
    const cut = random() < 0.5 ? Math.floor(random() * 8) : 0;
    text = text.slice(0, at) + (random() < 0.7 ? pick(PIECES) : "") + text.slice(at + cut);
  }
  return random() < 0.3 ? text + pick(REQUESTS) : text;
}

test("two thousand mutated requests break nothing, and the next good one is answered", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.pipe(response);
  });
  const router = await startPair(t, app.url, {}, { responseTimeout: "1s" });
  const random = seeded(20_261_121);
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(router.port, "127.0.0.1");
      const text = mutate(random);
      socket.on("data", () => {});
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.end(Buffer.from(text, "latin1"));
    });
  const clients = Array.from({ length: 20 }, async () => {
    for (let index = 0; index < 100; index++) await one();
  });
  await soon("the end of all of them", Promise.all(clients), 40_000);
  const answer = await ask(router.port, { method: "POST", body: "hello" });
  assert.deepEqual([answer.status, answer.text], [200, "hello"]);
  await until("nothing is left", () => {
    const { requestsActive, streamsOpen, connectionsOpen } = router.node.view().totals;
    return requestsActive === 0 && streamsOpen === 0 && connectionsOpen === 0;
  });
  assert.equal(router.node.view().services[0]?.offers[0]?.outstanding, 0);
});

test("a client that pipelines requests and does not read is asked to wait, and gets every answer once it reads", async (t) => {
  const count = 2_000;
  const body = "x".repeat(20_000);
  let asked = 0;
  const app = await startHttpApp(t, (_request, response) => {
    asked++;
    response.end(body);
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.socket.pause();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(count));
  // It has come to a stand when a neighbour is served many times and nothing more was asked for meanwhile.
  for (let still = 0, before = -1; still < 50; still++) {
    assert.equal((await ask(router.port)).status, 200);
    asked--;
    if (asked !== before) still = 0;
    before = asked;
  }
  // Some megabytes stand in the system's buffers for the two sockets.
  assert.ok(asked < 1_000, `${asked} answers of 20 kB are kept for a client that reads nothing`);
  client.socket.resume();
  for (let index = 0; index < count; index++) assert.equal((await client.response()).body.length, body.length);
  assert.equal(asked, count);
});

const MIB = 1024 * 1024;

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

test("two hundred clients that ask for 20 MB each and read nothing take little memory, and a neighbour is served", async (t) => {
  const body = Buffer.alloc(20_000_000);
  let begun = 0;
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/neighbour") {
      response.end("served");
      return;
    }
    begun++;
    response.end(body);
  });
  const addresses = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0=web"];
  const router = new PolarityProcess(t, ["router", ...addresses, "--name", "edge"]);
  const { links, listeners } = await router.ready();
  const connector = new PolarityProcess(t, ["connect", `web=${app.url}`, "--router", links[0]!, "--name", "shed"]);
  const port = Number(listeners[0]!.split(":")[2]);
  assert.equal((await ask(port, { path: "/neighbour" })).text, "served");
  const before = residentBytes(router.pid) + residentBytes(connector.pid);
  const stalled = Array.from({ length: 200 }, () => {
    const client = new WireClient(t, port);
    client.socket.pause();
    return client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  });
  await until("all have been asked of the app", () => begun === stalled.length);
  // Memory has settled when it stands for ten looks, in which the neighbour is served.
  let highest = 0;
  for (let still = 0; still < 10; still++) {
    const startedAt = performance.now();
    assert.equal((await ask(port, { path: "/neighbour" })).text, "served");
    assert.ok(performance.now() - startedAt < 5_000, "a neighbour waits");
    const now = residentBytes(router.pid) + residentBytes(connector.pid);
    if (now > highest + 4 * MIB) still = 0;
    highest = Math.max(highest, now);
  }
  const grown = Math.round((highest - before) / MIB);
  assert.ok(grown < 320, `router and connector grew by ${grown} MiB`);
  t.diagnostic(`grew by ${grown} MiB`);
  for (const client of stalled) client.socket.destroy();
});
