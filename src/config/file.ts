/**
 * The YAML file: where it is looked for, how it is read, and where in it each problem is.
 *
 * Every problem is one line, `polarity.yaml:5:13: listeners[1].url: expected …`, and all are reported at once.
 */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import type { Document, Node, YAMLMap } from "yaml";
import { isAlias, isMap, isNode, isScalar, isSeq, visit } from "yaml";
import { PolarityError } from "../base/errors.ts";
import { expandVariables, plainScalar } from "./expansion.ts";
import { missingFolders } from "./missing-folders.ts";
import type { NodeConfig } from "./node-config.ts";
import type { ConfigPath, ConfigProblem } from "./problems.ts";
import { configInvalid } from "./problems.ts";
import { defaultNodeName, reasonOf, resolveConfig } from "./resolution.ts";
import { isMergeKey, readYaml, type YamlFault, yamlInvalid, yamlValue } from "./yaml-text.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A configuration file as it was read. */
export interface LoadedConfig {
  readonly config: NodeConfig;
  /** The file, for people: relative where it lies below the working folder. */
  readonly file: string;
  readonly warnings: readonly string[];
  /** Reads the files anew that the configuration names, and not the configuration itself. */
  readonly reread: () => LoadedConfig;
}

/** Keys of sections that come before the file's; undefined ones do not count. */
export type ConfigOverrides = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Reads and resolves the file at `path`; throws a `PolarityError` whose message has a line per problem. */
export function loadConfigFile(path: string, environment: Environment, overrides: ConfigOverrides = {}): LoadedConfig {
  const absolute = resolve(path);
  const file = displayPath(absolute);
  let text: string;
  try {
    text = readFileSync(absolute, "utf8");
  } catch (error) {
    throw new PolarityError("FILE_UNREADABLE", `${file}: cannot read the configuration: ${reasonOf(error)}`, error);
  }
  const options = { file, folder: dirname(absolute), environment, overrides };
  const reread = (): LoadedConfig => ({ file, reread, ...parseConfig(text, options) });
  return reread();
}

interface ParseOptions {
  readonly file: string;
  readonly folder: string;
  readonly environment: Environment;
  readonly overrides?: ConfigOverrides;
}

/** The same for text that is at hand. */
export function parseConfig(
  text: string,
  { file, folder, environment, overrides = {} }: ParseOptions,
): { readonly config: NodeConfig; readonly warnings: readonly string[] } {
  const yaml = readYaml(text, file);
  const { document } = yaml;
  const faults = yaml.faults.length > 0 ? yaml.faults : expand(document, environment);
  if (faults.length > 0) throw yamlInvalid(yaml, faults);
  const resolution = resolveConfig(override(yamlValue(yaml) ?? {}, overrides), {
    folder,
    defaultName: defaultNodeName(),
    written: (path) => writtenAt(document, path),
  });
  const problems = resolution.kind === "invalid" ? resolution.problems : missingFolders(resolution.config);
  if (resolution.kind === "invalid" || problems.length > 0) {
    const inOrder = problems
      .map((problem) => ({ problem, offset: offsetOf(document, problem) }))
      .sort((left, right) => left.offset - right.offset);
    const offsets = new Map(inOrder.map(({ problem, offset }) => [problem, offset]));
    throw configInvalid(
      inOrder.map(({ problem }) => problem),
      (problem) => yaml.place(offsets.get(problem) ?? 0),
    );
  }
  const { config, warnings } = resolution;
  if (isIdle(config)) {
    throw new PolarityError("CONFIG_INVALID", `${file}: nothing to do: set links, listeners or admin`);
  }
  return { config, warnings };
}

/** The file to use: the given one, else the first of the usual places that exists. */
export function findConfigFile(given: string | undefined, environment: Environment): string {
  const chosen = given ?? environment["POLARITY_CONFIG"];
  if (chosen !== undefined && chosen !== "") return chosen;
  const places = usualPlaces(environment);
  const found = places.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
  if (found !== undefined) return found;
  throw new PolarityError(
    "CONFIG_INVALID",
    `no configuration: there is neither ${places.map((path) => displayPath(resolve(path))).join(" nor ")}; name one with --config`,
  );
}

/** `raw` with what comes before it. */
export function override(raw: unknown, overrides: ConfigOverrides): unknown {
  // Anything but a group of sections is the schema's to refuse.
  if (!isGroup(raw)) return raw;
  const merged: Record<string, unknown> = { ...raw };
  for (const [section, keys] of Object.entries(overrides)) {
    const present = Object.entries(keys).filter(([, value]) => value !== undefined);
    const before = merged[section] ?? {};
    if (present.length > 0 && isGroup(before)) merged[section] = { ...before, ...Object.fromEntries(present) };
  }
  return merged;
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function usualPlaces(environment: Environment): string[] {
  const xdg = environment["XDG_CONFIG_HOME"];
  const folder = xdg === undefined || xdg === "" ? configHome() : xdg;
  const users = folder === undefined ? [] : [join(folder, "polarity", "polarity.yaml")];
  return ["polarity.yaml", ...users, "/etc/polarity/polarity.yaml"];
}

/** Undefined for a user without a home, as services and containers often have. */
function configHome(): string | undefined {
  try {
    return join(homedir(), ".config");
  } catch {
    return undefined;
  }
}

function displayPath(absolute: string): string {
  const inside = relative(process.cwd(), absolute);
  return inside === "" || inside.startsWith("..") ? absolute : inside;
}

/** Replaces variables in every value (keys stay as they are); returns what could not be replaced. */
function expand(document: Document, environment: Environment): YamlFault[] {
  const faults: YamlFault[] = [];
  visit(document, {
    Scalar: (key, node) => {
      if (key === "key" || typeof node.value !== "string") return;
      const expansion = expandVariables(node.value, environment);
      if (expansion.kind === "problem") faults.push({ offset: node.range?.[0] ?? 0, message: expansion.message });
      if (expansion.kind !== "expanded") return;
      node.value = node.type === "PLAIN" ? plainScalar(expansion.text) : expansion.text;
      node.source = expansion.text;
    },
  });
  return faults;
}

/** Where a problem is: its key, its value, or the nearest group around it that the file has. */
function offsetOf(document: Document, { path, atKey }: ConfigProblem): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, key] of path.entries()) {
    const found = step(document, node, key);
    if (found === undefined) break;
    node = found.value;
    const wanted: Node | null = atKey && depth === path.length - 1 ? found.key : (found.value ?? found.key);
    offset = wanted?.range?.[0] ?? offset;
  }
  return offset;
}

/** What stands at `path` without quotes, where YAML made something else than text of it; undefined for anything else. */
function writtenAt(document: Document, path: ConfigPath): string | undefined {
  let node: Node | null = document.contents;
  for (const key of path) node = step(document, node, key)?.value ?? null;
  const scalar = isAlias(node) ? node.resolve(document) : node;
  if (!isScalar(scalar) || scalar.type !== "PLAIN" || scalar.tag !== undefined) return undefined;
  const { value, source } = scalar;
  // Nothing at all, and YAML's sign for nothing, are nobody's name.
  return typeof value === "string" || source === "" || source === "~" ? undefined : source;
}

function step(
  document: Document,
  node: Node | null,
  key: ConfigPath[number],
): { key: Node | null; value: Node | null } | undefined {
  const target = isAlias(node) ? node.resolve(document) : node;
  if (isSeq(target)) {
    const item: unknown = typeof key === "number" ? target.items[key] : undefined;
    return isNode(item) ? { key: null, value: item } : undefined;
  }
  if (!isMap(target)) return undefined;
  for (const pair of target.items) {
    if (!isScalar(pair.key) || String(pair.key.value) !== String(key)) continue;
    return { key: pair.key, value: isNode(pair.value) ? pair.value : null };
  }
  return stepMerged(document, target, key);
}

/** The same for a key that a merge key (`<<`) brings. */
function stepMerged(document: Document, map: YAMLMap, key: ConfigPath[number]): ReturnType<typeof step> {
  for (const pair of map.items) {
    if (!isMergeKey(pair.key) || !isNode(pair.value)) continue;
    for (const source of isSeq(pair.value) ? pair.value.items : [pair.value]) {
      const found = isNode(source) ? step(document, source, key) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function isIdle({ links, listeners, admin }: NodeConfig): boolean {
  return links.accept.length + links.dial.length + listeners.length === 0 && admin === undefined;
}
