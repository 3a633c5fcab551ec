/** The files that a configuration was read from, apart from its own. */
import { isAbsolute } from "node:path";
import { TokenSet } from "../link/tokens.ts";
import { LoadedText } from "./loaded-text.ts";
import type { NodeConfig } from "./node-config.ts";

/** All but the certificates of listeners, which those look after themselves. */
export function filesOf({ listeners, ...rest }: NodeConfig): readonly string[] {
  const files = new Set<string>();
  collect(rest, files);
  for (const { tls } of listeners) collect(tls?.clientCa, files);
  return [...files];
}

function collect(part: unknown, files: Set<string>): void {
  if (part instanceof LoadedText || part instanceof TokenSet) {
    if (isAbsolute(part.origin)) files.add(part.origin);
    return;
  }
  if (typeof part === "object" && part !== null) for (const value of Object.values(part)) collect(value, files);
}
