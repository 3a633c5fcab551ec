/**
 * Polarity as a user starts it: `polarity router` and `polarity connect`, joined by a raw TCP link.
 *
 * Rows about faults and growth ask for more connectors, more links, a long path or many services.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AppName } from "../app.ts";
import type { Bench } from "../bench.ts";
import { jsonOf, statusOf, waitForPage, waitUntil } from "../measure/probe.ts";
import { freePort } from "../ports.ts";
import type { Child } from "../processes.ts";
import { portOf, stopChildren, type Contender, type Deployment, type Entry } from "./contender.ts";

export const polarity: Contender = {
  name: "polarity",
  carries: ["http", "tcp"],
  start: async (bench) => await startPolarity(bench),
};

export interface PolarityChoice {
  /** The apps of the connectors, one connector each. */
  readonly connectors: readonly AppName[];
  /** Links that each connector holds. */
  readonly links: number;
  /** With more than one, the HTTP listener chooses s0, s1, … by the first path segment. */
  readonly services: number;
  /** Puts a program between the router's link port and the connectors, and returns the port to dial instead. */
  readonly via?: (linkPort: number) => Promise<number>;
}

export interface PolarityDeployment extends Deployment {
  readonly back: Child[];
  readonly linkPort: number;
  /** Starts the connector of that index, again if it was stopped, and resolves when its links are up. */
  startConnector(index: number): Promise<Child>;
}

const PROGRAM = new URL("../../bin/polarity.js", import.meta.url).pathname;
const LINKS_WITHIN_MS = 60_000;

export function isPolarityBuilt(): boolean {
  return existsSync(PROGRAM);
}

export async function startPolarity(bench: Bench, choice: Partial<PolarityChoice> = {}): Promise<PolarityDeployment> {
  const { connectors, links, services, via }: PolarityChoice = { connectors: ["a"], links: 1, services: 1, ...choice };
  const linkPort = await freePort();
  const adminPort = await freePort();
  const ports = new Map<Entry, number>();
  for (const entry of ["http", "tcp", "http-sink", "tcp-sink"] as const) ports.set(entry, await freePort());
  const port = (entry: Entry): number => portOf(ports, entry, "polarity");

  const front = startProgram(bench, "router", [
    ["router", "--link", `tcp://127.0.0.1:${linkPort}`, "--admin", `http://127.0.0.1:${adminPort}`],
    ["--listen", `http://127.0.0.1:${port("http")}${services === 1 ? "=web" : ""}`],
    ["--listen", `tcp://127.0.0.1:${port("tcp")}=raw`],
    ["--listen", `http://127.0.0.1:${port("http-sink")}=sink`],
    ["--listen", `tcp://127.0.0.1:${port("tcp-sink")}=raw-sink`],
  ]);
  await waitUntil("answer from the router's admin", async () => (await statusOf(adminPort, "/readyz")) !== undefined, [
    front,
  ]);
  const dialPort = via === undefined ? linkPort : await via(linkPort);

  const back: Child[] = [];
  const startConnector = async (index: number): Promise<Child> => {
    const before = new Set(await linksUp(adminPort));
    const appName = connectors[index] ?? "a";
    const child = startProgram(
      bench,
      `connector c${index + 1}`,
      services === 1
        ? connectArguments(bench, index, appName, dialPort, links)
        : manyServicesArguments(bench, index, appName, dialPort, services),
    );
    back[index] = child;
    const there = async (): Promise<boolean> =>
      (await linksUp(adminPort)).filter((id) => !before.has(id)).length >= links;
    // To list hundreds of links again and again would fill the router's heap, which the row about memory weighs.
    const pollMs = links < 10 ? 20 : 1_000;
    await waitUntil(`${links} links from ${child.name}`, there, [front, child], LINKS_WITHIN_MS, pollMs);
    return child;
  };
  for (const index of connectors.keys()) await startConnector(index);
  await waitForPage(port("http"), services === 1 ? "/" : `/s${services - 1}/`, front, ...back);
  if (services === 1) {
    for (const entry of ["tcp", "http-sink", "tcp-sink"] as const) await waitForPage(port(entry), "/", front, ...back);
  }
  return {
    name: "polarity",
    front,
    back,
    linkPort,
    port,
    startConnector,
    stop: async () => await stopChildren([...back, front]),
  };
}

/** As the router sees them: connections to its link port may be no links yet. Each link has an id of its own. */
async function linksUp(adminPort: number): Promise<string[]> {
  const { links } = (await jsonOf(adminPort, "/stats")) as { links: readonly { id: string; state: string }[] };
  return links.filter(({ state }) => state === "up").map(({ id }) => id);
}

function startProgram(bench: Bench, name: string, args: readonly (readonly string[])[]): Child {
  return bench.processes.start(name, process.execPath, [PROGRAM, ...args.flat()]);
}

function connectArguments(bench: Bench, index: number, appName: AppName, dialPort: number, links: number): string[][] {
  const { app } = bench;
  return [
    ["connect", `web=http://127.0.0.1:${app.port[appName]}`, `raw=tcp://127.0.0.1:${app.port[appName]}`],
    [`sink=http://127.0.0.1:${app.sinkPort}`, `raw-sink=tcp://127.0.0.1:${app.sinkPort}`],
    ["--router", `tcp://127.0.0.1:${dialPort}`, "--name", `c${index + 1}`, "--links", String(links)],
  ];
}

function manyServicesArguments(
  bench: Bench,
  index: number,
  appName: AppName,
  dialPort: number,
  services: number,
): string[][] {
  const file = join(bench.folder, `connector-${index + 1}.yaml`);
  const lines = Array.from(
    { length: services },
    (_, i) => `  s${i}: { target: "http://127.0.0.1:${bench.app.port[appName]}" }`,
  );
  writeFileSync(
    file,
    `node: { name: c${index + 1} }
links:
  dial:
    - { url: "tcp://127.0.0.1:${dialPort}", links: 1 }
services:
${lines.join("\n")}
`,
  );
  return [["run", "-c", file]];
}
