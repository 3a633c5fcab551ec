/** Resident memory: settled figures before and after, and peaks while something goes on. */
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "../processes.ts";
import { residentBytes } from "./proc.ts";

/**
 * The least of several readings: garbage that a collector has not yet taken is not what a connection costs. We cannot make
 * another process collect, so a figure is an upper bound.
 */
export async function settledBytes(children: readonly Child[], seconds: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + seconds * 1_000; performance.now() < end; await delay(200)) {
    least = Math.min(
      least,
      children.reduce((total, child) => total + residentBytes(child.pid), 0),
    );
  }
  return least;
}

/** Watches several processes and keeps the most that each one used. */
export class PeakMemory {
  readonly #peaks = new Map<Child, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(children: readonly Child[]) {
    for (const child of children) this.#peaks.set(child, 0);
    this.#read();
    this.#timer = setInterval(() => this.#read(), 50);
  }

  stop(): ReadonlyMap<Child, number> {
    this.#read();
    clearInterval(this.#timer);
    return this.#peaks;
  }

  #read(): void {
    for (const [child, peak] of this.#peaks) {
      if (child.running) this.#peaks.set(child, Math.max(peak, residentBytes(child.pid)));
    }
  }
}
