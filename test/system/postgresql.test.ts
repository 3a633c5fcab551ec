/** The README's recipe for PostgreSQL, as it is written there: TLS, a token, a connector, a forwarded port, psql. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { TestAuthority } from "../support/certificates.ts";
import { startConnector, startNode } from "../support/cluster.ts";
import { startPostgres } from "../support/databases.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { temporaryFolder } from "../support/servers.ts";
import { requireTool, toolPath } from "../support/tools.ts";

const execute = promisify(execFile);
const PROGRAM_TIMEOUT_MS = 30_000;

test(
  "psql reaches a database over the link as the README says",
  { skip: requireTool("postgres", "psql") },
  async (t) => {
    const folder = temporaryFolder(t);
    const database = await startPostgres(t, folder);
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.issue({ dns: ["localhost"] });
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const tls = ["--tls-cert", file("edge.crt", cert), "--tls-key", file("edge.key", key)];
    const tokens = ["--tokens-file", file("tokens.yaml", "laptop: some-long-secret\ndesk: another-long-secret\n")];
    const listening = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0"];
    const router = new PolarityProcess(t, ["router", ...listening, ...tls, ...tokens]);
    const linkPort = new URL((await router.ready()).links[0] ?? "").port;
    const joining = ["--router", `wss://localhost:${linkPort}`, "--ca", file("ca.crt", authority.cert), "--token-file"];
    const laptopToken = file("laptop.token", "some-long-secret\n");
    const connector = new PolarityProcess(t, ["connect", `db=tcp://127.0.0.1:${database}`, ...joining, laptopToken]);
    await connector.ready();
    const deskToken = file("desk.token", "another-long-secret\n");
    const forward = new PolarityProcess(t, ["forward", "tcp://127.0.0.1:0=db", ...joining, deskToken]);
    const port = new URL((await forward.ready()).listeners[0] ?? "").port;
    const query = async (sql: string, at = port): Promise<string> => {
      const words = ["-X", "-h", "127.0.0.1", "-p", at, "-U", "polarity", "-d", "postgres", "-tAc", sql];
      const limits = { timeout: PROGRAM_TIMEOUT_MS, maxBuffer: 16 * 1024 * 1024 };
      return (await execute(toolPath("psql")!, words, limits)).stdout.trim();
    };
    assert.equal(await query("select 6 * 7"), "42");
    assert.equal(await query("select sum(n) from generate_series(1, 100000) n"), "5000050000");
    assert.equal((await query("select repeat('x', 3000000)")).length, 3_000_000);

    // The same database behind a further router, which joins this one.
    const tokenFile = file("inner.token", "another-long-secret\n");
    const url = `wss://localhost:${linkPort}`;
    const dial = [{ url, tokenFile, relay: true, tls: { ca: file("inner-ca.crt", authority.cert) } }];
    const inner = await startNode(t, {
      node: { name: "inner" },
      links: { accept: [{ url: "tcp://127.0.0.1:0" }], dial },
    });
    const services = { far: { target: `tcp://127.0.0.1:${database}` } };
    await startConnector(t, inner.addresses.links[0] ?? "", services);
    const far = new PolarityProcess(t, ["forward", "tcp://127.0.0.1:0=far", ...joining, deskToken]);
    const farPort = new URL((await far.ready()).listeners[0] ?? "").port;
    assert.equal((await query("select repeat('x', 3000000)", farPort)).length, 3_000_000);
  },
);
