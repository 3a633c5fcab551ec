/** A logger for what strangers cause: at most one line an interval, with the number of those left out. */
import type { Clock, LogFields, Logger } from "../base/clock.ts";

const INTERVAL_MS = 1_000;

export class QuietLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #nextAt = Number.NEGATIVE_INFINITY;
  #leftOut = 0;

  constructor(logger: Logger, clock: Clock, intervalMs: number = INTERVAL_MS) {
    this.#logger = logger;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  log(level: keyof Logger, fields: LogFields, message: string): void {
    const now = this.#clock.now();
    if (now < this.#nextAt) {
      this.#leftOut++;
      return;
    }
    this.#nextAt = now + this.#intervalMs;
    const more = this.#leftOut === 0 ? "" : ` (and ${this.#leftOut} like it not shown)`;
    this.#leftOut = 0;
    this.#logger[level](fields, `${message}${more}`);
  }
}
