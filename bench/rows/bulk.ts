/** How fast one large body moves, each way, and what it costs. */
import { BULK, GIGABYTE, type BulkFile } from "../app.ts";
import { hopsOf, type Carriage, type Deployment } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { runBulk, type BulkReport } from "../measure/bulk.ts";
import { CpuMeter } from "../measure/load.ts";
import type { Sheet } from "../sheet.ts";
import { alternate, CARRIAGES, REFERENCE, withDeployments, type Row } from "./row.ts";

export const bulk: Row = {
  name: "bulk",
  title: "one body of 1 GB (quick: 100 MB)",
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    for (const carriage of CARRIAGES) {
      await withDeployments(bench, carriage, async (deployments) => {
        for (const direction of ["download", "upload"] as const) {
          const what = `${carriage} ${direction}`;
          bench.log(what);
          sheet.bar(what, "MB/s", { subject: "polarity", atLeast: 0.8, of: REFERENCE[carriage] });
          for (const deployment of deployments) await warm(bench, carriage, direction, deployment);
          await alternate(bench, deployments, async (deployment) => {
            await measure(bench, sheet, carriage, direction, deployment);
          });
        }
      });
    }
  },
};

/** Proxies run for days: what a compiler does in the first seconds is not measured. */
async function warm(
  bench: Bench,
  carriage: Carriage,
  direction: "download" | "upload",
  deployment: Deployment,
): Promise<void> {
  const bodies = bench.options.quick ? [BULK.hundredMegabytes] : [BULK.gigabyte, BULK.gigabyte, BULK.gigabyte];
  for (const body of bodies) await move(bench, carriage, direction, deployment, body);
}

async function measure(
  bench: Bench,
  sheet: Sheet,
  carriage: Carriage,
  direction: "download" | "upload",
  deployment: Deployment,
): Promise<void> {
  const file = bench.options.quick ? BULK.hundredMegabytes : BULK.gigabyte;
  const meter = new CpuMeter(bench, hopsOf(deployment));
  const report = await move(bench, carriage, direction, deployment, file);
  const cpu = meter.read();
  sheet.foreign(cpu.foreignShare);
  sheet.add(`${carriage} ${direction}`, "MB/s", deployment.name, report.bytes / 1e6 / report.seconds);
  sheet.add(`${carriage} ${direction}`, "CPU s/GB", deployment.name, (cpu.hopsMs / 1_000) * (GIGABYTE / report.bytes));
}

async function move(
  bench: Bench,
  carriage: Carriage,
  direction: "download" | "upload",
  deployment: Deployment,
  { path, bytes }: BulkFile,
): Promise<BulkReport> {
  const port = deployment.port(direction === "download" ? carriage : `${carriage}-sink`);
  const report = await runBulk(bench, { port, path: direction === "download" ? path : "/", direction, bytes });
  if (report.bytes !== bytes) throw new Error(`${deployment.name} moved ${report.bytes} of ${bytes} bytes`);
  return report;
}
