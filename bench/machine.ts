/** On what the figures were measured: without it they mean nothing to anyone else. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import type { Tools } from "./tools.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly loadBefore: number;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(tools: Tools): Machine {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const versions: Record<string, string> = { polarity: manifest.version, node: process.version };
  const revision = firstLine("git", ["-C", new URL("..", import.meta.url).pathname, "rev-parse", "--short", "HEAD"]);
  const commit = /^[0-9a-f]+$/.exec(revision ?? "")?.[0];
  if (commit !== undefined) versions["commit"] = commit;
  for (const [tool, flag] of [
    ["haproxy", "-v"],
    ["nginx", "-v"],
    ["wrk", "-v"],
  ] as const) {
    if (!tools.has(tool)) continue;
    const version = /\d+\.\d+(\.\d+)?/.exec(firstLine(tools.path(tool), [flag]) ?? "")?.[0];
    if (version !== undefined) versions[tool] = version;
  }
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    loadBefore: loadavg()[0] ?? 0,
    versions,
  };
}

function firstLine(command: string, args: readonly string[]): string | undefined {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 5_000 });
  const line = `${result.stdout ?? ""}${result.stderr ?? ""}`.trim().split("\n")[0];
  return result.error !== undefined || line === "" ? undefined : line;
}
