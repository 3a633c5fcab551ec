/** The programs that the benchmark drives, where they are, and how to get those that are missing. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export type ToolName = "wrk" | "h2load" | "haproxy" | "nginx" | "setpriv";

const PACKAGES: Readonly<Record<ToolName, string>> = {
  wrk: "wrk",
  h2load: "nghttp2-client",
  haproxy: "haproxy",
  nginx: "nginx-light",
  setpriv: "util-linux",
};

/** Debian keeps servers in sbin, which is not on every user's path. */
const EXTRA_FOLDERS: readonly string[] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

export class Tools {
  readonly #paths: ReadonlyMap<ToolName, string>;

  constructor(searchPath: string) {
    const folders = [...searchPath.split(delimiter), ...EXTRA_FOLDERS];
    this.#paths = new Map(
      (Object.keys(PACKAGES) as ToolName[]).flatMap((tool) => {
        const path = folders.map((folder) => join(folder, tool)).find((candidate) => isExecutable(candidate));
        return path === undefined ? [] : [[tool, path] as const];
      }),
    );
  }

  has(tool: ToolName): boolean {
    return this.#paths.has(tool);
  }

  path(tool: ToolName): string {
    const path = this.#paths.get(tool);
    if (path === undefined) throw new Error(`${tool} is not installed: apt-get install ${PACKAGES[tool]}`);
    return path;
  }

  missing(needed: readonly ToolName[]): ToolName[] {
    return needed.filter((tool) => !this.has(tool));
  }
}

/** One line that a reader can paste. */
export function howToGet(tools: readonly ToolName[]): string {
  return `apt-get install ${tools.map((tool) => PACKAGES[tool]).join(" ")}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
