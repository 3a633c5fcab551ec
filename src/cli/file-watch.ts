/**
 * Tells when files have changed that a configuration names.
 *
 * They are polled, because how they are replaced differs (written, renamed, links that are turned round, as Kubernetes does, and
 * network folders), and each way looks the same afterwards. A file counts as changed once it has stood still for a poll, so
 * that one which is being written is left alone.
 */
import { stat } from "node:fs/promises";
import { messageOf } from "../base/errors.ts";

const POLL_MS = 1_000;

interface Seen {
  /** As it was when it was last told of, and at the last poll. */
  told: string;
  last: string;
}

export class FileWatch {
  /** False: not now, tell again. */
  readonly #changed: (files: readonly string[]) => Promise<boolean>;
  #files = new Map<string, Seen>();
  #timer: NodeJS.Timeout | undefined;

  constructor(changed: (files: readonly string[]) => Promise<boolean>) {
    this.#changed = changed;
  }

  /** From now on these. Each is told of once, for it may have changed since it was read. */
  watch(files: readonly string[]): void {
    this.#files = new Map(files.map((file) => [file, this.#files.get(file) ?? { told: "", last: "" }]));
    if (this.#timer === undefined && files.length > 0) this.#poll();
  }

  stop(): void {
    clearTimeout(this.#timer);
    // What is being looked at is told to nobody.
    this.#files = new Map();
  }

  #poll(): void {
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => {
        this.#timer = undefined;
        if (this.#files.size > 0) this.#poll();
      });
    }, POLL_MS);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const seen = this.#files;
    const changed: [string, Seen, string][] = [];
    for (const [file, state] of seen) {
      const now = await stateOf(file);
      const isStill = now === state.last;
      state.last = now;
      if (isStill && now !== state.told) changed.push([file, state, now]);
    }
    // Others are watched meanwhile.
    if (changed.length === 0 || seen !== this.#files) return;
    const told = await this.#changed(changed.map(([file]) => file));
    if (told) for (const [, state, now] of changed) state.told = now;
  }
}

/** Differs when the file was written or replaced. What is no file, such as a pipe, never changes. */
async function stateOf(file: string): Promise<string> {
  try {
    const of = await stat(file);
    return of.isFile() ? `${of.ino}:${of.size}:${of.mtimeMs}:${of.ctimeMs}` : "";
  } catch (error) {
    return messageOf(error);
  }
}
