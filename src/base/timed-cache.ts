/**
 * Values with a time to live, a bounded number of them; the oldest entry makes room.
 *
 * What has expired is kept for whoever cannot get a newer one. get, set: O(1). Pure: times are handed in.
 */
interface Entry<Value> {
  value: Value;
  freshUntil: number;
  usableUntil: number;
}

export class TimedCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #entriesMax: number;
  readonly #staleMs: number;

  /** `staleMs`: for how long a value that has expired is still there. */
  constructor(entriesMax: number, staleMs: number) {
    this.#entriesMax = entriesMax;
    this.#staleMs = staleMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A value that has not expired. */
  fresh(key: string, now: number): Value | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && now < entry.freshUntil ? entry.value : undefined;
  }

  /** The same, or one that has expired not too long ago, which counts as fresh for `againMs` more. */
  stale(key: string, now: number, againMs: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (now >= entry.usableUntil) {
      this.#entries.delete(key);
      return undefined;
    }
    entry.freshUntil = Math.max(entry.freshUntil, Math.min(now + againMs, entry.usableUntil));
    return entry.value;
  }

  /** Any value that has not expired too long ago, as it is. */
  last(key: string, now: number): Value | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && now < entry.usableUntil ? entry.value : undefined;
  }

  set(key: string, value: Value, now: number, ttlMs: number): void {
    // Deleted first, so that the order of the map is that of setting.
    this.#entries.delete(key);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= this.#entriesMax && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, { value, freshUntil: now + ttlMs, usableUntil: now + ttlMs + this.#staleMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
