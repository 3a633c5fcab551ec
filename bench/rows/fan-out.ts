/** What a one-to-N session costs: an upload to 1, 4 and 16 servers at once, per byte that a server gets. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { runBulk } from "../measure/bulk.ts";
import { CpuMeter } from "../measure/load.ts";
import { waitForPage } from "../measure/probe.ts";
import { freePort } from "../ports.ts";
import type { Child } from "../processes.ts";
import { median, type Sheet } from "../sheet.ts";
import { stopChildren } from "../contenders/contender.ts";
import type { Row } from "./row.ts";

const PROGRAM = new URL("../../bin/polarity.js", import.meta.url).pathname;
const SERVERS = [1, 4, 16];
const MEGABYTE = 1_000_000;
/** What we call flat: the shorter runs weigh a session's beginning more. */
const FLAT = 1.25;

export const fanOut: Row = {
  name: "fan-out",
  title: "an upload to 1, 4 and 16 servers at once, half duplex",
  needs: [],
  polarityOnly: true,
  run: async (bench, sheet) => {
    sheet.bar("16 servers ÷ 1", "×", { subject: "polarity", atMost: FLAT });
    const costs: number[] = [];
    for (const servers of SERVERS) {
      const what = `${servers} ${servers === 1 ? "server" : "servers"}`;
      bench.log(what);
      const { node, port } = await start(bench, servers);
      try {
        await move(bench, port, servers);
        const samples: number[] = [];
        for (let round = 0; round < bench.options.rounds; round++) {
          samples.push(await measure(bench, sheet, what, node, port, servers));
        }
        costs.push(median(samples));
      } finally {
        await stopChildren([node]);
      }
    }
    sheet.add("16 servers ÷ 1", "×", "polarity", (costs.at(-1) ?? Number.NaN) / (costs[0] ?? Number.NaN));
  },
};

async function measure(
  bench: Bench,
  sheet: Sheet,
  what: string,
  node: Child,
  port: number,
  servers: number,
): Promise<number> {
  const meter = new CpuMeter(bench, [node]);
  const { bytes, seconds } = await move(bench, port, servers);
  const cpu = meter.read();
  sheet.foreign(cpu.foreignShare);
  const delivered = (bytes * servers) / MEGABYTE;
  sheet.add(what, "MB/s delivered", "polarity", delivered / seconds);
  const cost = (cpu.hopsMs * 1_000) / delivered;
  sheet.add(what, "CPU µs/MB delivered", "polarity", cost);
  return cost;
}

/** As much as makes the delivered bytes the same for any number of servers. */
function move(bench: Bench, port: number, servers: number): ReturnType<typeof runBulk> {
  const delivered = (bench.options.quick ? 400 : 3_200) * MEGABYTE;
  return runBulk(bench, { port, path: "/", direction: "upload", bytes: delivered / servers });
}

async function start(bench: Bench, servers: number): Promise<{ readonly node: Child; readonly port: number }> {
  const port = await freePort();
  const file = join(bench.folder, `fan-out-${servers}.yaml`);
  const target = `"tcp://127.0.0.1:${bench.app.sinkPort}"`;
  const targets = Array.from({ length: servers }, () => target).join(", ");
  writeFileSync(
    file,
    `services:
  bus: { targets: [${targets}], mode: half-duplex }
listeners:
  - { url: "tcp://127.0.0.1:${port}", service: bus }
`,
  );
  const node = bench.processes.start(`polarity with ${servers} servers`, process.execPath, [
    PROGRAM,
    "run",
    "-c",
    file,
  ]);
  await waitForPage(port, "/", node);
  return { node, port };
}
