/**
 * One of two connectors stands still (SIGSTOP) under load, and goes on (SIGCONT): who notices, and for how long.
 *
 * Safe requests may be sent again elsewhere, so none should fail. A POST that the frozen connector already had cannot; what
 * counts is how soon the last of them was put there.
 */
import { setTimeout as delay } from "node:timers/promises";
import { startPolarity, type PolarityDeployment } from "../contenders/polarity.ts";
import type { Bench } from "../bench.ts";
import { failingSeconds, failureKinds, startFixedRate, type FixedRateReport } from "../measure/fixed-rate.ts";
import type { Sheet } from "../sheet.ts";
import { warmUp, type Row } from "./row.ts";

const RATE = 200;
/** Enough that requests which hang do not keep others from being made. */
const CONNECTIONS = 512;
const TIMEOUT_MS = 5_000;
const FAILING_SECONDS_MAX = 2;
/** From the start of the clients, a second of warm-up included. */
const FREEZE_AT_MS = 3_000;
const THAW_AFTER_MS = 8_000;
const AFTERWARDS_MS = 5_000;
const FROZEN_APP = "a";

export const frozen: Row = {
  name: "frozen",
  title: `one of two connectors is stopped for ${THAW_AFTER_MS / 1_000} s under ${RATE} GETs and ${RATE} POSTs a second`,
  needs: [],
  polarityOnly: true,
  run: async (bench, sheet) => {
    sheet.bar("GET", "failed requests", { subject: "polarity", atMost: 0, everyRound: true });
    sheet.bar("POST", "failing seconds", { subject: "polarity", atMost: FAILING_SECONDS_MAX, everyRound: true });
    sheet.bar("after SIGCONT", "s until it serves again", {
      subject: "polarity",
      atMost: AFTERWARDS_MS / 1_000,
      everyRound: true,
    });
    const deployment = await startPolarity(bench, { connectors: [FROZEN_APP, "b"] });
    try {
      await warmUp(bench, deployment.port("http"));
      for (let round = 0; round < bench.options.rounds; round++) await measure(bench, sheet, deployment);
    } finally {
      await deployment.stop();
    }
  },
};

async function measure(bench: Bench, sheet: Sheet, deployment: PolarityDeployment): Promise<void> {
  const load = {
    port: deployment.port("http"),
    rate: RATE,
    connections: CONNECTIONS,
    seconds: (FREEZE_AT_MS + THAW_AFTER_MS + AFTERWARDS_MS) / 1_000 - 1,
    timeoutMs: TIMEOUT_MS,
  };
  const gets = startFixedRate(bench, load);
  const posts = startFixedRate(bench, { ...load, method: "POST", bodyBytes: 64 });
  await delay(FREEZE_AT_MS);
  const connector = deployment.back[0];
  if (connector === undefined) throw new Error("no connector was started");
  connector.signal("SIGSTOP");
  await delay(THAW_AFTER_MS);
  connector.signal("SIGCONT");
  const thawedAtMs = Date.now();
  for (const [method, run] of [
    ["GET", gets],
    ["POST", posts],
  ] as const) {
    const report = await run.report;
    sheet.add(method, "failed requests", "polarity", report.failed);
    sheet.add(method, "failing seconds", "polarity", failingSeconds(report));
    sheet.add(method, "longest answer ms", "polarity", report.maxMs);
    if (report.failed > 0) sheet.note(`${method}: ${failureKinds(report)}`);
    if (method === "GET")
      sheet.add("after SIGCONT", "s until it serves again", "polarity", servesAgain(report, thawedAtMs));
  }
}

/** Seconds, in steps of one, from the thaw to the first second in which the thawed connector's app answered. */
function servesAgain(report: FixedRateReport, thawedAtMs: number): number {
  const thawedInSecond = Math.floor((thawedAtMs - report.startEpochMs) / 1_000);
  const first = Object.entries(report.servedBy)
    .filter(([second, counts]) => Number(second) >= thawedInSecond && (counts[FROZEN_APP] ?? 0) > 0)
    .map(([second]) => Number(second));
  return Math.min(...first) - thawedInSecond;
}
