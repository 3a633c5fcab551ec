/** The analyzers that `analyze` knows by name. */
import type { AnalyzerFactory } from "./analyzer.ts";
import { createBytesAnalyzer } from "./bytes-analyzer.ts";
import { createFooAnalyzer } from "./foo-analyzer.ts";
import { createHttpAnalyzer } from "./http-analyzer.ts";
import { createPostgresAnalyzer } from "./postgres-analyzer.ts";
import { createRedisAnalyzer } from "./redis-analyzer.ts";

export const BUILT_IN: ReadonlyMap<string, AnalyzerFactory> = new Map([
  ["foo", createFooAnalyzer],
  ["http", createHttpAnalyzer],
  ["redis", createRedisAnalyzer],
  ["postgres", createPostgresAnalyzer],
  ["bytes", createBytesAnalyzer],
]);
