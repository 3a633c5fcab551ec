/**
 * Requests that are answered in the order in which they were sent: since when each waits, and of which kind it is.
 *
 * Bounded: a request past `PENDING_MAX` is not taken, and its user loses the order from then on. Take and push are O(1) in
 * the long run.
 */
const PENDING_MAX = 1024;

export class PendingQueue<Kind> {
  #since: number[] = [];
  #kinds: Kind[] = [];
  #head = 0;

  get size(): number {
    return this.#since.length - this.#head;
  }

  /** Of the request that is to be answered next; undefined without one. */
  get kind(): Kind | undefined {
    return this.#kinds[this.#head];
  }

  /** False: there are too many. */
  push(kind: Kind, now: number): boolean {
    if (this.size >= PENDING_MAX) return false;
    this.#since.push(now);
    this.#kinds.push(kind);
    return true;
  }

  /** Since when the next request waits; it waits no more. */
  take(): number | undefined {
    const since = this.#since[this.#head];
    if (since === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#since.length) this.clear();
    else if (this.#head >= PENDING_MAX) {
      this.#since.splice(0, this.#head);
      this.#kinds.splice(0, this.#head);
      this.#head = 0;
    }
    return since;
  }

  clear(): void {
    this.#since.length = 0;
    this.#kinds.length = 0;
    this.#head = 0;
  }
}
