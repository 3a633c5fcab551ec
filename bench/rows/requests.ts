/**
 * How many small requests a second, what one costs, and how long one takes when it is alone.
 *
 * Every round starts its contenders anew: what a just-in-time compiler makes of a program differs from start to start, and
 * is then the same for as long as the program runs.
 */
import { hopsOf, type Carriage, type Deployment } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { runWrk } from "../measure/wrk.ts";
import type { Sheet } from "../sheet.ts";
import { CARRIAGES, inTurn, REFERENCE, withDeployments, type Row } from "./row.ts";

const CONNECTIONS: readonly number[] = [1, 64, 256];
/** At full speed, beyond what every row's contenders get: a hundred thousand requests, after which code is compiled for good. */
const FULL_SPEED_WARMUP = { connections: 64, seconds: 6 };
/** Contenders take turns of this length: a virtual machine's speed may change by half from one to the next few seconds. */
const TURN_SECONDS = 1;

export const requests: Row = {
  name: "requests",
  title: "small requests at full speed",
  needs: ["wrk"],
  polarityOnly: false,
  run: async (bench, sheet) => {
    for (const carriage of CARRIAGES) {
      setBars(sheet, carriage);
      for (let round = 0; round < bench.options.rounds; round++) {
        bench.log(`${carriage}, round ${round + 1}`);
        await withDeployments(bench, carriage, async (deployments) => {
          await measure(bench, sheet, carriage, deployments, round);
        });
      }
    }
  },
};

async function measure(
  bench: Bench,
  sheet: Sheet,
  carriage: Carriage,
  deployments: readonly Deployment[],
  round: number,
): Promise<void> {
  for (const deployment of deployments) {
    await runWrk(bench, hopsOf(deployment), { port: deployment.port(carriage), ...FULL_SPEED_WARMUP });
  }
  for (const connections of CONNECTIONS) {
    for (let turn = 0; turn * TURN_SECONDS < bench.options.seconds; turn++) {
      await inTurn(deployments, round + turn, async (deployment) => {
        await measureTurn(bench, sheet, carriage, deployment, connections);
      });
    }
  }
}

async function measureTurn(
  bench: Bench,
  sheet: Sheet,
  carriage: Carriage,
  deployment: Deployment,
  connections: number,
): Promise<void> {
  const what = nameOf(carriage, connections);
  const load = { port: deployment.port(carriage), connections, seconds: TURN_SECONDS };
  const result = await runWrk(bench, hopsOf(deployment), load);
  sheet.add(what, "requests/s", deployment.name, result.requestsPerSecond);
  sheet.add(what, "CPU µs/request", deployment.name, result.cpuUsPerRequest);
  sheet.add(what, "p50 µs", deployment.name, result.p50Us);
  sheet.add(what, "p99 µs", deployment.name, result.p99Us);
  sheet.foreign(result.foreignShare);
  if (result.failed > 0) sheet.note(`${deployment.name}, ${what}: ${result.failed} requests failed`);
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
