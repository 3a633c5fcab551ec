/** A logger for what peers and strangers cause: on average at most one line an interval, with the number of those left out. */
import type { Clock, LogFields, Logger } from "../base/clock.ts";

const INTERVAL_MS = 1_000;

export class QuietLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  /** As if a line had been written in each interval up to then. */
  #writtenTo = Number.NEGATIVE_INFINITY;
  readonly #burstMs: number;
  #leftOut = 0;

  /** `burst`: lines that may come at once, after silence. */
  constructor(logger: Logger, clock: Clock, intervalMs: number = INTERVAL_MS, burst = 1) {
    this.#logger = logger;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#burstMs = (burst - 1) * intervalMs;
  }

  log(level: keyof Logger, fields: LogFields, message: string): void {
    const now = this.#clock.now();
    if (now + this.#burstMs < this.#writtenTo) {
      this.#leftOut++;
      return;
    }
    this.#writtenTo = Math.max(this.#writtenTo, now) + this.#intervalMs;
    const more = this.#leftOut === 0 ? "" : ` (and ${this.#leftOut} like it not shown)`;
    this.#leftOut = 0;
    this.#logger[level](fields, `${message}${more}`);
  }
}
