/** Driving `foo-client.ts`. */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";
import { CpuMeter } from "./load.ts";

export interface FooTask {
  readonly port: number;
  readonly connections: number;
  /** Requests that each connection has under way. */
  readonly depth: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface FooResult {
  readonly messagesPerSecond: number;
  readonly cpuUsPerMessage: number;
  readonly foreignShare: number;
}

const PROGRAM = new URL("../foo-client.ts", import.meta.url);

/** Requests and answers both count as messages. */
export async function runFoo(bench: Bench, proxy: Child, task: FooTask): Promise<FooResult> {
  const client = bench.processes.startScript("foo client", PROGRAM, task);
  const patienceMs = (task.warmupSeconds + task.seconds) * 1_000 + 30_000;
  await client.line(patienceMs);
  const meter = new CpuMeter(bench, [proxy]);
  const { messages, seconds } = JSON.parse(await client.line(patienceMs)) as { messages: number; seconds: number };
  const { hopsMs, foreignShare } = meter.read();
  await client.exited;
  return { messagesPerSecond: messages / seconds, cpuUsPerMessage: (hopsMs * 1_000) / messages, foreignShare };
}
