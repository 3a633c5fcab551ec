/**
 * A token bucket: `burst` at once, `requests` more every `perMs`.
 *
 * Whole numbers only, in units of which one request costs `perMs` and one millisecond brings `requests`: nothing is rounded,
 * so that a sum over any time is exact. take: O(1), no allocation. Pure: time is an argument, in milliseconds.
 */

export interface Rate {
  readonly requests: number;
  readonly perMs: number;
  readonly burst: number;
}

/** What a full bucket holds, in units. */
export function bucketUnits({ perMs, burst }: Rate): number {
  return burst * perMs;
}

/** What a bucket of `units` holds `elapsedMs` later. */
export function refilled(rate: Rate, units: number, elapsedMs: number): number {
  const full = bucketUnits(rate);
  // Compared first, so that no product grows beyond what a number holds exactly.
  return elapsedMs >= Math.ceil((full - units) / rate.requests) ? full : units + elapsedMs * rate.requests;
}

/** When a bucket of `units` holds one request: 0 when it does. */
export function waitMsOf(rate: Rate, units: number): number {
  return units >= rate.perMs ? 0 : Math.ceil((rate.perMs - units) / rate.requests);
}

export class TokenBucket {
  readonly rate: Rate;
  #units: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.rate = rate;
    this.#units = bucketUnits(rate);
    this.#at = Math.floor(now);
  }

  /** 0: the request may pass. Otherwise it may not, and after so many milliseconds one may. */
  take(now: number): number {
    const at = Math.floor(now);
    if (at > this.#at) {
      this.#units = refilled(this.rate, this.#units, at - this.#at);
      this.#at = at;
    }
    const wait = waitMsOf(this.rate, this.#units);
    if (wait === 0) this.#units -= this.rate.perMs;
    return wait;
  }
}
