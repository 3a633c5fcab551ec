/**
 * putsh: raw bytes through connections that the backend's side opened ahead.
 *
 *   node examples/putsh/main.ts
 *
 * `a` listens for clients and for links, `b` sits beside the backend and opens ten links to `a`. Each command is printed as one
 * would type it.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

import { until, walk } from "../support/walk.ts";
import { talkOverChannels } from "./channels.ts";

const BIG = 16 * 1024 * 1024;

await walk("putsh: raw bytes through ten links that the backend's side opened", async (walk) => {
  const backend = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(backend, "listening");
  walk.after(() => backend.close());
  const { port: backendPort } = backend.address() as AddressInfo;

  const places = "--link tcp://127.0.0.1:0 --listen tcp://127.0.0.1:0=backend --admin http://127.0.0.1:0";
  const a = await walk.start(`router --name a ${places}`);
  const [link, port] = [a.links[0]!, Number(new URL(a.listeners[0]!).port)];
  await walk.start(`connect backend=tcp://127.0.0.1:${backendPort} --name b --router ${link} --links 10`);

  await walk.check("ten links are opened at the start", async () => {
    return await until("ten links", async () => {
      const { links } = (await (await fetch(`${a.admin}/api/v1/links`)).json()) as { links: unknown[] };
      return links.length === 10 && "10 links of b's at a, before any client came";
    });
  });
  await walk.check("any bytes come back as they were", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    assert.deepEqual(await exchange(port, bytes), bytes);
    return "all 256 values";
  });
  await walk.check("16 MiB up and the same down at once, by their hash", async () => {
    const bytes = randomBytes(BIG);
    const [sent, came] = [bytes, await exchange(port, bytes)].map(hashOf);
    assert.equal(came, sent);
    return sent!.slice(0, 16);
  });
  await walk.check("a hundred clients at once over the ten links, and none is left waiting", async () => {
    const said = Array.from({ length: 100 }, (_, index) => Buffer.from(`client ${index}`));
    assert.deepEqual(await Promise.all(said.map((bytes) => exchange(port, bytes))), said);
    return "each got its own bytes back";
  });
  await walk.check("a client that breaks off breaks off for the backend too", async () => {
    const accepted = once(backend, "connection") as Promise<[Socket]>;
    const client = connect(port, "127.0.0.1");
    client.write("x");
    const [socket] = await accepted;
    await once(client, "data");
    const end = once(socket, "close").catch((error: NodeJS.ErrnoException) => error.code);
    client.resetAndDestroy();
    assert.equal(await end, "ECONNRESET");
    return "reset, and not ended in order";
  });
  await talkOverChannels(walk, link);
});

/** Sends the bytes and then the end; what came until the other side's end. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(bytes);
  return Buffer.concat(await socket.toArray());
}

function hashOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
