/** Connections that say nothing do not take the admin listener from probes and operators. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { soon, until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";

const FULL = process.env["POLARITY_TEST_FULL"] === "1";

async function startAdmin(t: TestContext): Promise<number> {
  const flags = "--link tcp://127.0.0.1:0 --listen http://127.0.0.1:0 --admin http://127.0.0.1:0";
  const router = new PolarityProcess(t, ["router", ...flags.split(" ")]);
  const { admin } = await router.ready();
  return Number(new URL(admin!).port);
}

/** Half of a request on each. */
async function halfOpen(t: TestContext, port: number, count: number, localAddress: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("error", () => {});
    t.after(() => socket.destroy());
    socket.write("GET /livez HTTP/1.1\r\nHost: x\r\n");
    return socket;
  });
  await Promise.all(sockets.filter(({ connecting }) => connecting).map((socket) => once(socket, "connect")));
  return sockets;
}

/** The status, or why there is none. */
function get(port: number, path: string, localAddress: string): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const asked = request({ port, host: "127.0.0.1", path, localAddress, agent: false }, (answer) => {
    answer.resume();
    resolve(answer.statusCode ?? 0);
  });
  asked.on("error", (error) => resolve(error.message));
  asked.end();
  return soon(`an answer for ${path}`, promise);
}

test("half-open requests hold up no probe, whatever address they come from, and go after 5 s", async (t) => {
  const port = await startAdmin(t);
  const sockets = await halfOpen(t, port, 300, "127.0.0.2");
  const began = performance.now();
  assert.equal(await get(port, "/livez", "127.0.0.2"), 200);
  assert.equal(await get(port, "/healthz", "127.0.0.1"), 200);
  assert.equal(await get(port, "/metrics", "127.0.0.1"), 503, "the rest waits");
  assert.ok(performance.now() - began < 2_000);

  sockets.push(...(await halfOpen(t, port, 400, "127.0.0.2")));
  assert.equal(await get(port, "/livez", "127.0.0.1"), 200, "another address finds a place at once");
  await until("so does the same one, soon", async () => (await get(port, "/livez", "127.0.0.2")) === 200, 3_000);
  if (!FULL) return;
  await until("the rest is answered again", async () => (await get(port, "/metrics", "127.0.0.1")) === 200, 8_000);
});
