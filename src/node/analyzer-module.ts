/** Loads a user's own analyzer. The one place that imports what a configuration names. */
import { pathToFileURL } from "node:url";
import type { AnalyzerFactory } from "../analyze/analyzer.ts";
import { crc32c } from "../base/crc32c.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import type { AnalyzeConfig } from "../config/analyze-schema.ts";

/** Throws CONFIG_INVALID. A module's code is cached by its URL, so a changed file gets another. */
export async function loadAnalyzer({ name, module }: AnalyzeConfig): Promise<AnalyzerFactory> {
  const { origin, text } = module!;
  const url = `${pathToFileURL(origin).href}?v=${crc32c(Buffer.from(text))}`;
  try {
    const { createAnalyzer } = (await import(url)) as Partial<Record<string, unknown>>;
    if (typeof createAnalyzer === "function") return createAnalyzer as AnalyzerFactory;
  } catch (error) {
    throw new PolarityError("CONFIG_INVALID", `cannot load the analyzer ${name}: ${messageOf(error)}`, error);
  }
  throw new PolarityError("CONFIG_INVALID", `the analyzer ${name} exports no function createAnalyzer`);
}
