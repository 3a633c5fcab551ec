/** What a node says of what others can cause again and again, and of its own failures. */
import type { Clock, Logger } from "../base/clock.ts";
import { type InternalPlace, stackOf, watchInternalErrors } from "../base/internal-error.ts";
import type { PolarityError } from "../base/errors.ts";
import { QuietLog } from "../base/quiet-log.ts";

export class NodeLog {
  readonly quiet: QuietLog;
  #unwatch: (() => void) | undefined;

  constructor(logger: Logger, clock: Clock) {
    this.quiet = new QuietLog(logger, clock);
  }

  /** From now on failures are told. They are the process's: where it has several nodes, each of them tells. */
  start(): void {
    this.#unwatch ??= watchInternalErrors((place, error) => this.#failed(place, error));
  }

  /** Tells what was left out. */
  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.quiet.flush();
  }

  #failed(where: InternalPlace, { code, cause }: PolarityError): void {
    const frames = stackOf(cause).split("\n");
    const message = `this node failed, please report it (${where}): ${frames.map((line) => line.trim()).join("; ")}`;
    this.quiet.log(`internal ${where}`, "error", { code, where }, message);
  }
}
