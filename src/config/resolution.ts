/** From the raw shape of a configuration, wherever it came from, to a frozen `NodeConfig` or a list of problems. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { messageOf, PolarityError } from "../base/errors.ts";
import { type PemPair, readCertificate, validityProblem } from "../socket/certificate.ts";
import { LoadedText } from "./loaded-text.ts";
import type { NodeConfig } from "./node-config.ts";
import type { ConfigPath, ConfigProblem } from "./problems.ts";
import { problemsOf } from "./problems.ts";
import { mend } from "./written-values.ts";
import { createConfigSchema } from "./schema.ts";

export type Resolution =
  | { readonly kind: "resolved"; readonly config: NodeConfig; readonly warnings: readonly string[] }
  | { readonly kind: "invalid"; readonly problems: readonly ConfigProblem[] };

export interface ResolutionOptions {
  /** What relative file names are relative to. */
  readonly folder: string;
  /** The node's name where the configuration has none. */
  readonly defaultName: string;
  /** Refuse whatever names a file: for configuration that comes over the network. */
  readonly withoutFiles?: boolean;
  /** Of a configuration that people write: what stands at a path without quotes, where it was taken for a number or the like. */
  readonly written?: (path: ConfigPath) => string | undefined;
}

export function resolveConfig(raw: unknown, options: ResolutionOptions): Resolution {
  const warnings: string[] = [];
  const read =
    options.withoutFiles === true
      ? refuseFile
      : (path: string, contents?: "secret" | "public") =>
          readText(path, options.folder, contents === "public" ? [] : warnings);
  const result = parseWritten(createConfigSchema(read), raw, options.written, () => (warnings.length = 0));
  if (!result.success) return { kind: "invalid", problems: problemsOf(result.error.issues, knownKeys) };
  const { node, state, analysis, accessLog, listeners, ...rest } = result.data;
  const { recoveryPath } = analysis;
  const config = {
    ...rest,
    node: { ...node, name: node.name ?? options.defaultName },
    state: state === undefined ? undefined : { folder: resolve(options.folder, state.folder) },
    analysis: { recoveryPath: recoveryPath === undefined ? undefined : resolve(options.folder, recoveryPath) },
    accessLog: inFolder(accessLog, options.folder),
    listeners: listeners.map((listener) => ({ ...listener, accessLog: inFolder(listener.accessLog, options.folder) })),
  };
  for (const { tls } of config.listeners) for (const pair of tls?.certificates ?? []) warnings.push(...expiryOf(pair));
  return { kind: "resolved", config: freeze(config), warnings };
}

/** The same log, its file relative to the folder. */
function inFolder<Log extends { readonly path: string | undefined }>(
  log: Log | undefined,
  folder: string,
): Log | undefined {
  return log?.path === undefined ? log : { ...log, path: resolve(folder, log.path) };
}

/** Each pass finds what lies behind what the one before it mended. */
const PASSES_MAX = 8;

/** Where text is wanted, what was written is text, however it looks; and keys that begin with `x-` are for the writer alone. */
function parseWritten<Schema extends z.ZodType>(
  schema: Schema,
  raw: unknown,
  written: ResolutionOptions["written"],
  again: () => void,
): z.ZodSafeParseResult<z.output<Schema>> {
  let value = raw;
  let result = schema.safeParse(value);
  if (written === undefined) return result;
  for (let pass = 0; !result.success && pass < PASSES_MAX; pass++) {
    const mended = mend(value, result.error.issues, written);
    if (mended === undefined) break;
    value = mended;
    again();
    result = schema.safeParse(value);
  }
  return result;
}

/** The host's name up to the first dot, made fit to be a node's name. */
export function defaultNodeName(): string {
  const label = hostname().split(".")[0] ?? "";
  const name = label.replaceAll(/[^A-Za-z0-9_-]+/g, "-").slice(0, 63);
  return name.replaceAll(/^[_-]+|[_-]+$/g, "") || "node";
}

/** Certificates that clients will refuse, which an operator may not have meant. */
function expiryOf(pair: PemPair): string[] {
  const problem = validityProblem(readCertificate(pair), Date.now());
  return problem === undefined ? [] : [problem];
}

function refuseFile(path: string): never {
  throw new PolarityError("FILE_UNREADABLE", `files such as ${path} can be named in a configuration file only`);
}

const FILE_BYTES_MAX = 1024 * 1024;

/** What came through pipes, as a shell makes them of `<(…)`: they can be read only once. */
const PIPED = new Map<string, LoadedText>();

function readText(path: string, folder: string, warnings: string[]): LoadedText {
  const absolute = isAbsolute(path) ? path : resolve(folder, path);
  const piped = PIPED.get(absolute);
  if (piped !== undefined) return piped;
  try {
    const stat = statSync(absolute);
    const { size, mode } = stat;
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, more than ${FILE_BYTES_MAX}`);
    const text = readFileSync(absolute, "utf8");
    if (isSecret(text) && (mode & 0o004) !== 0) warnings.push(`${absolute} can be read by every user of this machine`);
    const loaded = new LoadedText(absolute, text);
    if (!stat.isFile()) PIPED.set(absolute, loaded);
    return loaded;
  } catch (error) {
    throw new PolarityError("FILE_UNREADABLE", `cannot read ${path}: ${reasonOf(error)}`, error);
  }
}

/** Certificates are public; everything else that a configuration names is a key or a token. */
function isSecret(text: string): boolean {
  return !text.includes("-----BEGIN CERTIFICATE-----") || text.includes("PRIVATE KEY-----");
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is not a folder",
};

/** Why a file could not be read, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REASONS[code] ?? messageOf(error);
}

/** The JSON Schema of the configuration file, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = createConfigSchema((path) => new LoadedText(path, ""));
  const json = z.toJSONSchema(schema, {
    io: "input",
    override: ({ jsonSchema }) => {
      delete jsonSchema["polarityRange"];
      delete jsonSchema["polarityHidden"];
      if (jsonSchema["polarityText"] === true) allowShort(jsonSchema, "string");
      if (jsonSchema["additionalProperties"] === false) jsonSchema["patternProperties"] = { "^x-": {} };
      if (jsonSchema["polarityFlag"] === true) allowShort(jsonSchema, "boolean");
      delete jsonSchema["polarityValue"];
    },
  });
  return { ...json, title: "Polarity configuration" };
}

/** A group of keys for which a text, or `true`, is short. */
function allowShort(group: Record<string, unknown>, type: "string" | "boolean"): void {
  const { description, polarityText: _, polarityFlag: __, ...keys } = { ...group };
  for (const key of Object.keys(group)) delete group[key];
  Object.assign(group, { description, anyOf: [{ type }, keys] });
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  /** Where a value may be written in several forms. */
  readonly anyOf?: readonly SchemaNode[];
}

function knownKeys(path: ConfigPath): readonly string[] {
  let node: SchemaNode | undefined = configJsonSchema();
  for (const key of path) {
    const others: SchemaNode | boolean | undefined = node?.additionalProperties;
    node =
      typeof key === "number"
        ? node?.items
        : (propertiesOf(node)?.[String(key)] ?? (typeof others === "object" ? others : undefined));
  }
  return Object.keys(propertiesOf(node) ?? {}).filter((key) => key !== "cluster");
}

function propertiesOf(node: SchemaNode | undefined): SchemaNode["properties"] {
  return node?.properties ?? node?.anyOf?.find((form) => form.properties !== undefined)?.properties;
}

/** Class instances have no own keys here; freezing them is harmless, their state is private. */
function freeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) freeze(part);
    Object.freeze(value);
  }
  return value;
}
