/**
 * Saves what fits on the disk, twice what does not, and what fits again, where a limit on files makes the disk a small one. Says
 * on standard output how that went.
 */
import { silentLogger } from "../../src/base/clock.ts";
import { RecoveryFile } from "../../src/node/recovery-file.ts";

export const SMALL = { a: { analyzer: "foo", state: { n: 1 } } };
const LARGE = { a: { analyzer: "foo", state: { n: "x".repeat(100_000) } } };

if (process.argv[2] !== undefined) await fill(process.argv[2]);

async function fill(path: string): Promise<void> {
  const said: string[] = [];
  const say = (_fields: unknown, message: string) => said.push(message);
  const file = new RecoveryFile(path, { ...silentLogger, warn: say, info: say }, Date.now);
  const saved = [await file.save(SMALL), await file.save(LARGE), await file.save(LARGE)];
  const between = (await file.load())?.analyses;
  saved.push(await file.save(SMALL));
  process.stdout.write(JSON.stringify({ saved, said, between }));
}
