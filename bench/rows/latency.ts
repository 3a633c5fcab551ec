/** How long a request takes when the load is the same for all and far from full. */
import { runFixedRate } from "../measure/fixed-rate.ts";
import { CpuMeter } from "../measure/load.ts";
import { hopsOf } from "../contenders/contender.ts";
import { alternate, CARRIAGES, withDeployments, type Row } from "./row.ts";

const RATE = 3_000;
const CONNECTIONS = 64;

export const latency: Row = {
  name: "latency",
  title: `latency at ${RATE} requests/s over ${CONNECTIONS} connections`,
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    for (const carriage of CARRIAGES) {
      await withDeployments(bench, carriage, async (deployments) => {
        bench.log(carriage);
        await alternate(bench, deployments, async (deployment) => {
          const meter = new CpuMeter(bench, hopsOf(deployment));
          const report = await runFixedRate(bench, {
            port: deployment.port(carriage),
            rate: RATE,
            connections: CONNECTIONS,
            seconds: bench.options.seconds,
          });
          sheet.foreign(meter.read().foreignShare);
          if (report.failed > 0) sheet.note(`${deployment.name}, ${carriage}: ${report.failed} requests failed`);
          sheet.add(carriage, "p50 ms", deployment.name, report.p50Ms);
          sheet.add(carriage, "p99 ms", deployment.name, report.p99Ms);
          sheet.add(carriage, "p99.9 ms", deployment.name, report.p999Ms);
        });
      });
    }
  },
};
