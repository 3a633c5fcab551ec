/**
 * The policy of two random choices: draw two candidates in proportion to their weights, use the less loaded one.
 *
 * Making a picker: O(n). pick: O(1), no allocation; with exclusions, O(1) as long as few candidates are excluded and one
 * scan of the candidates otherwise.
 *
 * The first draw decides by weight; the second is preferred only where, with the new stream, it would be loaded no more
 * than the first is without. So idle candidates get streams exactly by weight, and between equal weights the one with
 * fewer streams always wins.
 */
import { AliasTable } from "./alias-table.ts";
import type { Candidate, Picker } from "./picker.ts";

/** Draws before a scan when some candidates are excluded: enough to miss rarely when the excluded are few among many. */
const DRAWS_MAX = 4;

export class LeastOutstandingPicker<T extends Candidate> implements Picker<T> {
  readonly #candidates: readonly T[];
  readonly #table: AliasTable;
  readonly #random: () => number;

  /** `candidates`: at least one; the picker keeps the array. `random`: uniform in [0, 1). */
  constructor(candidates: readonly T[], random: () => number) {
    this.#candidates = candidates;
    this.#table = new AliasTable(candidates.map((candidate) => candidate.weight));
    this.#random = random;
  }

  get size(): number {
    return this.#candidates.length;
  }

  pick(excluded: readonly T[] | undefined): T | undefined {
    if (excluded !== undefined && excluded.length > 0) return this.#pickExcept(excluded);
    const candidates = this.#candidates;
    if (candidates.length === 1) return candidates[0];
    const first = this.#table.draw(this.#random());
    return lessLoaded(candidates[first]!, candidates[this.#drawOther(first)]!);
  }

  /** An index other than `first`: two draws that coincide would compare nothing, and let a stalled candidate of two through. */
  #drawOther(first: number): number {
    const count = this.#candidates.length;
    if (count === 2) return 1 - first;
    const second = this.#table.draw(this.#random());
    if (second !== first) return second;
    const other = Math.floor(this.#random() * (count - 1));
    return other < first ? other : other + 1;
  }

  #pickExcept(excluded: readonly T[]): T | undefined {
    let first: T | undefined;
    for (let draws = 0; draws < DRAWS_MAX; draws++) {
      const candidate = this.#candidates[this.#table.draw(this.#random())]!;
      if (candidate === first || excluded.includes(candidate)) continue;
      if (first !== undefined) return lessLoaded(first, candidate);
      first = candidate;
    }
    const least = this.#leastLoadedExcept(excluded);
    return first === undefined || least === undefined ? least : lessLoaded(first, least);
  }

  #leastLoadedExcept(excluded: readonly T[]): T | undefined {
    const count = this.#candidates.length;
    // From a random place, so that ties do not always fall to the same candidate.
    const start = Math.floor(this.#random() * count);
    let least: T | undefined;
    for (let step = 0; step < count; step++) {
      const candidate = this.#candidates[(start + step) % count]!;
      if (excluded.includes(candidate)) continue;
      if (least === undefined || loadWithOneMore(candidate) < loadWithOneMore(least)) least = candidate;
    }
    return least;
  }
}

function lessLoaded<T extends Candidate>(first: T, second: T): T {
  return loadWithOneMore(second) <= first.outstanding / first.weight ? second : first;
}

function loadWithOneMore(candidate: Candidate): number {
  return (candidate.outstanding + 1) / candidate.weight;
}
