/** Servers of other projects, for tests: started in a folder of their own, gone when the test ends. */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { until } from "./patience.ts";
import { type Tool, toolPath } from "./tools.ts";

export interface ServerOptions {
  /** Who runs it, for servers that refuse to be run by root. */
  readonly uid?: number;
  readonly cwd?: string;
}

export function startServer(
  context: TestContext,
  tool: Tool,
  settings: readonly string[],
  options: ServerOptions = {},
): void {
  const server = spawn(toolPath(tool)!, settings, { stdio: "ignore", ...options });
  const exited = once(server, "close");
  context.after(async () => {
    // Servers with processes of their own end those when they are asked to.
    server.kill("SIGINT");
    const killed = setTimeout(() => server.kill("SIGKILL"), 5_000);
    await exited;
    clearTimeout(killed);
  });
}

/** Resolves when something listens on the port. */
export async function listens(port: number): Promise<void> {
  await until(`something listens on ${port}`, async () => {
    const socket = connect(port, "127.0.0.1");
    const listening = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return listening;
  });
}

/** Systems give ports above these to connections and to whoever leaves the choice to them. */
const PORTS = { from: 10_000, to: 30_000 } as const;

/** A port that was free a moment ago, for servers that cannot choose one and say which; nobody gets it by chance. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Ends with the test, whatever is left in it: hooks run in the order in which they were asked for. */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-"));
  context.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
