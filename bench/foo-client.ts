/**
 * Load of the Foo Protocol: lines of 64 bytes, so many under way on each connection, for so long. Prints a line when it is warm,
 * and what it measured when it is done.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FooTask } from "./measure/foo.ts";

const LINE_BYTES = 64;

const task = JSON.parse(process.argv[2] ?? "{}") as FooTask;
let messages = 0;

const sockets = await Promise.all(Array.from({ length: task.connections }, open));
await delay(task.warmupSeconds * 1_000);
messages = 0;
const begun = performance.now();
process.stdout.write("warm\n");
await delay(task.seconds * 1_000);
process.stdout.write(`${JSON.stringify({ messages, seconds: (performance.now() - begun) / 1_000 })}\n`);
for (const socket of sockets) socket.destroy();

async function open(): Promise<Socket> {
  return await new Promise((resolve) => {
    const socket = connect({ port: task.port, host: "127.0.0.1", noDelay: true });
    const batch = Buffer.concat(Array.from({ length: task.depth }, (_, at) => line(100_000 + at)));
    let owed = 0;
    const ask = (): void => {
      owed = batch.length;
      messages += task.depth;
      socket.write(batch);
    };
    socket.on("connect", () => {
      resolve(socket);
      ask();
    });
    socket.on("data", (chunk: Buffer) => {
      owed -= chunk.length;
      messages += chunk.length / LINE_BYTES;
      if (owed === 0) ask();
    });
    socket.on("error", (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    });
  });
}

function line(seq: number): Buffer {
  const start = `REQ ${seq} `;
  return Buffer.from(`${start}${"x".repeat(LINE_BYTES - 1 - start.length)}\n`);
}
