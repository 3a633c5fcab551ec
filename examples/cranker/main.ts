/**
 * Cranker: HTTP requests travel over websockets that the apps' side opened.
 *
 *   node examples/cranker/main.ts
 *
 * Two load balancers (`edge-1`, `edge-2`), two data centres (`near`, `far`, dearer), two services (`web`, `orders`), every
 * link a websocket; then connectors that speak cranker themselves. Each command is printed as one would type it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

import { WebSocket } from "ws";

import { freePort, until, walk } from "../support/walk.ts";
import { hashOf, hashOfBytes, startApp } from "./app.ts";
import { takeTodaysConnectors } from "./today.ts";

const BIG = 32 * 1024 * 1024;

await walk("Cranker: the load balancer's requests travel over the apps' own websockets", async (walk) => {
  const [link1, link2, nearPort, farPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const connector = (name: string, port: number, flags: string): string =>
    `connect web=http://127.0.0.1:${port} orders=http://127.0.0.1:${port} --name ${name} ${flags}`;
  const nearLine = connector(
    "near",
    nearPort,
    `--router ws://127.0.0.1:${link1} --router ws://127.0.0.1:${link2} --links 10`,
  );
  const farLine = connector(
    "far",
    farPort,
    `--router ws://127.0.0.1:${link1}#cost=10 --router ws://127.0.0.1:${link2}#cost=10`,
  );

  walk.part("The wrong way round: connectors first, then the load balancers, the apps last");
  let near = await walk.start(nearLine);
  await walk.start(farLine);
  const edge1 = await walk.start(`router --name edge-1 --link tcp://127.0.0.1:${link1} --listen http://127.0.0.1:0`);
  const edge2 = await walk.start(`router --name edge-2 --link tcp://127.0.0.1:${link2} --listen http://127.0.0.1:0`);
  const [first, second] = [edge1.listeners[0]!, edge2.listeners[0]!];
  walk.after(await startApp("near-app", nearPort));
  walk.after(await startApp("far-app", farPort));
  await walk.check("started in any order, each waits for the others", async () => {
    for (const edge of [first, second])
      await until(`near serves ${edge}`, async () => (await serverOf(edge)) === "near-app");
    return "both load balancers serve, from the near data centre";
  });

  walk.part("The requests of Cranker's own test");
  await walk.check("GET gives the app's page and its server header", async () => {
    const response = await fetch(`${first}/web/`);
    assert.equal(response.headers.get("server"), "near-app");
    assert.match(await response.text(), /The app's page/);
    return "server: near-app";
  });
  await walk.check("POST a=1&b=2 is echoed, as straight from the app", async () => {
    const form = (): RequestInit => ({ method: "POST", body: new URLSearchParams({ a: "1", b: "2" }) });
    const through = await (await fetch(`${first}/web/echo`, form())).text();
    assert.equal(through, await (await fetch(`http://127.0.0.1:${nearPort}/echo`, form())).text());
    assert.equal(through, "a=1&b=2");
    return through;
  });
  await walk.check("a multipart upload of 5,000 bytes arrives", async () => {
    const content = Buffer.alloc(5_000, "polarity");
    const body = new FormData();
    body.set("file", new Blob([content]), "note.bin");
    const text = await (await fetch(`${first}/web/form`, { method: "POST", body })).text();
    assert.equal(text, `note.bin 5000 ${await hashOf([content])}`);
    return text.slice(0, 32);
  });
  await walk.check("the eleventh request on ten connections, and the thousandth", async () => {
    for (let count = 1; count <= 11; count++) assert.equal(await serverOf(first), "near-app");
    for (let count = 12; count <= 1000; count += 23)
      await Promise.all(Array.from({ length: 23 }, () => serverOf(first)));
    assert.equal(await serverOf(first), "near-app");
    return "all answered";
  });
  await walk.check("the path and the query string are kept", async () => {
    const path = "/web/request?q=two+words&amp;empty=&x=%2F%3F";
    const seen = (await (await fetch(first + path)).json()) as { url: string };
    assert.equal(seen.url, path);
    return path;
  });

  walk.part("Many services behind one load balancer");
  await walk.check("X-Service-Id names the service, and so does the path", async () => {
    const byHeader = await fetch(`${first}/request`, { headers: { "X-Service-Id": "orders" } });
    const byPath = await fetch(`${first}/orders/request`);
    assert.deepEqual([byHeader.status, byPath.status], [200, 200]);
    return "orders, by either";
  });
  await walk.check("Via, Forwarded and X-Forwarded-* are there, hop-by-hop fields are not", async () => {
    const headers = await headersSeen(`${first}/web/request`, {
      Connection: "close, X-Hop",
      "X-Hop": "1",
      "Keep-Alive": "5",
    });
    assert.match(headers["via"] ?? "", /edge-1/);
    assert.match(headers["forwarded"] ?? "", /for="127\.0\.0\.1:/);
    assert.equal(headers["x-forwarded-proto"], "http");
    assert.deepEqual([headers["x-hop"], headers["keep-alive"]], [undefined, undefined]);
    return `via: ${headers["via"]}; forwarded: ${headers["forwarded"]}`;
  });

  walk.part("Lots of data");
  await walk.check("32 MiB up arrive with the hash they left with", async () => {
    const content = Buffer.alloc(BIG, "all of this goes up ");
    const text = await (await fetch(`${first}/web/hash`, { method: "POST", body: content })).text();
    assert.equal(text, await hashOf([content]));
    return text.slice(0, 16);
  });
  await walk.check("32 MiB down arrive with the hash they left with", async () => {
    const response = await fetch(`${second}/web/bytes?count=${BIG}`);
    const hash = await hashOf(response.body!);
    assert.equal(hash, hashOfBytes(BIG));
    return hash.slice(0, 16);
  });

  walk.part("Websockets over websockets");
  await walk.check("text, bytes, ping and close code pass, from end to end", () => talk(first));
  await walk.check("two hundred websockets at once", async () => {
    await Promise.all(Array.from({ length: 200 }, (_, index) => talk(index % 2 === 0 ? first : second)));
    return "each heard its own echo";
  });

  await takeTodaysConnectors(walk, edge1.links[0]!, first, nearPort);

  walk.part("Near and far");
  await walk.check("while near is there, far gets nothing", async () => {
    const servers = await Promise.all(Array.from({ length: 50 }, () => serverOf(second)));
    assert.deepEqual([...new Set(servers)], ["near-app"]);
    return "50 of 50 from near-app";
  });
  await walk.check("near is killed: far serves, and no request is lost", async () => {
    const servers: string[] = [];
    const farAnswers = (): number => servers.filter((server) => server === "far-app").length;
    const clients = Array.from({ length: 8 }, async () => {
      while (farAnswers() < 200) servers.push(await serverOf(second));
    });
    while (servers.length < 100) await delay(1);
    await near.kill();
    await Promise.all(clients);
    assert.deepEqual([...new Set(servers)].sort(), ["far-app", "near-app"]);
    return `${servers.length} requests by eight clients, every one answered`;
  });
  await walk.check("near is started again: near serves again", async () => {
    near = await walk.start(nearLine);
    for (const edge of [first, second])
      await until(`near serves ${edge}`, async () => (await serverOf(edge)) === "near-app");
    return "at both load balancers";
  });
  await walk.check("a load balancer is killed: the other serves, and the connectors come back to it", async () => {
    await edge1.kill();
    assert.equal(await serverOf(second), "near-app");
    await walk.start(`router --name edge-1 --link tcp://127.0.0.1:${link1} --listen ${first}`);
    await until("near serves edge-1", async () => (await serverOf(first)) === "near-app");
    return "edge-2 meanwhile, edge-1 again";
  });
  await walk.check("a service that nobody offers is an error that says so", async () => {
    const response = await fetch(`${second}/nothing/here`);
    assert.deepEqual([response.status, response.headers.get("x-polarity-error")], [404, "NO_ROUTE"]);
    return (await response.text()).trim().slice(0, 100);
  });
});

/** The `Server` field of an answer: which app gave it. Failures of Polarity have none. */
async function serverOf(edge: string): Promise<string> {
  const response = await fetch(`${edge}/web/`);
  await response.arrayBuffer();
  return response.headers.get("server") ?? `status ${response.status}`;
}

/** `fetch` does not send hop-by-hop fields. */
function headersSeen(url: string, headers: Record<string, string>): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { headers }, (response) => {
      json(response).then((answer) => resolve((answer as { headers: Record<string, string> }).headers), reject);
    });
    outgoing.on("error", reject).end();
  });
}

/** One conversation over a websocket; resolves with what came of it. */
async function talk(edge: string): Promise<string> {
  const socket = new WebSocket(`${edge.replace("http", "ws")}/web/socket`);
  await once(socket, "open");
  const bytes = Buffer.from([0, 255, 13, 10]);
  socket.send("hello");
  assert.deepEqual(await once(socket, "message"), [Buffer.from("hello"), false]);
  socket.send(bytes);
  assert.deepEqual(await once(socket, "message"), [bytes, true]);
  socket.ping("are you there");
  assert.equal(String((await once(socket, "pong"))[0]), "are you there");
  socket.send("leave me");
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  assert.deepEqual([code, reason.toString()], [4321, "as you wish"]);
  return "hello, 4 bytes, pong, 4321 as you wish";
}
