/** Driving `hold-client.ts`. */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";

export interface HoldTask {
  readonly kind: "idle" | "stall";
  readonly port: number;
  readonly path: string;
  readonly connections: number;
}

export interface HoldReport {
  readonly held: number;
  readonly failed: number;
}

/** Resolves when all connections are there; they stay until the child is stopped. */
export async function holdConnections(bench: Bench, task: HoldTask): Promise<Child> {
  const child = bench.processes.startScript("hold client", PROGRAM, task);
  const report = JSON.parse(await child.line(60_000)) as HoldReport;
  if (report.failed > 0) throw new Error(`${report.failed} of ${task.connections} connections were not served`);
  return child;
}

const PROGRAM = new URL("../hold-client.ts", import.meta.url);
