/**
 * Programs that some tests drive and that a machine may lack. `tools.json` names each with its Debian package; the CI
 * script installs from the same list.
 *
 * A test that needs one skips by name and says how to get it. Under POLARITY_TEST_FULL=1 the runner fails on every skip.
 */
import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";

import tools from "./tools.json" with { type: "json" };

export type Tool = keyof typeof tools;

// Debian keeps servers out of an ordinary user's PATH, and PostgreSQL's out of everybody's.
const SERVER_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", ...globSync("/usr/lib/postgresql/*/bin")];

/** The full path of a tool, or undefined. sshd insists on being started by its full path. */
export function toolPath(tool: Tool): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SERVER_FOLDERS];
  return folders.map((folder) => join(folder, tool)).find(isExecutable);
}

/** The `skip` option of a test that needs these tools: false when all are here, else what is missing and how to get it. */
export function requireTool(...needed: readonly Tool[]): string | false {
  const missing = needed.filter((tool) => toolPath(tool) === undefined);
  if (missing.length === 0) return false;
  return `needs ${missing.join(", ")}: apt-get install ${missing.map((tool) => tools[tool]).join(" ")}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
