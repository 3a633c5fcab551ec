/**
 * Free ports below the ephemeral range: a port that the kernel hands out is soon taken again by one of the thousands of
 * client connections that the load opens.
 */
import { createServer } from "node:net";

const FIRST = 15_000;
const LAST = 30_000;

let next = FIRST + (process.pid % 100) * 100;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < LAST - FIRST; tries++) {
    next = next >= LAST ? FIRST : next + 1;
    if (await canListen(next)) return next;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`);
}

async function canListen(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
