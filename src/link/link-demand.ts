/**
 * When a dialler opens a link beside those that it keeps, and when it does without again.
 *
 * One more while all that are there are at least half used, so that it is there before they are full; one less once the
 * others have been able to do its work with ease for a while. O(links). Pure: time is given.
 */

/** What of a link's streams is used, from 0 to 1, in the direction that has more; undefined while it has not joined. */
export type LinkUse = number | undefined;

const MORE_FROM = 0.5;
const FEWER_BELOW = 0.25;
const FEWER_AFTER_MS = 30_000;

export class LinkDemand {
  readonly #least: number;
  readonly #most: number;
  #idleSince = -1;

  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
  }

  /** How many links there should be: as many as `uses`, one more, or one less. */
  wanted(uses: readonly LinkUse[], now: number): number {
    const count = uses.length;
    let used = 0;
    let crowded = true;
    for (const use of uses) {
      used += use ?? 0;
      if (use === undefined || use < MORE_FROM) crowded = false;
    }
    if (crowded && count < this.#most) return count + 1;
    if (count <= this.#least || used >= FEWER_BELOW * (count - 1)) this.#idleSince = -1;
    else if (this.#idleSince < 0) this.#idleSince = now;
    else if (now - this.#idleSince >= FEWER_AFTER_MS) {
      this.#idleSince = -1;
      return count - 1;
    }
    return count;
  }
}
