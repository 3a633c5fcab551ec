/** What small requests cost when clients speak HTTP/2 (h2c with prior knowledge) and the app HTTP/1.1. */
import { hopsOf } from "../contenders/contender.ts";
import { runH2load } from "../measure/h2load.ts";
import type { Sheet } from "../sheet.ts";
import { alternate, REFERENCE, type Row, withDeployments } from "./row.ts";

const LOADS: readonly { readonly connections: number; readonly streams: number }[] = [
  { connections: 1, streams: 1 },
  { connections: 4, streams: 16 },
  { connections: 64, streams: 4 },
];

export const http2: Row = {
  name: "http2",
  title: "small requests from clients that speak HTTP/2",
  needs: ["h2load"],
  polarityOnly: false,
  run: async (bench, sheet) => {
    setBars(sheet);
    await withDeployments(bench, "http", async (deployments) => {
      // Node's own proxy of the comparison speaks HTTP/1.1 only.
      const able = deployments.filter(({ name }) => name !== "node-http");
      for (const load of LOADS) {
        const what = nameOf(load);
        bench.log(what);
        await alternate(bench, able, async (deployment) => {
          const choice = { port: deployment.port("http"), seconds: bench.options.seconds, ...load };
          const result = await runH2load(bench, hopsOf(deployment), choice);
          sheet.add(what, "requests/s", deployment.name, result.requestsPerSecond);
          sheet.add(what, "CPU µs/request", deployment.name, result.cpuUsPerRequest);
          sheet.add(what, "mean µs", deployment.name, result.meanUs);
          sheet.foreign(result.foreignShare);
          if (result.failed > 0) sheet.note(`${deployment.name}, ${what}: ${result.failed} requests failed`);
        });
      }
    });
  },
};

function nameOf({ connections, streams }: { connections: number; streams: number }): string {
  return `${connections} × ${streams} streams`;
}

function setBars(sheet: Sheet): void {
  const of = REFERENCE.http;
  sheet.bar(nameOf({ connections: 4, streams: 16 }), "requests/s", { subject: "polarity", atLeast: 1, of });
}
