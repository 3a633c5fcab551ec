/** Driving h2load: as many HTTP/2 requests as it gets answered, over connections that each carry several at once. */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";
import { CpuMeter } from "./load.ts";

export interface H2loadChoice {
  readonly port: number;
  readonly connections: number;
  /** Requests at once on each. */
  readonly streams: number;
  readonly seconds: number;
}

export interface H2loadResult {
  readonly requestsPerSecond: number;
  readonly meanUs: number;
  /** CPU time of all hops for one request, in microseconds. */
  readonly cpuUsPerRequest: number;
  readonly foreignShare: number;
  readonly failed: number;
}

export async function runH2load(bench: Bench, hops: readonly Child[], choice: H2loadChoice): Promise<H2loadResult> {
  const seconds = Math.max(1, Math.round(choice.seconds));
  const args = [
    ["--duration", String(seconds), "--clients", String(choice.connections)],
    ["--max-concurrent-streams", String(choice.streams), `http://127.0.0.1:${choice.port}/`],
  ].flat();
  const meter = new CpuMeter(bench, hops);
  const h2load = bench.processes.start("h2load", bench.tools.path("h2load"), args);
  const text = await bench.processes.run(h2load, seconds * 1_000 + 15_000);
  const cpu = meter.read();
  const succeeded = Number(/(\d+) succeeded/.exec(text)?.[1] ?? 0);
  const rate = Number(/, ([\d.]+) req\/s/.exec(text)?.[1] ?? 0);
  // Requests that were under way at the end count as neither.
  const failed = Number(/(\d+) failed/.exec(text)?.[1] ?? 0);
  if (succeeded === 0 || rate === 0) throw new Error(`h2load did not report: ${text}`);
  return {
    requestsPerSecond: rate,
    meanUs: microseconds(/time for request:\s+\S+\s+\S+\s+(\S+)/.exec(text)?.[1] ?? ""),
    cpuUsPerRequest: (cpu.hopsMs * 1_000) / succeeded,
    foreignShare: cpu.foreignShare,
    failed,
  };
}

/** `812us`, `3.94ms` or `1.02s`. */
function microseconds(text: string): number {
  const [, value = "", unit = ""] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? [];
  return Number(value) * ({ us: 1, ms: 1e3, s: 1e6 }[unit] ?? Number.NaN);
}
