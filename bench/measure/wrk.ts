/** Driving wrk: as many requests as it gets answered, over a fixed number of connections. */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";
import { CpuMeter } from "./load.ts";

export interface WrkChoice {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** With more than one, requests go to /s0/ … in turn. */
  readonly services?: number;
}

export interface WrkResult {
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of all hops for one request, in microseconds. */
  readonly cpuUsPerRequest: number;
  readonly foreignShare: number;
  readonly failed: number;
}

interface Printed {
  readonly requests: number;
  readonly microseconds: number;
  readonly failed: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** A stray reset among a million answers is noted by the caller; more than this is no measurement. */
const FAILED_SHARE_MAX = 0.001;

export async function runWrk(bench: Bench, hops: readonly Child[], choice: WrkChoice): Promise<WrkResult> {
  const script = choice.services === undefined ? "wrk-report.lua" : "wrk-services.lua";
  const args = [
    ["--threads", "1", "--connections", String(choice.connections)],
    ["--duration", `${Math.max(1, Math.round(choice.seconds))}s`, "--timeout", "10s"],
    ["--script", new URL(`../${script}`, import.meta.url).pathname, `http://127.0.0.1:${choice.port}/`],
    choice.services === undefined ? [] : [String(choice.services)],
  ].flat();
  const meter = new CpuMeter(bench, hops);
  const wrk = bench.processes.start("wrk", bench.tools.path("wrk"), args);
  const text = await bench.processes.run(wrk, choice.seconds * 1_000 + 15_000);
  const cpu = meter.read();
  const json = /^wrk-report (.*)$/m.exec(text)?.[1];
  if (json === undefined) throw new Error(`wrk did not report: ${text}`);
  const printed = JSON.parse(json) as Printed;
  if (printed.requests === 0 || printed.failed > printed.requests * FAILED_SHARE_MAX) {
    throw new Error(`wrk: ${printed.failed} of ${printed.requests} requests failed`);
  }
  return {
    requestsPerSecond: printed.requests / (printed.microseconds / 1e6),
    p50Us: printed.p50Us,
    p99Us: printed.p99Us,
    cpuUsPerRequest: (cpu.hopsMs * 1_000) / printed.requests,
    foreignShare: cpu.foreignShare,
    failed: printed.failed,
  };
}
