/**
 * Finds processes that a test run left behind, by a mark in their environment that children inherit.
 *
 * Works where /proc shows environments (Linux); elsewhere nothing is found.
 */
import { readdirSync, readFileSync } from "node:fs";

export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/** Processes, other than this one, whose environment has `name=value`. */
export function findMarked(name: string, value: string): Leftover[] {
  const mark = `${name}=${value}`;
  return processIds()
    .filter((pid) => pid !== process.pid && read(pid, "environ").split("\0").includes(mark))
    .map((pid) => ({ pid, command: read(pid, "cmdline").replaceAll("\0", " ").trim() }))
    .filter(({ command }) => command !== ""); // A zombie has no command line and holds nothing.
}

/** Waits until none is left, at most `graceMs`: a server that was told to stop may still be stopping. */
export async function findLeftovers(name: string, value: string, graceMs: number): Promise<Leftover[]> {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const found = findMarked(name, value);
    if (found.length === 0 || performance.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function killAll(leftovers: readonly Leftover[]): void {
  for (const { pid } of leftovers) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It went by itself.
    }
  }
}

function processIds(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Empty for a process that has gone or belongs to somebody else. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
