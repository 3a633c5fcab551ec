/** What the Foo analyzer costs: one hop of raw TCP with it and without it, beside HAProxy's. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { haproxyTcp } from "../contenders/haproxy.ts";
import { runFoo } from "../measure/foo.ts";
import { connects, waitUntil } from "../measure/probe.ts";
import { freePort } from "../ports.ts";
import type { Child } from "../processes.ts";
import type { Sheet } from "../sheet.ts";
import type { Row } from "./row.ts";

const PROGRAM = new URL("../../bin/polarity.js", import.meta.url).pathname;
const SERVER = new URL("../foo-server.ts", import.meta.url);

const LOADS: readonly { readonly connections: number; readonly depth: number }[] = [
  { connections: 64, depth: 1 },
  { connections: 64, depth: 16 },
];
/** Once for each hop, so that a just-in-time compiler has seen the hot path, and before each figure. */
const FIRST_WARMUP_SECONDS = 6;
const WARMUP_SECONDS = 1;

interface Hop {
  readonly name: string;
  readonly port: number;
  readonly child: Child;
}

export const foo: Row = {
  name: "foo",
  title: "64-byte messages of the Foo Protocol through one hop, with and without the analyzer",
  needs: [],
  polarityOnly: true,
  run: async (bench, sheet) => {
    const server = bench.processes.startScript("foo server", SERVER, {});
    const hops: Hop[] = [];
    try {
      const target = Number(await server.line(30_000));
      hops.push(
        await startPolarity(bench, "polarity", target, false),
        await startPolarity(bench, "polarity + foo", target, true),
      );
      if (bench.contenders.includes(haproxyTcp)) hops.push(await startHaproxy(bench, target));
      await measure(bench, sheet, hops);
    } finally {
      await Promise.all([...hops.map(({ child }) => child), server].map((child) => child.stop()));
    }
  },
};

async function measure(bench: Bench, sheet: Sheet, hops: readonly Hop[]): Promise<void> {
  for (const { child, port } of hops) {
    await runFoo(bench, child, { port, connections: 64, depth: 1, warmupSeconds: FIRST_WARMUP_SECONDS, seconds: 1 });
  }
  for (const load of LOADS) {
    const what = `${load.connections} connections, ${load.depth} under way on each`;
    bench.log(what);
    sheet.bar(what, "CPU µs/message", { subject: "polarity + foo", atMost: 1.15, of: "polarity" });
    for (let round = 0; round < bench.options.rounds; round++) {
      for (let turn = 0; turn < hops.length; turn++) {
        const hop = hops[(round + turn) % hops.length]!;
        const task = { port: hop.port, warmupSeconds: WARMUP_SECONDS, seconds: bench.options.seconds, ...load };
        const result = await runFoo(bench, hop.child, task);
        sheet.add(what, "messages/s", hop.name, result.messagesPerSecond);
        sheet.add(what, "CPU µs/message", hop.name, result.cpuUsPerMessage);
        sheet.foreign(result.foreignShare);
      }
    }
  }
}

async function startPolarity(bench: Bench, name: string, target: number, analyzed: boolean): Promise<Hop> {
  const port = await freePort();
  const file = join(bench.folder, `${analyzed ? "foo" : "plain"}.yaml`);
  const listener = { url: `tcp://127.0.0.1:${port}`, service: "foo", ...(analyzed ? { analyze: "foo" } : {}) };
  // JSON is YAML.
  writeFileSync(
    file,
    JSON.stringify({ services: { foo: { target: `tcp://127.0.0.1:${target}` } }, listeners: [listener] }),
  );
  return await ready(name, port, bench.processes.start(name, process.execPath, [PROGRAM, "run", "-c", file]));
}

async function startHaproxy(bench: Bench, target: number): Promise<Hop> {
  const port = await freePort();
  const file = join(bench.folder, "foo-haproxy.cfg");
  writeFileSync(
    file,
    `
global
  nbthread ${bench.options.haproxyThreads}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen foo
  bind 127.0.0.1:${port} backlog 4096
  server next 127.0.0.1:${target}
`,
  );
  const child = bench.processes.start("haproxy", bench.tools.path("haproxy"), ["-db", "-q", "-f", file]);
  return await ready("haproxy-tcp", port, child);
}

async function ready(name: string, port: number, child: Child): Promise<Hop> {
  await waitUntil(`connection to ${name}`, async () => await connects(port), [child]);
  return { name, port, child };
}
