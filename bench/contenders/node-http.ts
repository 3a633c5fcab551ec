/** Two `baseline-node-http.ts` processes, one behind the other. */
import type { Bench } from "../bench.ts";
import { waitForPage } from "../measure/probe.ts";
import { freePort } from "../ports.ts";
import { portOf, stopChildren, type Contender, type Deployment, type Entry } from "./contender.ts";

export const nodeHttp: Contender = { name: "node-http", carries: ["http"], start };

async function start(bench: Bench): Promise<Deployment> {
  const targets = [bench.app.port.a, bench.app.sinkPort];
  const back = [];
  for (const target of targets) back.push({ listen: await freePort(), target });
  const front = [];
  for (const { listen } of back) front.push({ listen: await freePort(), target: listen });
  const backHop = bench.processes.startScript("node-http back", PROGRAM, { hops: back });
  const frontHop = bench.processes.startScript("node-http front", PROGRAM, { hops: front });
  for (const { listen } of front) await waitForPage(listen, "/", frontHop, backHop);
  const entries: Entry[] = ["http", "http-sink"];
  const ports = new Map(front.map(({ listen }, index) => [entries[index] ?? "http", listen] as const));
  return {
    name: "node-http",
    front: frontHop,
    back: [backHop],
    port: (entry) => portOf(ports, entry, "node-http"),
    stop: async () => await stopChildren([frontHop, backHop]),
  };
}

const PROGRAM = new URL("../baseline-node-http.ts", import.meta.url);
