/** A real protocol with a real client: redis-cli through a port that another process forwards over a link. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startNode } from "../support/cluster.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { until } from "../support/patience.ts";
import { requireTool, toolPath } from "../support/tools.ts";

const execute = promisify(execFile);

test("redis is reached through a forwarded port", { skip: requireTool("redis-server") }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "polarity-"));
  const path = join(folder, "redis.sock");
  const settings = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder];
  const server = spawn(toolPath("redis-server")!, settings, { stdio: "ignore" });
  const exited = new Promise((resolve) => server.once("close", resolve));
  t.after(async () => {
    server.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true });
  });

  const node = await startNode(t, {
    node: { name: "shed" },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
    services: { cache: { target: `unix://${path}` } },
  });
  const link = node.addresses.links[0]!;
  const forward = new PolarityProcess(t, ["forward", "tcp://127.0.0.1:0=cache", "--router", link, "--name", "desk"]);
  const { listeners } = await forward.ready();
  const port = listeners[0]!.split(":")[2]!;
  const cli = async (...command: string[]): Promise<string> =>
    (await execute("redis-cli", ["-p", port, ...command], { timeout: 10_000 })).stdout.trim();
  await until("redis answers", () =>
    cli("PING").then(
      (text) => text === "PONG",
      () => false,
    ),
  );
  assert.equal(await cli("SET", "greeting", "hello there"), "OK");
  assert.equal(await cli("GET", "greeting"), "hello there");
  const big = "x".repeat(100_000);
  assert.equal(await cli("SET", "big", big), "OK");
  assert.equal(await cli("GET", "big"), big);
});
