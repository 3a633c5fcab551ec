/**
 * `npm run bench`: what Polarity costs, next to what a user would run instead.
 *
 * Starts an app, and for each row the contenders that it compares; stops them all whatever happens. The table goes to
 * stdout, progress to stderr, everything to a JSON file. Exits 0 when every row ran and every bar held.
 */
import { availableParallelism } from "node:os";
import { startApp } from "./app.ts";
import type { Bench } from "./bench.ts";
import type { Contender } from "./contenders/contender.ts";
import { haproxyHttp, haproxyTcp } from "./contenders/haproxy.ts";
import { nodeHttp } from "./contenders/node-http.ts";
import { isPolarityBuilt, polarity } from "./contenders/polarity.ts";
import { CpuMeter } from "./measure/load.ts";
import { describeMachine } from "./machine.ts";
import { parseInvocation, USAGE, type BenchOptions } from "./options.ts";
import { Processes } from "./processes.ts";
import { allHeld, renderReport, writeReport, type RowOutcome } from "./report.ts";
import { besideBulk } from "./rows/beside-bulk.ts";
import { bulk } from "./rows/bulk.ts";
import { fanOut } from "./rows/fan-out.ts";
import { foo } from "./rows/foo.ts";
import { frozen } from "./rows/frozen.ts";
import { growth } from "./rows/growth.ts";
import { http2 } from "./rows/http2.ts";
import { integrity } from "./rows/integrity.ts";
import { latency } from "./rows/latency.ts";
import { longPath } from "./rows/long-path.ts";
import { memory } from "./rows/memory.ts";
import { requests } from "./rows/requests.ts";
import { restart } from "./rows/restart.ts";
import type { Row } from "./rows/row.ts";
import { stalled } from "./rows/stalled.ts";
import { createScratchFolder, removeScratchFolder } from "./scratch-folder.ts";
import { Sheet } from "./sheet.ts";
import { howToGet, Tools } from "./tools.ts";

const ROWS: readonly Row[] = [
  requests,
  latency,
  bulk,
  besideBulk,
  memory,
  restart,
  growth,
  fanOut,
  stalled,
  frozen,
  longPath,
  integrity,
  http2,
  foo,
];
const CONTENDERS: readonly Contender[] = [polarity, haproxyHttp, haproxyTcp, nodeHttp];

process.exitCode = await main();

async function main(): Promise<number> {
  const rowNames = ROWS.map(({ name }) => name);
  try {
    const invocation = parseInvocation(process.argv.slice(2), rowNames);
    if (invocation.kind === "run") return await run(invocation.options);
    const list = `${ROWS.map(({ name, title }) => `${name.padEnd(12)} ${title}`).join("\n")}\n`;
    process.stdout.write(invocation.kind === "list" ? list : USAGE);
    return 0;
  } catch (error) {
    process.stderr.write(`bench: ${messageOf(error)}\n`);
    return 1;
  }
}

async function run(options: BenchOptions): Promise<number> {
  const tools = new Tools(process.env["PATH"] ?? "");
  const missing = tools.missing(["nginx", "setpriv"]);
  if (missing.length > 0) throw new Error(`no row runs without ${missing.join(" and ")}: ${howToGet(missing)}`);

  const startedAt = new Date();
  const machine = describeMachine(tools);
  const processes = new Processes(tools);
  const folder = createScratchFolder();
  const cleanUp = async (): Promise<void> => {
    await processes.stopAll();
    removeScratchFolder(folder);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      void cleanUp().finally(() => process.exit(130));
    });
  }
  try {
    const bench: Bench = {
      options,
      tools,
      processes,
      folder,
      app: await startApp(processes, tools, folder),
      cores: availableParallelism(),
      contenders: CONTENDERS.filter(
        (contender) => options.contenders.includes(contender.name) && canRun(contender, tools),
      ),
      log: (text) => process.stderr.write(`  ${text}\n`),
    };
    const outcomes: RowOutcome[] = [];
    for (const row of ROWS) if (options.rows.includes(row.name)) outcomes.push(await runRow(bench, row));
    const report = { startedAt, machine, options, outcomes };
    process.stdout.write(`${renderReport(report)}\n`);
    process.stderr.write(`\n${writeReport(report)}\n`);
    return allHeld(report) ? 0 : 1;
  } finally {
    await cleanUp();
  }
}

async function runRow(bench: Bench, row: Row): Promise<RowOutcome> {
  const sheet = new Sheet();
  const missing = bench.tools.missing(row.needs);
  if (missing.length > 0) return { row, sheet, skipped: `needs ${missing.join(" and ")}: ${howToGet(missing)}` };
  if (row.polarityOnly && !bench.contenders.includes(polarity)) return { row, sheet, skipped: "it is about polarity" };
  process.stderr.write(`${row.name}: ${row.title}\n`);
  const meter = new CpuMeter(bench, []);
  try {
    await row.run(bench, sheet);
    return { row, sheet };
  } catch (error) {
    process.stderr.write(`  broken: ${messageOf(error)}\n`);
    return { row, sheet, broken: messageOf(error) };
  } finally {
    sheet.foreign(meter.read().foreignShare);
  }
}

/** Says why not, once. */
function canRun(contender: Contender, tools: Tools): boolean {
  const why =
    contender === polarity
      ? isPolarityBuilt()
        ? undefined
        : "bin/polarity.js is not there"
      : contender.name.startsWith("haproxy") && !tools.has("haproxy")
        ? `haproxy is not installed: ${howToGet(["haproxy"])}`
        : undefined;
  if (why !== undefined) process.stderr.write(`without ${contender.name}: ${why}\n`);
  return why === undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
