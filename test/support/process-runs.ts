/** Whether a process that is not ours has ended. */
import { existsSync, readFileSync } from "node:fs";

export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended may wait for a parent that does not ask, as some containers' first process does not.
    return !(existsSync(`/proc/${pid}/stat`) && readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "));
  } catch {
    return false;
  }
}
