/** What programs hand in: configurations, and checks of what TypeScript would have said, for programs without it. */
import { inspect } from "node:util";
import { PolarityError } from "../base/errors.ts";
import type { ConfigInput, NodeConfig } from "../config/node-config.ts";
import { formatPath } from "../config/problems.ts";
import { defaultNodeName, resolveConfig } from "../config/resolution.ts";

/** What is undefined counts as left out. Throws CONFIG_INVALID with a line for each problem. */
export function configOf(input: ConfigInput | Loose, folder = process.cwd()): NodeConfig {
  if (!isObject(input)) throw invalid(`expected a configuration as an object (got ${shown(input)})`);
  const resolution = resolveConfig(input, { folder, defaultName: defaultNodeName() });
  if (resolution.kind === "resolved") return resolution.config;
  const lines = resolution.problems.map(({ path, message }) =>
    path.length === 0 ? message : `${formatPath(path)}: ${message}`,
  );
  throw invalid(lines.join("\n"));
}

/** Of the same shape, with keys that may be there and undefined. */
type Loose = { readonly [Key in keyof ConfigInput]: unknown };

/** Throws CONFIG_INVALID for anything but an object. */
export function checkOptions(options: unknown): void {
  if (!isObject(options)) throw invalid(`expected options as an object (got ${shown(options)})`);
}

/** Throws CONFIG_INVALID for anything but a list of texts; what is wrong inside of a URL is found later. */
export function checkUrls(name: string, urls: unknown): void {
  if (!Array.isArray(urls)) {
    const hint = typeof urls === "string" ? `: write [${JSON.stringify(urls)}]` : "";
    throw invalid(`${name}: expected a list of URLs of routers (got ${shown(urls)})${hint}`);
  }
  for (const [index, url] of urls.entries()) {
    if (typeof url !== "string") throw invalid(`${name}[${index}]: expected the URL of a router (got ${shown(url)})`);
  }
}

export function invalid(message: string): PolarityError {
  return new PolarityError("CONFIG_INVALID", message);
}

/** Short, and without what the value holds. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 3, maxStringLength: 100 });
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
