/** The analyzers that `analyze` knows by name. */
import type { AnalyzerFactory } from "./analyzer.ts";
import { createBytesAnalyzer } from "./bytes-analyzer.ts";
import { createFooAnalyzer } from "./foo-analyzer.ts";

export const BUILT_IN: ReadonlyMap<string, AnalyzerFactory> = new Map([
  ["foo", createFooAnalyzer],
  ["bytes", createBytesAnalyzer],
]);
