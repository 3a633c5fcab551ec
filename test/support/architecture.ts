/**
 * The rules of the source tree as functions from sources to violations. Sources are values, so the rules are tested
 * on sources that break them.
 */
import { posix } from "node:path";

import { isMark, isProperty, moduleReferencesOf } from "./source-imports.ts";
import type { ModuleReference } from "./source-imports.ts";
import { tokensOf } from "./source-tokens.ts";
import type { Token } from "./source-tokens.ts";

/** Paths, relative to the project and with `/`, to contents. */
export type Sources = ReadonlyMap<string, string>;

/** The rooms, in order: each may import itself and the rooms before it. */
export const ROOMS: readonly string[] = [
  "base",
  "mux",
  "http",
  "balance",
  "registry",
  "analyze",
  "session",
  "socket",
  "link",
  "cranker",
  "target",
  "listen",
  "cluster",
  "config",
  "node",
  "admin",
  "sdk",
  "cli",
];

/** Rooms without I/O, time, randomness or process: all of those are handed in. */
const PURE_ROOMS = new Set(["base", "mux", "http", "balance", "registry", "analyze"]);

const PURE_BUILTINS = new Set(["node:buffer"]);

const IMPURE_GLOBALS = new Set([
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "process",
  "performance",
  "crypto",
  "fetch",
  "WebSocket",
  "console",
  "globalThis",
  "require",
]);

/** The one place in the pure rooms that touches the process: the clock that the composition root hands in. */
const IMPURE_ALLOWED: ReadonlyMap<string, string> = new Map([["src/base/clock.ts", "performance"]]);

/** The one file that imports modules of users. */
const COMPUTED_ALLOWED: ReadonlySet<string> = new Set(["src/node/analyzer-module.ts"]);

const LINES_MAX = 400;

/** Breaches of the order of rooms and of what a source may import. `dependencies` are the declared runtime packages. */
export function importViolations(sources: Sources, dependencies: readonly string[]): string[] {
  return shippedSources(sources).flatMap(([path, source]) =>
    moduleReferencesOf(tokensOf(source)).flatMap((reference) => {
      const problem = problemOfReference(path, reference, sources, dependencies);
      return problem === undefined ? [] : [`${path}:${reference.line}: ${problem}`];
    }),
  );
}

/** Uses of time, randomness, the process or I/O in rooms that promise none. */
export function purityViolations(sources: Sources): string[] {
  return shippedSources(sources)
    .filter(([path]) => PURE_ROOMS.has(roomOf(path) ?? ""))
    .flatMap(([path, source]) => {
      const tokens = tokensOf(source);
      return impureImports(path, tokens).concat(impureUses(path, tokens));
    });
}

/** Files that import one another in a ring, each ring once. Types count: a ring of types still reads as a knot. */
export function importCycles(sources: Sources): string[] {
  const edges = new Map<string, string[]>();
  for (const [path, source] of shippedSources(sources)) {
    const targets = moduleReferencesOf(tokensOf(source))
      .map(({ specifier }) => (specifier?.startsWith(".") === true ? resolve(path, specifier) : undefined))
      .filter((target) => target !== undefined);
    edges.set(path, targets);
  }
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) cycles.push([...trail.slice(start), path].join(" -> "));
    if (start !== -1 || done.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}

/** Files past the length at which a second concept has usually moved in, unless a reason is listed. */
export function lengthViolations(sources: Sources, reasons: ReadonlyMap<string, string>): string[] {
  const long = [...sources]
    .map(([path, source]) => ({ path, lines: source.split("\n").length - 1 }))
    .filter(({ path, lines }) => lines > LINES_MAX && !reasons.has(path))
    .map(({ path, lines }) => `${path}: ${lines} lines, more than ${LINES_MAX}, and no reason is listed`);
  const stale = [...reasons.keys()]
    .filter((path) => !sources.has(path))
    .map((path) => `${path}: a reason is listed for a file that is not there`);
  return [...long, ...stale];
}

/** The codes that no shipped source other than the registry itself names. */
export function unraisedCodes(sources: Sources, codes: readonly string[], registry: string): string[] {
  const named = new Set(
    shippedSources(sources)
      .filter(([path]) => path !== registry)
      .flatMap(([, source]) => tokensOf(source))
      .filter(({ kind }) => kind === "string")
      .map(({ text }) => text),
  );
  return codes.filter((code) => !named.has(code));
}

/** Every occurrence of a string that the project must not contain. */
export function forbiddenStrings(files: Sources, forbidden: readonly string[]): string[] {
  return [...files].flatMap(([path, content]) => {
    const lowered = content.toLowerCase();
    return forbidden
      .filter((text) => lowered.includes(text.toLowerCase()))
      .map((text) => `${path}: contains "${text}"`);
  });
}

function shippedSources(sources: Sources): [string, string][] {
  return [...sources].filter(([path]) => path.startsWith("src/") && !path.endsWith(".test.ts"));
}

/** `mux` of `src/mux/frame.ts`; undefined for what lies outside the rooms. */
function roomOf(path: string): string | undefined {
  const [top, room, ...rest] = path.split("/");
  return top === "src" && rest.length > 0 ? room : undefined;
}

function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

function problemOfReference(
  path: string,
  { kind, specifier }: ModuleReference,
  sources: Sources,
  dependencies: readonly string[],
): string | undefined {
  if (kind === "require") return "uses require, which this project does not";
  if (specifier === undefined && COMPUTED_ALLOWED.has(path)) return undefined;
  if (specifier === undefined) return `a ${kind} import whose specifier is computed`;
  if (!specifier.startsWith(".")) return problemOfPackage(specifier, dependencies);
  const target = resolve(path, specifier);
  if (target === "package.json") return undefined;
  if (!target.startsWith("src/")) return `imports ${target}, which is not shipped`;
  if (target.endsWith(".test.ts")) return `imports the test ${target}`;
  if (!sources.has(target)) return `imports ${target}, which is not there`;
  return problemOfOrder(path, target);
}

function problemOfPackage(specifier: string, dependencies: readonly string[]): string | undefined {
  if (specifier.startsWith("node:")) return undefined;
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  return dependencies.includes(name) ? undefined : `imports ${name}, which is no declared runtime dependency`;
}

function problemOfOrder(path: string, target: string): string | undefined {
  const from = roomOf(path);
  const to = roomOf(target);
  // `src/index.ts` is the package's entry: it re-exports, and nothing inside imports it.
  if (from === undefined) return path === "src/index.ts" ? undefined : `lies in no room`;
  if (to === undefined) return `imports ${target}, which lies in no room`;
  if (!ROOMS.includes(from)) return `lies in the unknown room ${from}`;
  if (!ROOMS.includes(to)) return `imports the unknown room ${to}`;
  return ROOMS.indexOf(to) <= ROOMS.indexOf(from)
    ? undefined
    : `${from} imports ${to} (${target}), which comes after it`;
}

function impureImports(path: string, tokens: readonly Token[]): string[] {
  return moduleReferencesOf(tokens)
    .filter(({ specifier = "." }) => !specifier.startsWith(".") && !PURE_BUILTINS.has(specifier))
    .map(({ specifier, line }) => `${path}:${line}: imports ${specifier} into a pure room`);
}

function impureUses(path: string, tokens: readonly Token[]): string[] {
  return tokens.flatMap((token, index) => {
    const name = impureUse(tokens, index);
    if (name === undefined || IMPURE_ALLOWED.get(path) === name) return [];
    return [`${path}:${token.line}: uses ${name} in a pure room`];
  });
}

/** The impure name that the token at `index` uses, or undefined. */
function impureUse(tokens: readonly Token[], index: number): string | undefined {
  const token = tokens[index]!;
  if (token.kind !== "word" || isProperty(tokens, index) || isKey(tokens, index)) return undefined;
  if (IMPURE_GLOBALS.has(token.text)) return token.text;
  const member = isMark(tokens[index + 1], ".") ? tokens[index + 2]?.text : undefined;
  if (token.text === "Math") return member === "random" || !isMark(tokens[index + 1], ".") ? "Math.random" : undefined;
  if (token.text !== "Date") return undefined;
  const before = tokens[index - 1];
  if (before?.kind === "word" && before.text === "new") {
    // A date made from a number that was handed in is pure.
    const given = isMark(tokens[index + 1], "(") && !isMark(tokens[index + 2], ")");
    return given ? undefined : "Date.now";
  }
  return member === "now" || isMark(before, "=") || isMark(tokens[index + 1], "(") ? "Date.now" : undefined;
}

/** True for the name of a property or parameter: `{ process: … }`, `(process: View)`, `readonly process?: View`. */
function isKey(tokens: readonly Token[], index: number): boolean {
  const after = isMark(tokens[index + 1], "?") ? tokens[index + 2] : tokens[index + 1];
  const before = tokens[index - 1];
  if (!isMark(after, ":") || before === undefined) return false;
  return before.kind === "word" || ["{", ",", ";", "("].includes(before.text);
}
