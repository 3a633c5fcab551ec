/** Whether a request costs more when there are many services or many links. */
import { startPolarity } from "../contenders/polarity.ts";
import { type Deployment, hopsOf } from "../contenders/contender.ts";
import { haproxyHttp, startHaproxyServices } from "../contenders/haproxy.ts";
import type { Bench } from "../bench.ts";
import { runWrk, type WrkChoice } from "../measure/wrk.ts";
import type { Sheet } from "../sheet.ts";
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
    // A thousand services have a thousand apps, whose connections cost the system more than those of one, whoever holds them.
    sheet.bar("1,000 services ÷ 1", "×", { subject: "polarity", atMost: FLAT, of: "haproxy-http" });
    // The many-services set-up with one service is the baseline: the same listener, found by the same path.
    await costs(bench, sheet, counts, "services", async (count) => {
      return await startPolarity(bench, { services: Math.max(2, count) });
    });
    if (bench.contenders.includes(haproxyHttp)) {
      await costs(bench, sheet, counts, "services", async (count) => await startHaproxyServices(bench, count));
    }
    await costs(bench, sheet, counts, "links", async (count) => await startPolarity(bench, { links: count }));
  },
};

/**
 * Adds the cost for each count, and that of the last by that of the first. All are there at once and take turns of a second, as
 * the speed of a virtual machine may change by half from one to the next few.
 */
async function costs(
  bench: Bench,
  sheet: Sheet,
  counts: readonly number[],
  unit: "services" | "links",
  start: (count: number) => Promise<Deployment>,
): Promise<void> {
  const loads: Load[] = [];
  try {
    for (const count of counts) {
      const what = `${count.toLocaleString("en")} ${count === 1 ? unit.slice(0, -1) : unit}`;
      const deployment = await start(count);
      bench.log(`${deployment.name}: ${what}`);
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
      for (const { what, deployment, ...load } of loads) {
        const result = await runWrk(bench, hopsOf(deployment), { ...load, seconds: TURN_SECONDS });
        figures.push(result.cpuUsPerRequest);
        sheet.add(what, "CPU µs/request", deployment.name, result.cpuUsPerRequest);
        sheet.add(what, "requests/s", deployment.name, result.requestsPerSecond);
        sheet.foreign(result.foreignShare);
      }
      const ratio = (figures.at(-1) ?? Number.NaN) / (figures[0] ?? Number.NaN);
      sheet.add(`1,000 ${unit} ÷ 1`, "×", loads[0]?.deployment.name ?? "", ratio);
    }
  } finally {
    await Promise.all(loads.map(async ({ deployment }) => await deployment.stop()));
  }
}

interface Load extends Omit<WrkChoice, "seconds"> {
  readonly what: string;
  readonly deployment: Deployment;
}
