/**
 * How much of a service's work may be repeated: a share of the requests of the last ten seconds, and a small floor.
 *
 * A fleet that fails gets each request once more at most for a few of them, instead of several times for all of them just
 * when it has least to give. roll: O(1) per second that passed. take: O(seconds of the window). Pure: time is handed in.
 */

export interface RetryAllowance {
  /** Repetitions per request: 0.2 is one for five. */
  readonly share: number;
  /** Repetitions per second that are always allowed, so that a service with few requests can have any. */
  readonly floorPerSecond: number;
}

const WINDOW_SECONDS = 10;

export class RetryBudget {
  /** By second, modulo the window. */
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #repeated = new Float64Array(WINDOW_SECONDS);
  #second = 0;
  #requestsSeen = 0;

  /**
   * Notes how many requests there have been in all. Called about once a second: the requests between two calls count for
   * the second of the later one.
   */
  roll(now: number, requestsTotal: number): void {
    const second = Math.floor(now / 1000);
    const passed = Math.min(second - this.#second, WINDOW_SECONDS);
    for (let step = passed - 1; step >= 0; step--) {
      this.#requests[(second - step) % WINDOW_SECONDS] = 0;
      this.#repeated[(second - step) % WINDOW_SECONDS] = 0;
    }
    if (passed > 0) this.#second = second;
    const slot = this.#second % WINDOW_SECONDS;
    this.#requests[slot] = this.#requests[slot]! + requestsTotal - this.#requestsSeen;
    this.#requestsSeen = requestsTotal;
  }

  /** Whether one more repetition is within the allowance. `active`: requests under way, which may be older than the window. */
  allows(now: number, requestsTotal: number, active: number, { share, floorPerSecond }: RetryAllowance): boolean {
    this.roll(now, requestsTotal);
    const allowed = floorPerSecond * WINDOW_SECONDS + share * Math.max(sum(this.#requests), active);
    return sum(this.#repeated) + 1 <= allowed;
  }

  /** One repetition is made. */
  spend(now: number, requestsTotal: number): void {
    this.roll(now, requestsTotal);
    const slot = this.#second % WINDOW_SECONDS;
    this.#repeated[slot] = this.#repeated[slot]! + 1;
  }
}

function sum(numbers: Float64Array): number {
  let total = 0;
  for (let index = 0; index < numbers.length; index++) total += numbers[index]!;
  return total;
}
