/** Whether a request costs more when there are many services or many links. */
import { startPolarity, type PolarityChoice, type PolarityDeployment } from "../contenders/polarity.ts";
import { hopsOf } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { runWrk, type WrkChoice } from "../measure/wrk.ts";
import { median, type Sheet } from "../sheet.ts";
import type { Row } from "./row.ts";

const CONNECTIONS = 64;
const WARMUP_SECONDS = 6;
const TURN_SECONDS = 1;
/** What we call flat: the spread of two equal runs on a shared machine is a few percent. */
const FLAT = 1.15;

export const growth: Row = {
  name: "growth",
  title: "cost of a request with 1 to 1,000 services and links",
  needs: ["wrk"],
  polarityOnly: true,
  run: async (bench, sheet) => {
    const counts = bench.options.quick ? [1, 1_000] : [1, 10, 100, 1_000];
    sheet.bar("1,000 services ÷ 1", "×", { subject: "polarity", atMost: FLAT });
    // The many-services set-up with one service is the baseline: the same listener, found by the same path.
    const services = await costs(bench, sheet, counts, "services", (count) => ({ services: Math.max(2, count) }));
    sheet.add("1,000 services ÷ 1", "×", "polarity", services);
    const links = await costs(bench, sheet, counts, "links", (count) => ({ links: count }));
    sheet.add("1,000 links ÷ 1", "×", "polarity", links);
  },
};

/**
 * Adds the cost for each count, and returns that of the last by that of the first. All are there at once and take turns of a
 * second, as the speed of a virtual machine may change by half from one to the next few.
 */
async function costs(
  bench: Bench,
  sheet: Sheet,
  counts: readonly number[],
  unit: "services" | "links",
  choiceOf: (count: number) => Partial<PolarityChoice>,
): Promise<number> {
  const loads: Load[] = [];
  const ratios: number[] = [];
  try {
    for (const count of counts) {
      const what = `${count.toLocaleString("en")} ${count === 1 ? unit.slice(0, -1) : unit}`;
      bench.log(what);
      const deployment = await startPolarity(bench, choiceOf(count));
      const load = {
        what,
        deployment,
        port: deployment.port("http"),
        connections: CONNECTIONS,
        ...(unit === "services" ? { services: count } : {}),
      };
      loads.push(load);
      await runWrk(bench, hopsOf(deployment), { ...load, seconds: WARMUP_SECONDS });
    }
    for (let turn = 0; turn < bench.options.rounds * bench.options.seconds; turn++) {
      const figures: number[] = [];
      for (const load of loads) {
        const result = await runWrk(bench, hopsOf(load.deployment), { ...load, seconds: TURN_SECONDS });
        figures.push(result.cpuUsPerRequest);
        sheet.add(load.what, "CPU µs/request", "polarity", result.cpuUsPerRequest);
        sheet.add(load.what, "requests/s", "polarity", result.requestsPerSecond);
        sheet.foreign(result.foreignShare);
      }
      ratios.push((figures.at(-1) ?? Number.NaN) / (figures[0] ?? Number.NaN));
    }
  } finally {
    await Promise.all(loads.map(async ({ deployment }) => await deployment.stop()));
  }
  return median(ratios);
}

interface Load extends Omit<WrkChoice, "seconds"> {
  readonly what: string;
  readonly deployment: PolarityDeployment;
}
