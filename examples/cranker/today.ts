/** The Cranker example's part with connectors that speak cranker themselves, in both versions of its protocol. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { until, type Walk } from "../support/walk.ts";

const CONNECTOR = fileURLToPath(new URL("connector.ts", import.meta.url));

/** `link`: where routers join the load balancer `edge`. `app`: the port of an app that answers at any path. */
export async function takeTodaysConnectors(walk: Walk, link: string, edge: string, app: number): Promise<void> {
  walk.part("Today's cranker connectors, as they are");
  const places = "--link tcp://127.0.0.1:0 --listen http://127.0.0.1:0";
  const router = await walk.start(`router --cranker --name edge-3 ${places} --router ${link}`);
  const own = router.listeners[0]!;
  const registry = router.links[0]!.replace("tcp", "ws");
  const [old, present] = ["1.0", "3.0"].map((version) => {
    const words = [registry, `route-${version}`, `http://127.0.0.1:${app}`, version, `connector-${version}`];
    return startConnector(walk, words);
  });
  await walk.check("a connector of version 1.0 and one of 3.0 register, and their routes are served", async () => {
    for (const route of ["route-1.0", "route-3.0"]) {
      await until(route, async () => (await pageOf(`${own}/${route}/`)) !== "");
    }
    return await pageOf(`${own}/route-3.0/`);
  });
  await walk.check("a load balancer that knows no cranker serves it, over the one that does", async () => {
    return await until("its route there", async () => (await pageOf(`${edge}/route-3.0/`)) !== "" && edge);
  });
  await walk.check("fifty at once over the two sockets of a 1.0 connector", async () => {
    const pages = await Promise.all(Array.from({ length: 50 }, () => pageOf(`${edge}/route-1.0/`)));
    assert.ok(pages.every((page) => page !== ""));
    return "all answered";
  });
  await walk.check("a connector that takes its leave is let go", async () => {
    const said: string[] = [];
    for (const connector of [old!, present!]) {
      connector.kill("SIGTERM");
      said.push((await text(connector.stdout!)).trim());
    }
    assert.deepEqual(said, ["1000 Deregister complete", "1000 Deregister complete"]);
    return said[0]!;
  });
}

/** Empty while there is none. */
async function pageOf(url: string): Promise<string> {
  const response = await fetch(url);
  const page = await response.text();
  return response.status === 200 ? page.trim() : "";
}

function startConnector(walk: Walk, words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [CONNECTOR, ...words], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const closed = once(child, "close");
  walk.after(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  console.log(`  $ node examples/cranker/connector.ts ${words.join(" ")}   # process ${child.pid}`);
  return child;
}
