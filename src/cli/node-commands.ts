/** What the commands do that run a node or look at its configuration file. */
import type { ListenArgument, TargetArgument } from "../base/argument.ts";
import type { LoadedConfig } from "../config/file.ts";
import { findConfigFile, loadConfigFile } from "../config/file.ts";
import type { NodeConfig } from "../config/node-config.ts";
import { configJsonSchema } from "../config/resolution.ts";
import { EXIT } from "./exit-code.ts";
import type { ConnectFlags, FileFlags, ForwardFlags, NodeFlags, RouterFlags } from "./command-flags.ts";
import { loadedFlags } from "./loaded-flags.ts";
import { connectConfig, fileOverrides, forwardConfig, routerConfig } from "./flag-config.ts";

export async function runFromFile(flags: NodeFlags & FileFlags): Promise<number> {
  const path = findConfigFile(flags.config, process.env);
  const overrides = fileOverrides(flags);
  return run(() => loadConfigFile(path, process.env, overrides), false);
}

export function runRouter(flags: RouterFlags): Promise<number> {
  return runFromFlags((warnings) => routerConfig(flags, warnings));
}

export function runConnect(targets: readonly TargetArgument[], flags: ConnectFlags): Promise<number> {
  return runFromFlags((warnings) => connectConfig(targets, flags, warnings));
}

export function runForward(listeners: readonly ListenArgument[], flags: ForwardFlags): Promise<number> {
  return runFromFlags((warnings) => forwardConfig(listeners, flags, warnings));
}

function runFromFlags(resolve: (warnings: string[]) => NodeConfig): Promise<number> {
  return run(() => loadedFlags(resolve), true);
}

/** The engine is loaded when it is needed, so that a wrong flag or file is reported at once. */
async function run(load: () => LoadedConfig, fromFlags: boolean): Promise<number> {
  const loaded = load();
  const { runNode } = await import("./node-runner.ts");
  return runNode({ loaded, load, fromFlags });
}

export function validate(flags: FileFlags): number {
  const { config, file, warnings } = loadConfigFile(findConfigFile(flags.config, process.env), process.env);
  for (const warning of warnings) process.stderr.write(`polarity: warning: ${warning}\n`);
  const parts = [
    count(config.links.accept.length + config.links.dial.length, "link"),
    count(config.services.length, "service"),
    count(config.listeners.length, "listener"),
  ];
  process.stdout.write(`${file}: valid, node ${config.node.name} with ${parts.join(", ")}\n`);
  return EXIT.done;
}

export function printSchema(): number {
  process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return EXIT.done;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
