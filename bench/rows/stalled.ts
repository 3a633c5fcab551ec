/** 200 clients ask for 100 MB each and stop reading: what the hops then hold, and what their neighbours feel. */
import { BULK } from "../app.ts";
import { hopsOf, type Deployment } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { runFixedRate, type FixedRateReport } from "../measure/fixed-rate.ts";
import { holdConnections } from "../measure/hold.ts";
import { PeakMemory } from "../measure/memory.ts";
import type { Sheet } from "../sheet.ts";
import { withDeployments, type Row } from "./row.ts";

const READERS = 200;
const RATE = 1_000;
const CONNECTIONS = 32;
const MB = 1e6;
const MEMORY_MB_MAX = 200;
const P99_GROWTH_MAX = 3;

export const stalled: Row = {
  name: "stalled",
  title: `${READERS} clients stop reading a body of 100 MB, beside ${RATE} requests/s`,
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    sheet.bar("front hop, most", "MB resident", { subject: "polarity", atMost: MEMORY_MB_MAX });
    sheet.bar("back hop, most", "MB resident", { subject: "polarity", atMost: MEMORY_MB_MAX });
    sheet.bar("neighbours' p99 beside ÷ alone", "×", { subject: "polarity", atMost: P99_GROWTH_MAX });
    sheet.bar("neighbours beside", "failed requests", { subject: "polarity", atMost: 0 });
    await withDeployments(bench, "http", async (deployments) => {
      for (const deployment of deployments) await measure(bench, sheet, deployment);
    });
  },
};

async function measure(bench: Bench, sheet: Sheet, deployment: Deployment): Promise<void> {
  bench.log(deployment.name);
  const port = deployment.port("http");
  const load = async (): Promise<FixedRateReport> =>
    await runFixedRate(bench, {
      port,
      rate: RATE,
      connections: CONNECTIONS,
      seconds: Math.max(bench.options.seconds, 3),
      timeoutMs: 5_000,
    });
  const alone = await load();
  const peaks = new PeakMemory(hopsOf(deployment));
  const readers = await holdConnections(bench, {
    kind: "stall",
    port,
    path: BULK.hundredMegabytes.path,
    connections: READERS,
  });
  const beside = await load();
  await readers.stop();
  const peak = peaks.stop();
  const most = (children: readonly Deployment["front"][]): number =>
    Math.max(...children.map((child) => peak.get(child) ?? 0)) / MB;
  sheet.add("front hop, most", "MB resident", deployment.name, most([deployment.front]));
  sheet.add("back hop, most", "MB resident", deployment.name, most(deployment.back));
  sheet.add("neighbours alone", "p99 ms", deployment.name, alone.p99Ms);
  sheet.add("neighbours beside", "p99 ms", deployment.name, beside.p99Ms);
  sheet.add("neighbours' p99 beside ÷ alone", "×", deployment.name, beside.p99Ms / alone.p99Ms);
  sheet.add("neighbours beside", "failed requests", deployment.name, beside.failed);
}
