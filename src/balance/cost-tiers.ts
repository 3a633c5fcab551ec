/**
 * Groups candidates by cost: the cheapest tier that has a candidate left serves, dearer ones only when it has none.
 *
 * Making a picker: O(n), plus sorting the distinct costs. pick: that of the tier's policy.
 */
import { LeastOutstandingPicker } from "./least-outstanding.ts";
import type { Candidate, Picker } from "./picker.ts";

/** The picker for a set of candidates, which may be empty. Later changes of the array do not reach it. */
export function createPicker<T extends Candidate>(candidates: readonly T[], random: () => number): Picker<T> {
  return new CostTiersPicker(
    [...Map.groupBy(candidates, (candidate) => candidate.cost)]
      .sort(([left], [right]) => left - right)
      .map(([, tier]) => new LeastOutstandingPicker(tier, random)),
  );
}

class CostTiersPicker<T extends Candidate> implements Picker<T> {
  readonly #tiers: readonly Picker<T>[];
  readonly size: number;

  constructor(tiers: readonly Picker<T>[]) {
    this.#tiers = tiers;
    this.size = tiers.reduce((sum, tier) => sum + tier.size, 0);
  }

  pick(excluded: readonly T[] | undefined): T | undefined {
    for (let index = 0; index < this.#tiers.length; index++) {
      const candidate = this.#tiers[index]!.pick(excluded);
      if (candidate !== undefined) return candidate;
    }
    return undefined;
  }
}
