/**
 * 1 GiB each way arrives whole, past a reader that at first takes only 1 MB/s, and the hops hold little meanwhile.
 *
 * The reader is slow for a few seconds and then reads as fast as it can: long enough for every buffer on the way to fill.
 */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { hopsOf, type Deployment } from "../contenders/contender.ts";
import { runBulk } from "../measure/bulk.ts";
import { PeakMemory } from "../measure/memory.ts";
import type { Sheet } from "../sheet.ts";
import { CARRIAGES, withDeployments, type Row } from "./row.ts";

const MIB = 1_048_576;
const SLOW_BYTES_PER_SECOND = 1_000_000;
const MEMORY_MB_MAX = 256;
const NAME = "whole";

interface Content {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

export const integrity: Row = {
  name: "integrity",
  title: "1 GiB each way past a slow reader (quick: 128 MiB)",
  needs: [],
  polarityOnly: false,
  run: async (bench, sheet) => {
    for (const carriage of CARRIAGES) {
      for (const direction of ["download", "upload"]) {
        sheet.bar(`${carriage} ${direction}`, "arrived whole", { subject: "polarity", atLeast: 1 });
        sheet.bar(`${carriage} ${direction}`, "MB resident, most", { subject: "polarity", atMost: MEMORY_MB_MAX });
      }
    }
    const content = createContent(join(bench.app.bulkFolder, NAME), bench.options.quick ? 128 : 1_024);
    try {
      for (const carriage of CARRIAGES) {
        await withDeployments(bench, carriage, async (deployments) => {
          for (const deployment of deployments) {
            for (const direction of ["download", "upload"] as const) {
              const what = `${carriage} ${direction}`;
              bench.log(`${deployment.name}: ${what}`);
              const port = deployment.port(direction === "download" ? carriage : `${carriage}-sink`);
              await measure(bench, sheet, deployment, what, port, direction, content);
            }
          }
        });
      }
    } finally {
      rmSync(content.file, { force: true });
    }
  },
};

async function measure(
  bench: Bench,
  sheet: Sheet,
  deployment: Deployment,
  what: string,
  port: number,
  direction: "download" | "upload",
  content: Content,
): Promise<void> {
  const slowSeconds = bench.options.quick ? 2 : 5;
  const peaks = new PeakMemory(hopsOf(deployment));
  try {
    if (direction === "download") {
      const pace = { bytesPerSecond: SLOW_BYTES_PER_SECOND, seconds: slowSeconds };
      const report = await runBulk(bench, { port, path: `/bulk/${NAME}`, direction, hash: true, pace });
      sheet.add(what, "arrived whole", deployment.name, report.sha256 === content.sha256 ? 1 : 0);
    } else {
      const path = `/?hash=1&pace=${SLOW_BYTES_PER_SECOND}&for=${slowSeconds}`;
      const report = await runBulk(bench, { port, path, direction, bytes: content.bytes, file: content.file });
      sheet.add(what, "arrived whole", deployment.name, report.answerSha256 === content.sha256 ? 1 : 0);
    }
  } finally {
    sheet.add(what, "MB resident, most", deployment.name, Math.max(...peaks.stop().values()) / 1e6);
  }
}

/** Random blocks, each marked with its number, so that a lost, doubled or swapped block changes the hash. */
function createContent(file: string, mebibytes: number): Content {
  const hash = createHash("sha256");
  const block = randomBytes(MIB);
  const descriptor = openSync(file, "w");
  for (let i = 0; i < mebibytes; i++) {
    block.writeUInt32BE(i);
    hash.update(block);
    writeSync(descriptor, block);
  }
  closeSync(descriptor);
  return { file, bytes: mebibytes * MIB, sha256: hash.digest("hex") };
}
