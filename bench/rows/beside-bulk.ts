/** Whether streams that move gigabytes delay those that move bytes: small requests with and without four downloads. */
import { setTimeout as delay } from "node:timers/promises";
import { BULK } from "../app.ts";
import type { Deployment } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { startBulk, stopBulk } from "../measure/bulk.ts";
import { runFixedRate, type FixedRateReport } from "../measure/fixed-rate.ts";
import type { Sheet } from "../sheet.ts";
import { alternate, withDeployments, type Row } from "./row.ts";

const RATE = 500;
const CONNECTIONS = 16;
const DOWNLOADS = 4;
const P99_GROWTH_MAX = 3;

/**
 * Paced, the downloads leave room on the cores, and what delays a small request is what the hops do with it. Endless ones
 * fill the cores: then it waits for whom the system's scheduler runs first, so HAProxy is the measure of that.
 */
const LOADS = [
  { name: "four downloads of 50 MB/s", pace: { bytesPerSecond: 50e6, seconds: 600 } },
  { name: "four endless downloads", pace: undefined },
] as const;

export const besideBulk: Row = {
  name: "beside-bulk",
  title: `${RATE} small requests/s beside ${DOWNLOADS} downloads`,
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    sheet.bar(`p99 beside ${LOADS[0].name} ÷ alone`, "×", { subject: "polarity", atMost: P99_GROWTH_MAX });
    sheet.bar(`p99 beside ${LOADS[1].name}`, "ms", { subject: "polarity", atMost: 1, of: "haproxy-http" });
    await withDeployments(bench, "http", async (deployments) => {
      await alternate(bench, deployments, async (deployment) => await measure(bench, sheet, deployment));
    });
  },
};

async function measure(bench: Bench, sheet: Sheet, deployment: Deployment): Promise<void> {
  bench.log(deployment.name);
  const port = deployment.port("http");
  const load = async (): Promise<FixedRateReport> => {
    const { seconds } = bench.options;
    const report = await runFixedRate(bench, { port, rate: RATE, connections: CONNECTIONS, seconds });
    if (report.failed > 0) sheet.note(`${deployment.name}: ${report.failed} small requests failed`);
    return report;
  };
  const alone = await load();
  sheet.add("p99 alone", "ms", deployment.name, alone.p99Ms);
  for (const { name, pace } of LOADS) {
    const downloads = startBulk(bench, {
      port,
      path: BULK.gigabyte.path,
      direction: "download",
      parallel: DOWNLOADS,
      loop: true,
      ...(pace === undefined ? {} : { pace }),
    });
    await delay(500);
    const beside = await load();
    const moved = await stopBulk(bench, downloads);
    sheet.add(`p99 beside ${name}`, "ms", deployment.name, beside.p99Ms);
    sheet.add(`p99 beside ${name} ÷ alone`, "×", deployment.name, beside.p99Ms / alone.p99Ms);
    sheet.add(`${name} meanwhile`, "MB/s", deployment.name, moved.bytes / 1e6 / moved.seconds);
  }
}
