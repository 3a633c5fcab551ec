/** Configurations as programs write them. */
import { PolarityError } from "../base/errors.ts";
import type { ConfigInput, NodeConfig } from "../config/node-config.ts";
import { formatPath } from "../config/problems.ts";
import { defaultNodeName, resolveConfig } from "../config/resolution.ts";

/** What is undefined counts as left out. Throws CONFIG_INVALID with a line for each problem. */
export function configOf(input: ConfigInput | Loose, folder = process.cwd()): NodeConfig {
  const resolution = resolveConfig(input, { folder, defaultName: defaultNodeName() });
  if (resolution.kind === "resolved") return resolution.config;
  const lines = resolution.problems.map(({ path, message }) =>
    path.length === 0 ? message : `${formatPath(path)}: ${message}`,
  );
  throw new PolarityError("CONFIG_INVALID", lines.join("\n"));
}

/** Of the same shape, with keys that may be there and undefined. */
type Loose = { readonly [Key in keyof ConfigInput]: unknown };
