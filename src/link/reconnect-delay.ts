/**
 * How long to wait before dialling again. Pure: randomness is handed in.
 *
 * Full jitter: any time from nothing to the bound, so that the diallers of a router that restarts do not come back in step.
 */

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
/** A link that lived this long ended for a reason of its own: dial again at once. */
const STABLE_AFTER_MS = 60_000;
/** A rejected token will not get better soon, but may be added. */
const REJECTED_DELAY_MS = 30_000;

export class ReconnectDelay {
  readonly #random: () => number;
  #failures = 0;

  /** `random`: from 0 up to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** A link ended after it had joined. */
  afterLink(livedMs: number): number {
    if (livedMs < STABLE_AFTER_MS) return this.afterFailure();
    this.#failures = 0;
    return 0;
  }

  /** An attempt failed. */
  afterFailure(): number {
    const bound = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures);
    // Past the bound the exponent only has to stay finite.
    this.#failures = Math.min(this.#failures + 1, 32);
    return this.#random() * bound;
  }

  /** The peer does not know us. */
  afterRejection(): number {
    return REJECTED_DELAY_MS * (0.9 + this.#random() * 0.2);
  }
}
