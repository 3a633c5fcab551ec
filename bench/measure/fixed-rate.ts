/** Driving `fixed-rate-client.ts`, which runs in a process of its own so that the harness cannot delay it. */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";

export interface FixedRateTask {
  readonly port: number;
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly bodyBytes: number;
  /** Requests per second. */
  readonly rate: number;
  readonly connections: number;
  /** Requests due in this time are made but not counted. */
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly timeoutMs: number;
}

export interface FixedRateFailure {
  /** When the request was due, since the start of the run. */
  readonly atMs: number;
  /** How long after that it was known to have failed. */
  readonly lateMs: number;
  /** An HTTP status, "cut", "timeout", or "unreadable" for an answer whose length is not stated. */
  readonly kind: string;
}

export interface FixedRateReport {
  readonly startEpochMs: number;
  readonly answered: number;
  readonly failed: number;
  readonly failures: readonly FixedRateFailure[];
  /** Answers by second of the run and by the app that gave them. */
  readonly servedBy: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface FixedRateRun {
  readonly child: Child;
  readonly report: Promise<FixedRateReport>;
}

export type FixedRateChoice = Pick<FixedRateTask, "port" | "rate" | "connections" | "seconds"> & Partial<FixedRateTask>;

export function startFixedRate(bench: Bench, choice: FixedRateChoice): FixedRateRun {
  const task: FixedRateTask = {
    path: "/",
    method: "GET",
    bodyBytes: 0,
    warmupSeconds: 1,
    timeoutMs: 10_000,
    ...choice,
  };
  const child = bench.processes.startScript("fixed-rate client", PROGRAM, task);
  const withinMs = (task.warmupSeconds + task.seconds) * 1_000 + task.timeoutMs + 5_000;
  const report = bench.processes.run(child, withinMs).then((text) => JSON.parse(text) as FixedRateReport);
  // A row that fails for another reason may never look at it.
  report.catch(() => {});
  return { child, report };
}

export async function runFixedRate(bench: Bench, choice: FixedRateChoice): Promise<FixedRateReport> {
  return await startFixedRate(bench, choice).report;
}

/** From the first request that failed to the last, by when they were due; 0 when none did. */
export function failingSeconds(report: FixedRateReport): number {
  if (report.failures.length === 0) return 0;
  const times = report.failures.map((failure) => failure.atMs);
  return Math.max(Math.max(...times) - Math.min(...times), 1) / 1_000;
}

/** `503: 4, cut: 2` */
export function failureKinds(report: FixedRateReport): string {
  const counts = new Map<string, number>();
  for (const { kind } of report.failures) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${kind}: ${count}`).join(", ");
}

const PROGRAM = new URL("../fixed-rate-client.ts", import.meta.url);
