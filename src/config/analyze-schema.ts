/** The key `analyze`: which analyzer taps the connections of a listener or a service, and where what it counted is kept. */
import { BUILT_IN } from "../analyze/built-in.ts";
import type { LoadedText } from "./loaded-text.ts";
import { maybe, parsed, type ReadFile, section, text } from "./fields.ts";

export interface AnalyzeConfig {
  /** As the configuration names it. */
  readonly name: string;
  /** The user's own; undefined for one that is built in. */
  readonly module: LoadedText | undefined;
}

/** What begins as a path does, or names a module. */
const MODULE = /^[./]|\.(?:js|mjs|ts|mts)$/;

export function analyzeField(read: ReadFile, what: string) {
  const names = [...BUILT_IN.keys()];
  const load = (name: string): AnalyzeConfig => {
    if (BUILT_IN.has(name)) return { name, module: undefined };
    if (MODULE.test(name)) return { name, module: read(name, "public") };
    throw new Error(`expected ${names.join(", ")}, or the path of a module such as ./analyzer.ts`);
  };
  const help = `A read-only tap that keeps statistics of ${what}: ${names.map((name) => `\`${name}\``).join(", ")}, or the path of a module of your own.`;
  return maybe(parsed(names.join(", "), load, help));
}

export function analysisSection() {
  return section({
    recoveryPath: maybe(
      text(
        "the path of a file",
        "A file in which totals and rates are kept across restarts, written at least once a second while something changes. Left out: they begin at zero.",
      ),
    ),
  })
    .prefault({})
    .describe("What all analyzers of this node share.");
}
