/** How many small requests a second, what one costs, and how long one takes when it is alone. */
import { hopsOf, type Carriage, type Deployment } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { runWrk } from "../measure/wrk.ts";
import type { Sheet } from "../sheet.ts";
import { alternate, CARRIAGES, REFERENCE, withDeployments, type Row } from "./row.ts";

const CONNECTIONS: readonly number[] = [1, 64, 256];
/** At full speed, beyond what every row's contenders get: a hundred thousand requests, after which code is compiled for good. */
const FULL_SPEED_WARMUP = { connections: 64, seconds: 6 };

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
  bench.log(`${carriage}, warming`);
  for (const deployment of deployments) {
    await runWrk(bench, hopsOf(deployment), { port: deployment.port(carriage), ...FULL_SPEED_WARMUP });
  }
  for (const connections of CONNECTIONS) {
    const what = nameOf(carriage, connections);
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

function nameOf(carriage: Carriage, connections: number): string {
  return `${carriage}, ${connections} ${connections === 1 ? "connection" : "connections"}`;
}

function setBars(sheet: Sheet, carriage: Carriage): void {
  const of = REFERENCE[carriage];
  sheet.bar(nameOf(carriage, 1), "p50 µs", { subject: "polarity", atMost: 1.3, of });
  sheet.bar(nameOf(carriage, 64), "requests/s", { subject: "polarity", atLeast: 1, of });
  sheet.bar(nameOf(carriage, 64), "CPU µs/request", { subject: "polarity", atMost: 1, of });
}
