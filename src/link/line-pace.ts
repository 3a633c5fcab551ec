/**
 * When control lines may leave, so that the peer never reads more in a time than it takes.
 *
 * Half of what it takes, at once and by the second: what a path held up for as long as a link may be silent arrives at once,
 * and is then still within the peer's count. O(1). Pure: time is given.
 */
const SHARE = 0.5;

export class LinePace {
  #atOnce: number;
  #perMs: number;
  #left: number;
  #at: number;

  constructor(lines: number, linesAtOnce: number, now: number) {
    this.#atOnce = Math.max(1, linesAtOnce * SHARE);
    this.#perMs = (lines * SHARE) / 1_000;
    this.#left = this.#atOnce;
    this.#at = now;
  }

  /** The peer has told its limits. */
  limit(lines: number, linesAtOnce: number): void {
    const before = this.#atOnce;
    this.#atOnce = Math.max(1, linesAtOnce * SHARE);
    this.#perMs = (lines * SHARE) / 1_000;
    this.#left = Math.min(this.#atOnce, this.#left + this.#atOnce - before);
  }

  /** True: a line may leave now, and is counted. */
  take(now: number): boolean {
    this.#left = Math.min(this.#atOnce, this.#left + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** A line leaves that could not wait. */
  spend(): void {
    this.#left--;
  }
}
