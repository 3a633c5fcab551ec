/**
 * Requests that wait for their answers, which come in any order and say which request they answer.
 *
 * A table of slots: a key has its place by its lowest bits, and the few places behind. Numbers that count up never meet there, and
 * where others do, the one that waits longest gives way, so that its answer finds nothing. asked, answered: O(1), no allocation
 * but while the table grows, to at most `SLOTS_MAX`. A peer that waits for each answer before it asks again, as most do, costs
 * no more than two fields.
 */
const SLOTS_MIN = 16;
const GROWTH = 4;
const SLOTS_MAX = 1024;
/** A key is at its place, or at one of those behind. */
const PLACES = 8;

export class Outstanding {
  #key = Number.NaN;
  #since = 0;
  /** NaN where nothing waits. */
  #keys: Float64Array | undefined;
  #times: Float64Array = NO_TIMES;

  /** Keys that wait already begin anew. NaN waits for nothing. */
  asked(key: number, now: number): void {
    if (Number.isNaN(key)) return;
    if (key === this.#key) this.#since = now;
    else if (Number.isNaN(this.#key) && this.#find(key) < 0) {
      this.#key = key;
      this.#since = now;
    } else this.#put(key, now);
  }

  /** How long the request waited; undefined where there is none of that key. */
  answered(key: number, now: number): number | undefined {
    if (key === this.#key) {
      this.#key = Number.NaN;
      return now - this.#since;
    }
    const slot = this.#find(key);
    if (slot < 0) return undefined;
    this.#keys![slot] = Number.NaN;
    return now - this.#times[slot]!;
  }

  #find(key: number): number {
    const keys = this.#keys;
    if (keys === undefined) return -1;
    const mask = keys.length - 1;
    for (let place = 0; place < PLACES; place++) {
      const slot = (key + place) & mask;
      if (keys[slot] === key) return slot;
    }
    return -1;
  }

  #put(key: number, now: number): void {
    const keys = (this.#keys ??= this.#grown(SLOTS_MIN));
    const times = this.#times;
    const mask = keys.length - 1;
    let free = -1;
    let oldest = key & mask;
    for (let place = 0; place < PLACES; place++) {
      const slot = (key + place) & mask;
      const found = keys[slot]!;
      if (found === key) {
        times[slot] = now;
        return;
      }
      if (Number.isNaN(found)) {
        if (free < 0) free = slot;
      } else if (times[slot]! < times[oldest]!) oldest = slot;
    }
    if (free < 0 && keys.length < SLOTS_MAX) {
      this.#grow();
      this.#put(key, now);
      return;
    }
    const slot = free < 0 ? oldest : free;
    keys[slot] = key;
    times[slot] = now;
  }

  #grow(): void {
    const keys = this.#keys!;
    const times = this.#times;
    this.#keys = this.#grown(keys.length * GROWTH);
    for (const [slot, key] of keys.entries()) if (!Number.isNaN(key)) this.#put(key, times[slot]!);
  }

  #grown(slots: number): Float64Array {
    this.#times = new Float64Array(slots);
    return new Float64Array(slots).fill(Number.NaN);
  }
}

const NO_TIMES = new Float64Array(0);
