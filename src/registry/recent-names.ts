/**
 * Names in use, and names that were in use until a while ago. Counting uses: O(1); forgetting: O(1) amortised.
 *
 * Bounded where peers choose the names: beyond `emptyMax` unused names the oldest is forgotten early.
 */
export class RecentNames {
  readonly #keepMs: number;
  readonly #emptyMax: number;
  readonly #uses = new Map<string, number>();
  /** When a name was last in use; oldest first. */
  readonly #emptiedAt = new Map<string, number>();

  constructor(keepMs: number, emptyMax: number) {
    this.#keepMs = keepMs;
    this.#emptyMax = emptyMax;
  }

  acquire(name: string): void {
    this.#emptiedAt.delete(name);
    this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  release(name: string, now: number): void {
    const uses = this.#uses.get(name) ?? 0;
    if (uses > 1) {
      this.#uses.set(name, uses - 1);
      return;
    }
    this.#uses.delete(name);
    this.#emptiedAt.delete(name);
    this.#emptiedAt.set(name, now);
  }

  has(name: string, now: number): boolean {
    if (this.#uses.has(name)) return true;
    const emptiedAt = this.#emptiedAt.get(name);
    return emptiedAt !== undefined && now - emptiedAt < this.#keepMs;
  }

  /** Forgets what is past its time, and tells each name. */
  prune(now: number, forgotten: (name: string) => void): void {
    for (const [name, emptiedAt] of this.#emptiedAt) {
      if (now - emptiedAt < this.#keepMs && this.#emptiedAt.size <= this.#emptyMax) return;
      this.#emptiedAt.delete(name);
      forgotten(name);
    }
  }
}
