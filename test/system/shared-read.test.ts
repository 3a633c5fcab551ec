/** Sockets that read into memory they share: what one of them may do to the others. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { acceptWithSharedRead, RECEIVER, type ReceivingSocket } from "../../src/socket/shared-read.ts";
import { soon, until } from "../support/patience.ts";

/** A connected pair: the accepted end reads into shared memory and is paused. */
async function connected(t: TestContext): Promise<{ client: Socket; accepted: ReceivingSocket }> {
  const server = createServer();
  t.after(() => server.close());
  const arrival = Promise.withResolvers<Socket>();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  assert.ok(acceptWithSharedRead(server, arrival.resolve), "this Node reads the other way");
  const { port } = server.address() as { port: number };
  const client = connect(port, "127.0.0.1");
  const accepted = await soon("the connection", arrival.promise);
  accepted.pause();
  t.after(() => {
    client.destroy();
    accepted.destroy();
  });
  return { client, accepted };
}

test("a socket that has megabytes to read lets the event loop turn in between", async (t) => {
  const { client, accepted } = await connected(t);
  // As much as the system holds for a reader that does not read.
  const sent = Buffer.alloc(16 * 1024 * 1024, "b");
  client.write(sent);
  await until("the system's buffers are full", () => client.bytesWritten > 0 && client.writableLength > 0);
  let total = 0;
  let thisTurn = 0;
  let mostInATurn = 0;
  const whole = Promise.withResolvers<void>();
  accepted[RECEIVER] = {
    received(chunk) {
      if (thisTurn === 0) setImmediate(() => (thisTurn = 0));
      thisTurn += chunk.length;
      mostInATurn = Math.max(mostInATurn, thisTurn);
      total += chunk.length;
      if (total === sent.length) whole.resolve();
    },
  };
  accepted.resume();
  await soon("all of it", whole.promise);
  assert.ok(mostInATurn >= 128 * 1024, `${mostInATurn} bytes a turn are few`);
  assert.ok(mostInATurn <= 384 * 1024, `${mostInATurn} bytes in one turn`);
});

test("who pauses a socket that waits for its turn is not overruled", async (t) => {
  const { client, accepted } = await connected(t);
  const sent = Buffer.alloc(8 * 1024 * 1024, "b");
  client.write(sent);
  let total = 0;
  let pausedAt = -1;
  let afterPause = 0;
  accepted[RECEIVER] = {
    received(chunk) {
      if (pausedAt >= 0) afterPause += chunk.length;
      total += chunk.length;
      if (total < 1024 * 1024 || pausedAt >= 0) return;
      pausedAt = total;
      accepted.pause();
    },
  };
  accepted.resume();
  await until("it is paused", () => pausedAt >= 0);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(afterPause, 0);
  accepted.resume();
  await until("the rest", () => total === sent.length);
});
