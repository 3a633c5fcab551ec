/** A configuration that flags make, in the form in which one that a file makes comes. */
import type { LoadedConfig } from "../config/file.ts";
import type { NodeConfig } from "../config/node-config.ts";

/** What stands for the file, for people. */
const FLAGS = "the files that its flags name";

export function loadedFlags(resolve: (warnings: string[]) => NodeConfig): LoadedConfig {
  const reread = (): LoadedConfig => {
    const warnings: string[] = [];
    return { config: resolve(warnings), file: FLAGS, warnings, reread };
  };
  return reread();
}
