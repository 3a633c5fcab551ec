/**
 * Names in use, and names that were in use until a while ago. Counting uses: O(1); forgetting: O(1) amortised, or O(owners)
 * while there are too many names.
 *
 * Bounded where peers choose the names: beyond `emptyMax` unused names the oldest of whoever has most of them is
 * forgotten early, so that nobody's names drive out another's who has fewer.
 */
export class RecentNames {
  readonly #keepMs: number;
  readonly #emptyMax: number;
  readonly #uses = new Map<string, number>();
  /** When a name was last in use, and by whom; oldest first. */
  readonly #emptied = new Map<string, Emptied>();
  /** The names of each owner among those, oldest first. */
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(keepMs: number, emptyMax: number) {
    this.#keepMs = keepMs;
    this.#emptyMax = emptyMax;
  }

  acquire(name: string): void {
    this.#forget(name);
    this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  /** `owner`: who had it in use; undefined for this node itself. */
  release(name: string, now: number, owner = ""): void {
    const uses = this.#uses.get(name) ?? 0;
    if (uses > 1) {
      this.#uses.set(name, uses - 1);
      return;
    }
    this.#uses.delete(name);
    this.#forget(name);
    this.#emptied.set(name, { at: now, owner });
    const names = this.#byOwner.get(owner);
    if (names === undefined) this.#byOwner.set(owner, new Set([name]));
    else names.add(name);
  }

  has(name: string, now: number): boolean {
    if (this.#uses.has(name)) return true;
    const emptied = this.#emptied.get(name);
    return emptied !== undefined && now - emptied.at < this.#keepMs;
  }

  /** Forgets what is past its time, or too much, and tells each name. */
  prune(now: number, forgotten: (name: string) => void): void {
    while (this.#emptied.size > this.#emptyMax) {
      const name = this.#oldestOfMost();
      this.#forget(name);
      forgotten(name);
    }
    for (const [name, { at }] of this.#emptied) {
      if (now - at < this.#keepMs) return;
      this.#forget(name);
      forgotten(name);
    }
  }

  #oldestOfMost(): string {
    let most: Set<string> | undefined;
    for (const names of this.#byOwner.values()) if (most === undefined || names.size > most.size) most = names;
    const [oldest] = most!;
    return oldest!;
  }

  #forget(name: string): void {
    const emptied = this.#emptied.get(name);
    if (emptied === undefined) return;
    this.#emptied.delete(name);
    const names = this.#byOwner.get(emptied.owner)!;
    names.delete(name);
    if (names.size === 0) this.#byOwner.delete(emptied.owner);
  }
}

interface Emptied {
  readonly at: number;
  readonly owner: string;
}
