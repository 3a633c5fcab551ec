/**
 * CPU time around a stretch of load: what the hops used, and what neither they nor we did.
 *
 * The kernel accounts run time exactly and reports it in steps of 10 ms, so a second of load is good to a percent or two.
 */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";
import { cpuMs, cpuWithEndedChildrenMs, machineBusyMs } from "./proc.ts";

export interface CpuUse {
  /** Of all hops together, in milliseconds. */
  readonly hopsMs: number;
  /** Share of the machine that others used meanwhile, 0 to 1: above a few percent, the figures are not to be trusted. */
  readonly foreignShare: number;
}

export class CpuMeter {
  readonly #bench: Bench;
  readonly #hops: readonly Child[];
  readonly #startedAt = performance.now();
  readonly #hopsMs: number;
  readonly #oursMs: number;
  readonly #machineMs: number;

  constructor(bench: Bench, hops: readonly Child[]) {
    this.#bench = bench;
    this.#hops = hops;
    this.#hopsMs = sum(hops);
    this.#oursMs = oursMs(bench);
    this.#machineMs = machineBusyMs();
  }

  read(): CpuUse {
    const foreignMs = machineBusyMs() - this.#machineMs - (oursMs(this.#bench) - this.#oursMs);
    return {
      hopsMs: sum(this.#hops) - this.#hopsMs,
      foreignShare: Math.max(0, foreignMs) / ((performance.now() - this.#startedAt) * this.#bench.cores),
    };
  }
}

function sum(children: readonly Child[]): number {
  return children.reduce((total, child) => total + cpuMs(child.pid), 0);
}

/** The benchmark itself, what it runs, and what it ran. */
function oursMs(bench: Bench): number {
  const running = bench.processes.pids.reduce((total, pid) => total + cpuMs(pid), 0);
  return running + cpuWithEndedChildrenMs(process.pid);
}
