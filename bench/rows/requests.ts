/** How many small requests a second, what one costs, and how long one takes when it is alone. */
import { hopsOf, type Carriage, type Deployment } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { runWrk } from "../measure/wrk.ts";
import type { Sheet } from "../sheet.ts";
import { alternate, CARRIAGES, REFERENCE, withDeployments, type Row } from "./row.ts";

const CONNECTIONS: readonly number[] = [1, 64, 256];
const WARMUP_SECONDS = 2;

export const requests: Row = {
  name: "requests",
  title: "small requests at full speed",
  needs: ["wrk"],
  polarityOnly: false,
  run: async (bench, sheet) => {
    for (const carriage of CARRIAGES) {
      await withDeployments(bench, carriage, async (deployments) => await measure(bench, sheet, carriage, deployments));
    }
  },
};

async function measure(
  bench: Bench,
  sheet: Sheet,
  carriage: Carriage,
  deployments: readonly Deployment[],
): Promise<void> {
  setBars(sheet, carriage);
  for (const deployment of deployments) {
    const port = deployment.port(carriage);
    await runWrk(bench, hopsOf(deployment), { port, connections: 64, seconds: WARMUP_SECONDS });
  }
  for (const connections of CONNECTIONS) {
    const what = `${carriage}, ${connections} connections`;
    bench.log(what);
    await alternate(bench, deployments, async (deployment) => {
      const port = deployment.port(carriage);
      const result = await runWrk(bench, hopsOf(deployment), { port, connections, seconds: bench.options.seconds });
      sheet.add(what, "requests/s", deployment.name, result.requestsPerSecond);
      sheet.add(what, "CPU µs/request", deployment.name, result.cpuUsPerRequest);
      sheet.add(what, "p50 µs", deployment.name, result.p50Us);
      sheet.add(what, "p99 µs", deployment.name, result.p99Us);
      sheet.foreign(result.foreignShare);
      if (result.failed > 0) sheet.note(`${deployment.name}, ${what}: ${result.failed} requests failed`);
    });
  }
}

function setBars(sheet: Sheet, carriage: Carriage): void {
  const of = REFERENCE[carriage];
  sheet.bar(`${carriage}, 1 connections`, "p50 µs", { subject: "polarity", atMost: 1.3, of });
  sheet.bar(`${carriage}, 64 connections`, "requests/s", { subject: "polarity", atLeast: 1, of });
  sheet.bar(`${carriage}, 64 connections`, "CPU µs/request", { subject: "polarity", atMost: 1, of });
}
