/** Databases of other projects, each started with nothing in it. */
import { execFile } from "node:child_process";
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import type { Certificate } from "./certificates.ts";
import { until } from "./patience.ts";
import { freePort, listens, startServer, temporaryFolder } from "./servers.ts";
import { toolPath } from "./tools.ts";

const execute = promisify(execFile);
const PROGRAM_TIMEOUT_MS = 30_000;
/** `nobody`, as most systems number it. */
const NOBODY = 65_534;

/** A Redis that keeps nothing; its port. */
export async function startRedis(context: TestContext): Promise<number> {
  const port = await freePort();
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", temporaryFolder(context)];
  startServer(context, "redis-server", settings);
  await listens(port);
  return port;
}

/** A PostgreSQL with nothing in it, whose user is `polarity`; its port. With a certificate, it can be told to speak TLS. */
export async function startPostgres(context: TestContext, folder: string, certificate?: Certificate): Promise<number> {
  const data = join(folder, "data");
  mkdirSync(data);
  // PostgreSQL will not be run by root.
  const asRoot = userInfo().uid === 0;
  const options = { cwd: "/", ...(asRoot ? { uid: NOBODY } : {}) };
  if (asRoot) for (const path of [folder, data]) chownSync(path, NOBODY, -1);
  const initdb = join(dirname(toolPath("postgres")!), "initdb");
  const settings = ["-D", data, "-U", "polarity", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"];
  await execute(initdb, settings, { ...options, timeout: PROGRAM_TIMEOUT_MS });
  for (const [name, text] of [
    ["server.crt", certificate?.cert],
    ["server.key", certificate?.key],
  ] as const) {
    if (text === undefined) continue;
    writeFileSync(join(data, name), text, { mode: 0o600 });
    if (asRoot) chownSync(join(data, name), NOBODY, -1);
  }
  const port = await freePort();
  startServer(context, "postgres", ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", "", "-F"], options);
  const words = ["-X", "-h", "127.0.0.1", "-p", String(port), "-U", "polarity", "-d", "postgres", "-tAc", "select 1"];
  await until("PostgreSQL answers", () =>
    execute(toolPath("psql")!, words, { timeout: PROGRAM_TIMEOUT_MS }).then(
      () => true,
      () => false,
    ),
  );
  return port;
}
