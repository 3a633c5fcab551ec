/** A Foo server as an app, and clients that check each answer they get. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createFooServer, fooAnswer } from "../../src/cli/foo-server.ts";
import { soon } from "./patience.ts";

export async function startFooServer(
  context: TestContext,
  port = 0,
): Promise<{ readonly server: Server; readonly port: number; readonly url: string }> {
  const server = createFooServer();
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen({ port, host: "127.0.0.1", backlog: 1_024 });
  await once(server, "listening");
  context.after(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const bound = (server.address() as AddressInfo).port;
  return { server, port: bound, url: `tcp://127.0.0.1:${bound}` };
}

export interface FooCounts {
  req: number;
  ack: number;
  nak: number;
}

/** As many conversations as there are lists of lines; none begins before all are connected. */
export async function converseAtOnce(
  port: number,
  all: readonly (readonly string[])[],
  counts: FooCounts,
): Promise<void> {
  let missing = all.length;
  const connected = Promise.withResolvers<void>();
  const meet = (): Promise<void> => {
    if (--missing === 0) connected.resolve();
    return connected.promise;
  };
  await Promise.all(all.map((lines) => converse(port, lines, counts, meet)));
}

/**
 * A conversation of `lines`, each sent when the answer before was right; counts what it saw, and ends the connection. `connected`
 * may put off when it begins.
 */
export async function converse(
  port: number,
  lines: readonly string[],
  counts: FooCounts,
  connected?: () => Promise<void>,
): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const done = Promise.withResolvers<void>();
  let at = 0;
  let held = "";
  const ask = (): void => {
    const line = lines[at];
    if (line === undefined) socket.end();
    else socket.write(`${line}\n`);
  };
  socket.setEncoding("utf8");
  socket.on("connect", () => {
    if (connected === undefined) ask();
    else void connected().then(ask);
  });
  socket.on("data", (text: string) => {
    held += text;
    for (let end = held.indexOf("\n"); end >= 0; end = held.indexOf("\n")) {
      const answer = held.slice(0, end);
      held = held.slice(end + 1);
      const line = lines[at++]!;
      if (answer !== fooAnswer(line)) done.reject(new Error(`${line} got ${answer}, not ${fooAnswer(line)}`));
      if (line.startsWith("REQ ")) counts.req++;
      if (answer.startsWith("ACK")) counts.ack++;
      else counts.nak++;
      ask();
    }
  });
  socket.on("error", done.reject);
  socket.on("close", () => {
    if (at === lines.length) done.resolve();
    else done.reject(new Error(`the connection ended after ${at} of ${lines.length} answers`));
  });
  try {
    await soon("a conversation", done.promise, 60_000);
  } finally {
    socket.destroy();
  }
  assert.equal(held, "");
}
