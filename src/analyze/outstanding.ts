/**
 * Requests that wait for their answers, which come in any order and say which request they answer.
 *
 * Bounded: past `OUTSTANDING_MAX` the oldest is forgotten, and its answer finds nothing. A peer that waits for each answer
 * before it asks again, as most do, costs no more than two fields.
 */
const OUTSTANDING_MAX = 1024;

export class Outstanding {
  #key = Number.NaN;
  #since = 0;
  #others: Map<number, number> | undefined;

  /** Keys that wait already begin anew. NaN waits for nothing. */
  asked(key: number, now: number): void {
    if (Number.isNaN(key)) return;
    if (Number.isNaN(this.#key) && this.#others?.has(key) !== true) this.#key = key;
    if (key === this.#key) {
      this.#since = now;
      return;
    }
    const others = (this.#others ??= new Map());
    others.delete(key);
    if (others.size >= OUTSTANDING_MAX) {
      const [oldest] = others.keys();
      if (oldest !== undefined) others.delete(oldest);
    }
    others.set(key, now);
  }

  /** How long the request waited; undefined where there is none of that key. */
  answered(key: number, now: number): number | undefined {
    if (key === this.#key) {
      this.#key = Number.NaN;
      return now - this.#since;
    }
    const since = this.#others?.get(key);
    if (since === undefined) return undefined;
    this.#others!.delete(key);
    return now - since;
  }
}
