/**
 * A monotonic clock that also counts the time for which the machine was suspended.
 *
 * The system's monotonic clock stands still meanwhile, and what was counted before would still look recent. `uptime` is a
 * clock that does not: it says how long the machine has been there. It is asked in `tick` only, as it costs more.
 */
import type { Clock } from "../base/clock.ts";

/** Below this the two clocks differ by how precise they are. */
const SUSPENDED_MS_MIN = 500;

export class AwakeClock implements Clock {
  readonly #clock: Clock;
  readonly #uptimeMs: () => number;
  #aheadMs: number;
  #suspendedMs = 0;

  constructor(clock: Clock, uptimeMs: () => number) {
    this.#clock = clock;
    this.#uptimeMs = uptimeMs;
    this.#aheadMs = uptimeMs() - clock.now();
  }

  now(): number {
    return this.#clock.now() + this.#suspendedMs;
  }

  /** Finds out whether the machine was suspended since the last call. */
  tick(): void {
    const aheadMs = this.#uptimeMs() - this.#clock.now();
    const suspendedMs = aheadMs - this.#aheadMs;
    if (suspendedMs >= SUSPENDED_MS_MIN) this.#suspendedMs += suspendedMs;
    if (Math.abs(suspendedMs) >= SUSPENDED_MS_MIN) this.#aheadMs = aheadMs;
  }
}
