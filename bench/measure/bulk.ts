/** Driving `bulk-client.ts`. */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";

export interface BulkTask {
  readonly port: number;
  readonly path: string;
  readonly direction: "download" | "upload";
  /** What an upload sends; a download takes what it gets. */
  readonly bytes: number;
  readonly parallel: number;
  /** Start again until SIGTERM. */
  readonly loop: boolean;
  readonly hash: boolean;
  /** Uploads send this file instead of one block again and again. */
  readonly file?: string;
  /** Downloads read no faster than this, for the first seconds. */
  readonly pace?: { readonly bytesPerSecond: number; readonly seconds: number };
}

export interface BulkReport {
  readonly bytes: number;
  readonly seconds: number;
  readonly firstByteMs: number;
  /** Of what this client received, if it was to hash. */
  readonly sha256?: string | undefined;
  /** Of what the sink received, if it was asked to hash. */
  readonly answerSha256?: string | undefined;
}

export type BulkChoice = Pick<BulkTask, "port" | "path" | "direction"> & Partial<BulkTask>;

export async function runBulk(bench: Bench, choice: BulkChoice, timeoutMs = 120_000): Promise<BulkReport> {
  return JSON.parse(await bench.processes.run(startBulk(bench, choice), timeoutMs)) as BulkReport;
}

/** Runs until it is done or, for a task that loops, until SIGTERM. */
export function startBulk(bench: Bench, choice: BulkChoice): Child {
  const task: BulkTask = { bytes: 0, parallel: 1, loop: false, hash: false, ...choice };
  return bench.processes.startScript("bulk client", PROGRAM, task);
}

/** Stops a looping task and returns what it moved. */
export async function stopBulk(bench: Bench, child: Child): Promise<BulkReport> {
  child.signal("SIGTERM");
  return JSON.parse(await bench.processes.run(child, 10_000)) as BulkReport;
}

const PROGRAM = new URL("../bulk-client.ts", import.meta.url);
