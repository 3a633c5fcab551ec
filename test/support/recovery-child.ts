/**
 * Counts and saves as fast as it can, until it is killed: for tests of what survives that. Says on standard output what it
 * restored, and each total once it is on the disk, with the times of day between which that was.
 */
import { Analysis } from "../../src/analyze/analysis.ts";
import { createFooAnalyzer } from "../../src/analyze/foo-analyzer.ts";
import { silentLogger, systemClock } from "../../src/base/clock.ts";
import { RecoveryFile } from "../../src/node/recovery-file.ts";

export const PLACE = { name: "listener tcp://:8002", service: "foo", analyzer: "foo" };
/** Messages between two saves. */
export const BATCH = 7;

if (process.argv[2] !== undefined) await count(process.argv[2]);

async function count(path: string): Promise<void> {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => warnings.push(message) };
  const file = new RecoveryFile(path, logger, Date.now);
  const analysis = new Analysis({
    place: PLACE,
    create: createFooAnalyzer,
    clock: systemClock,
    failed: () => process.exit(3),
  });
  const from = Date.now();
  const recovered = await file.load();
  if (recovered !== undefined) analysis.restore(recovered.analyses[PLACE.name]!.state, recovered.ageMs);
  const { msg_req, request_rate_1s, request_rate_10s } = analysis.statistics();
  say({
    restored: msg_req,
    within1s: request_rate_1s,
    within10s: Number(request_rate_10s) * 10,
    from,
    to: Date.now(),
    warnings,
  });
  const tap = analysis.open(systemClock.now())!;
  const batch = Buffer.from("REQ 1 Hey\n".repeat(BATCH));
  for (;;) {
    const from = Date.now();
    tap.fromClient(batch, systemClock.now());
    const to = Date.now();
    const { msg_req: total } = analysis.statistics();
    if (!(await file.save({ [PLACE.name]: { analyzer: "foo", state: analysis.save() } }))) process.exit(4);
    say({ saved: total, from, to });
  }
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
