/** What Linux says about processes: CPU time and memory. All of it is read from /proc; nothing is cached. */
import { readFileSync } from "node:fs";

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;
const KIB = 1_024;

/** User and system time so far, of all its threads, in milliseconds. */
export function cpuMs(pid: number): number {
  const fields = statFields(`/proc/${pid}/stat`);
  return (numberAt(fields, UTIME) + numberAt(fields, STIME)) * TICK_MS;
}

/** The same, with that of children that have ended. */
export function cpuWithEndedChildrenMs(pid: number): number {
  const fields = statFields(`/proc/${pid}/stat`);
  return cpuMs(pid) + (numberAt(fields, CUTIME) + numberAt(fields, CSTIME)) * TICK_MS;
}

/** Time that the machine's cores were not idle, in milliseconds; what a hypervisor gave to other machines is not idle either. */
export function machineBusyMs(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_MS;
}

/** Memory in use that is resident, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has ended`);
  return Number(kib) * KIB;
}

// Fields behind the command's name, which may hold blanks: proc(5) numbers them from 3.
const UTIME = 14 - 3;
const STIME = 15 - 3;
const CUTIME = 16 - 3;
const CSTIME = 17 - 3;

function statFields(path: string): readonly string[] {
  const text = readFileSync(path, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function numberAt(fields: readonly string[], index: number): number {
  return Number(fields[index] ?? Number.NaN);
}
