/**
 * The file in which analyzers' statistics survive a restart.
 *
 * Written whole beside the old one, forced to the disk, and then renamed over it: whenever the process or the machine dies,
 * the file is either the old or the new one. No trouble with it stops the node: what cannot be read begins at zero and is
 * kept aside, what cannot be written is said once and tried again.
 */
import { constants } from "node:fs";
import { mkdir, open, rename, stat, readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { decodeRecovery, encodeRecovery, type SavedAnalyses } from "../analyze/recovery-format.ts";
import type { Logger } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";

export interface Recovered {
  readonly analyses: SavedAnalyses;
  /** How long ago they were saved. */
  readonly ageMs: number;
}

/** Far more than statistics take: whatever is larger is something else. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;

export class RecoveryFile {
  readonly path: string;
  readonly #logger: Logger;
  readonly #wallClock: () => number;
  #failing = false;

  /** `wallClock`: milliseconds since 1970. */
  constructor(path: string, logger: Logger, wallClock: () => number) {
    this.path = path;
    this.#logger = logger;
    this.#wallClock = wallClock;
  }

  /** Undefined where nothing was saved, or nothing that can be used. */
  async load(): Promise<Recovered | undefined> {
    try {
      const status = await stat(this.path);
      if (!status.isFile()) throw new Error("it is no file");
      if (status.size > FILE_BYTES_MAX) return await this.setAside(`it has ${status.size} bytes`);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      this.#warn(`cannot read the recovery file ${this.path}, statistics begin at zero: ${messageOf(error)}`);
      return undefined;
    }
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      return this.setAside(`it cannot be read: ${messageOf(error)}`);
    }
    const decoded = decodeRecovery(text, this.#wallClock());
    if (decoded.kind === "bad") return this.setAside(decoded.reason);
    // Understanding it took time too.
    return { analyses: decoded.analyses, ageMs: Math.max(0, this.#wallClock() - decoded.savedAt) };
  }

  /** Keeps a file that cannot be used, so that somebody can look at it; an older one of these gives way. */
  async setAside(reason: string): Promise<undefined> {
    const aside = `${this.path}.bad`;
    const kept = await rename(this.path, aside).then(
      () => `it is kept as ${aside}`,
      (error: unknown) => `it cannot be kept aside: ${messageOf(error)}`,
    );
    this.#warn(`the recovery file ${this.path} cannot be used, statistics begin at zero: ${reason}; ${kept}`);
    return undefined;
  }

  /** Whether it is on the disk. Calls may not overlap. */
  async save(analyses: SavedAnalyses): Promise<boolean> {
    const temporary = `${this.path}.tmp`;
    // Dated before anything is waited for: windows are as old as they were when they were handed over.
    const text = encodeRecovery(analyses, this.#wallClock());
    try {
      await mkdir(dirname(this.path), { recursive: true });
      await writeThrough(temporary, text);
      await rename(temporary, this.path);
      await syncFolder(dirname(this.path));
    } catch (error) {
      if (!this.#failing)
        this.#warn(`cannot save statistics in ${this.path}, they would not survive a restart: ${messageOf(error)}`);
      this.#failing = true;
      // Half a file on a full disk would only be in the way.
      await unlink(temporary).catch(() => {});
      return false;
    }
    if (this.#failing) this.#logger.info({ file: this.path }, `statistics are saved in ${this.path} again`);
    this.#failing = false;
    return true;
  }

  #warn(message: string): void {
    this.#logger.warn({ file: this.path }, message);
  }
}

async function writeThrough(path: string, text: string): Promise<void> {
  // In a folder that others may write to, a link must not lead elsewhere.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The rename itself is on the disk only once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
