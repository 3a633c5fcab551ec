/**
 * Two HAProxy processes, one behind the other.
 *
 * Set up to do its best: keep-alive on both sides and connections to servers shared between clients (mode http), no logs,
 * no health checks, no added headers. One thread a process, as each Polarity process has one that works; compare with
 * `--haproxy-threads 2` on a quiet machine, and hold Polarity against the better.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { waitForPage } from "../measure/probe.ts";
import { freePort } from "../ports.ts";
import type { Child } from "../processes.ts";
import { portOf, stopChildren, type Carriage, type Contender, type Deployment, type Entry } from "./contender.ts";

export const haproxyHttp: Contender = {
  name: "haproxy-http",
  carries: ["http"],
  start: async (bench) => await start(bench, "http"),
};

export const haproxyTcp: Contender = {
  name: "haproxy-tcp",
  carries: ["tcp"],
  start: async (bench) => await start(bench, "tcp"),
};

interface Pass {
  readonly entry: Entry;
  readonly listen: number;
  readonly target: number;
}

async function start(bench: Bench, mode: Carriage): Promise<Deployment> {
  const name = `haproxy-${mode}` as const;
  const { app } = bench;
  const back: Pass[] = [
    { entry: mode, listen: await freePort(), target: app.port.a },
    { entry: `${mode}-sink`, listen: await freePort(), target: app.sinkPort },
  ];
  const front: Pass[] = [];
  for (const { entry, listen } of back) front.push({ entry, listen: await freePort(), target: listen });
  const backHop = startHop(bench, `${name} back`, mode, back);
  const frontHop = startHop(bench, `${name} front`, mode, front);
  for (const { listen } of front) await waitForPage(listen, "/", frontHop, backHop);
  const ports = new Map(front.map(({ entry, listen }) => [entry, listen] as const));
  return {
    name,
    front: frontHop,
    back: [backHop],
    port: (entry) => portOf(ports, entry, name),
    stop: async () => await stopChildren([frontHop, backHop]),
  };
}

/** Two hops that choose one of so many backends by the first path segment, each with connections of its own. */
export async function startHaproxyServices(bench: Bench, services: number): Promise<Deployment> {
  const name = "haproxy-http";
  const target = bench.app.port.a;
  const [near, far] = [await freePort(), await freePort()];
  const backHop = runHop(bench, `${name} back ${services}`, "http", servicesSection(far, target, services));
  const frontHop = runHop(bench, `${name} front ${services}`, "http", servicesSection(near, far, services));
  await waitForPage(near, `/s${services - 1}/`, frontHop, backHop);
  return {
    name,
    front: frontHop,
    back: [backHop],
    port: () => near,
    stop: async () => await stopChildren([frontHop, backHop]),
  };
}

function servicesSection(listen: number, target: number, services: number): string {
  const backends = Array.from(
    { length: services },
    (_, index) => `
backend s${index}
  server next 127.0.0.1:${target}
`,
  );
  return `
frontend services
  bind 127.0.0.1:${listen} backlog 4096
  use_backend %[path,field(2,/)]
${backends.join("")}`;
}

function startHop(bench: Bench, name: string, mode: Carriage, passes: readonly Pass[]): Child {
  const sections = passes.map(
    ({ entry, listen, target }) => `
listen ${entry}
  bind 127.0.0.1:${listen} backlog 4096
  server next 127.0.0.1:${target}
`,
  );
  return runHop(bench, name, mode, sections.join(""));
}

function runHop(bench: Bench, name: string, mode: Carriage, sections: string): Child {
  const file = join(bench.folder, `${name.replaceAll(" ", "-")}.cfg`);
  writeFileSync(file, hopConfig(mode, bench.options.haproxyThreads, sections));
  return bench.processes.start(name, bench.tools.path("haproxy"), ["-db", "-q", "-f", file]);
}

function hopConfig(mode: Carriage, threads: number, sections: string): string {
  return `
global
  nbthread ${threads}
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${mode === "http" ? "  timeout http-keep-alive 1h\n  http-reuse always\n" : ""}${sections}`;
}
