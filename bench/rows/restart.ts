/** What clients notice when one of two connectors is restarted under load: asked to go, and killed. */
import { setTimeout as delay } from "node:timers/promises";
import { startPolarity, type PolarityDeployment } from "../contenders/polarity.ts";
import type { Bench } from "../bench.ts";
import { failingSeconds, failureKinds, startFixedRate } from "../measure/fixed-rate.ts";
import { waitUntil } from "../measure/probe.ts";
import type { Sheet } from "../sheet.ts";
import { warmUp, type Row } from "./row.ts";

const RATE = 1_000;
const CONNECTIONS = 32;
const GONE_WITHIN_MS = 30_000;

export const restart: Row = {
  name: "restart",
  title: `one of two connectors restarts under ${RATE} requests/s`,
  needs: [],
  polarityOnly: true,
  run: async (bench, sheet) => {
    sheet.bar("SIGTERM and start", "failed requests", { subject: "polarity", atMost: 0 });
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const deployment = await startPolarity(bench, { connectors: ["a", "b"] });
      try {
        await warmUp(bench, deployment.port("http"));
        await measure(bench, sheet, deployment, signal);
      } finally {
        await deployment.stop();
      }
    }
  },
};

async function measure(
  bench: Bench,
  sheet: Sheet,
  deployment: PolarityDeployment,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  const what = `${signal} and start`;
  bench.log(what);
  const run = startFixedRate(bench, {
    port: deployment.port("http"),
    rate: RATE,
    connections: CONNECTIONS,
    seconds: bench.options.quick ? 5 : 8,
  });
  await delay(2_500);
  const connector = deployment.back[0];
  if (connector === undefined) throw new Error("no connector was started");
  const from = performance.now();
  connector.signal(signal);
  await waitUntil(`end of ${connector.name}`, () => !connector.running, [deployment.front], GONE_WITHIN_MS);
  const gone = performance.now();
  await deployment.startConnector(0);
  const back = performance.now();
  const report = await run.report;
  sheet.add(what, "failed requests", "polarity", report.failed);
  sheet.add(what, "failing seconds", "polarity", failingSeconds(report));
  sheet.add(what, "p99 ms", "polarity", report.p99Ms);
  sheet.add(what, "longest answer ms", "polarity", report.maxMs);
  sheet.add(what, "s to go", "polarity", (gone - from) / 1_000);
  sheet.add(what, "s to link again", "polarity", (back - gone) / 1_000);
  if (report.failed > 0) sheet.note(`${what}: ${failureKinds(report)}`);
}
