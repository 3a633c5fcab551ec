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

export const besideBulk: Row = {
  name: "beside-bulk",
  title: `${RATE} small requests/s beside ${DOWNLOADS} endless downloads`,
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    sheet.bar("p99 beside ÷ alone", "×", { subject: "polarity", atMost: P99_GROWTH_MAX });
    await withDeployments(bench, "http", async (deployments) => {
      await alternate(bench, deployments, async (deployment) => await measure(bench, sheet, deployment));
    });
  },
};

async function measure(bench: Bench, sheet: Sheet, deployment: Deployment): Promise<void> {
  bench.log(deployment.name);
  const port = deployment.port("http");
  const load = async (): Promise<FixedRateReport> =>
    await runFixedRate(bench, { port, rate: RATE, connections: CONNECTIONS, seconds: bench.options.seconds });
  const alone = await load();
  const downloads = startBulk(bench, {
    port,
    path: BULK.gigabyte.path,
    direction: "download",
    parallel: DOWNLOADS,
    loop: true,
  });
  await delay(500);
  const beside = await load();
  const moved = await stopBulk(bench, downloads);
  for (const report of [alone, beside]) {
    if (report.failed > 0) sheet.note(`${deployment.name}: ${report.failed} small requests failed`);
  }
  sheet.add("p99 alone", "ms", deployment.name, alone.p99Ms);
  sheet.add("p99 beside", "ms", deployment.name, beside.p99Ms);
  sheet.add("p99 beside ÷ alone", "×", deployment.name, beside.p99Ms / alone.p99Ms);
  sheet.add("downloads meanwhile", "MB/s", deployment.name, moved.bytes / 1e6 / moved.seconds);
}
