/** Waiting for things by looking at them, with a deadline. */
import { request } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "../processes.ts";

export const READY_WITHIN_MS = 15_000;
const POLL_MS = 20;

/** Polls until the check is true; fails with the watched program's last words when it ends or the time is over. */
export async function waitUntil(
  what: string,
  check: () => boolean | Promise<boolean>,
  watched: readonly Child[],
  timeoutMs: number = READY_WITHIN_MS,
  pollMs: number = POLL_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    const ended = watched.find((child) => !child.running);
    if (ended !== undefined) throw new Error(`${ended.name} ended while waiting for ${what}: ${ended.lastWords}`);
    if (performance.now() > deadline) {
      const words = watched.map((child) => child.lastWords).join("\n");
      throw new Error(`no ${what} within ${timeoutMs} ms: ${words}`);
    }
    await delay(pollMs);
  }
}

/** Waits for a 200. */
export async function waitForPage(port: number, path: string, ...watched: readonly Child[]): Promise<void> {
  await waitUntil(`200 on 127.0.0.1:${port}${path}`, async () => (await statusOf(port, path)) === 200, watched);
}

/** The status of a GET, or undefined when there was none. */
export async function statusOf(port: number, path: string): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const exchange = request({ host: "127.0.0.1", port, path, agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
      response.on("error", () => resolve(undefined));
    });
    exchange.on("timeout", () => exchange.destroy());
    exchange.on("error", () => resolve(undefined));
    exchange.end();
  });
}

/** What a GET answers, as JSON. */
export async function jsonOf(port: number, path: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  if (!response.ok) throw new Error(`status ${response.status} of 127.0.0.1:${port}${path}`);
  return await response.json();
}

/** Whether something accepts connections on the port. */
export async function connects(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
