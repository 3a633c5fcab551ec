/** What an idle client connection, an idle stream and an idle link keep in memory. */
import { startPolarity } from "../contenders/polarity.ts";
import { hopsOf, type Deployment, type Entry } from "../contenders/contender.ts";
import type { Bench } from "../bench.ts";
import { holdConnections } from "../measure/hold.ts";
import { settledBytes } from "../measure/memory.ts";
import type { Child } from "../processes.ts";
import type { Sheet } from "../sheet.ts";
import { CARRIAGES, withDeployments, type Row } from "./row.ts";

const KIB = 1_024;
const SETTLE_SECONDS = 3;
const FILL_SHARE = 0.25;
const CLIENT_KIB_MAX = 25;
const LINK_KIB_MAX = 60;

export const memory: Row = {
  name: "memory",
  title: "resident memory per idle thing",
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    const connections = bench.options.quick ? 1_000 : 5_000;
    const streams = bench.options.quick ? 500 : 2_000;
    sheet.bar("client connection (http)", "KiB at the front hop", { subject: "polarity", atMost: CLIENT_KIB_MAX });
    sheet.bar("link", "KiB at the router", { subject: "polarity", atMost: LINK_KIB_MAX });
    for (const carriage of CARRIAGES) {
      await withDeployments(bench, carriage, async (deployments) => {
        for (const deployment of deployments) {
          // An HTTP client between requests holds nothing behind the front; a TCP client holds a stream and an app's socket.
          if (carriage === "http") await measureClients(bench, sheet, deployment, connections);
          else await measureStreams(bench, sheet, deployment, streams);
        }
      });
    }
    if (bench.contenders.some(({ name }) => name === "polarity")) await measureLinks(bench, sheet);
  },
};

async function measureClients(bench: Bench, sheet: Sheet, deployment: Deployment, count: number): Promise<void> {
  bench.log(`${deployment.name}: ${count} idle http clients`);
  const bytes = await growth(bench, deployment, "http", count, [deployment.front]);
  sheet.add("client connection (http)", "KiB at the front hop", deployment.name, bytes / KIB);
}

async function measureStreams(bench: Bench, sheet: Sheet, deployment: Deployment, count: number): Promise<void> {
  bench.log(`${deployment.name}: ${count} idle tcp streams`);
  const bytes = await growth(bench, deployment, "tcp", count, hopsOf(deployment));
  sheet.add("stream (tcp)", "KiB at both hops", deployment.name, bytes / KIB);
}

/** Bytes that each held connection adds, in processes that have been at work and hold others already. */
async function growth(
  bench: Bench,
  deployment: Deployment,
  entry: Entry,
  count: number,
  watched: readonly Child[],
): Promise<number> {
  const port = deployment.port(entry);
  const hold = async (connections: number): Promise<Child> =>
    await holdConnections(bench, { kind: "idle", port, path: "/", connections });
  // The first ones fill what earlier work left free; the slope behind them is what a connection costs.
  const first = await hold(Math.round(count * FILL_SHARE));
  const before = await settledBytes(watched, SETTLE_SECONDS);
  const others = await hold(count);
  const after = await settledBytes(watched, SETTLE_SECONDS);
  await Promise.all([first.stop(), others.stop()]);
  return (after - before) / count;
}

/** Two deployments with one and many links, so that what a node costs by itself is taken out. */
async function measureLinks(bench: Bench, sheet: Sheet): Promise<void> {
  const many = bench.options.quick ? 101 : 501;
  const router: number[] = [];
  const connector: number[] = [];
  for (const links of [1, many]) {
    bench.log(`polarity: ${links} idle links`);
    const deployment = await startPolarity(bench, { links });
    try {
      router.push(await settledBytes([deployment.front], SETTLE_SECONDS));
      connector.push(await settledBytes(deployment.back, SETTLE_SECONDS));
    } finally {
      await deployment.stop();
    }
  }
  const perLink = ([one = 0, all = 0]: number[]): number => (all - one) / (many - 1) / KIB;
  sheet.add("link", "KiB at the router", "polarity", perLink(router));
  sheet.add("link", "KiB at the connector", "polarity", perLink(connector));
}
