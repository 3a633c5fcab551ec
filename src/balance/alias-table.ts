/**
 * Draws an index with a probability in proportion to its weight (Walker's alias method, built as Vose does).
 *
 * Building: O(n). Drawing: O(1), one random number, no allocation.
 */
export class AliasTable {
  /** Slot `i` keeps its own index with probability `#keep[i]` and gives `#alias[i]` otherwise. */
  readonly #keep: Float64Array;
  readonly #alias: Int32Array;

  /** `weights`: at least one, all positive and finite. */
  constructor(weights: readonly number[]) {
    const count = weights.length;
    this.#keep = new Float64Array(count).fill(1);
    this.#alias = new Int32Array(count);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const scaled = Float64Array.from(weights, (weight) => (weight * count) / total);
    const small: number[] = [];
    const large: number[] = [];
    scaled.forEach((share, index) => (share < 1 ? small : large).push(index));

    // Each small slot is filled up by one large one; what rounding leaves over on either pile keeps its slot whole.
    while (small.length > 0 && large.length > 0) {
      const lesser = small.pop()!;
      const greater = large.pop()!;
      this.#keep[lesser] = scaled[lesser]!;
      this.#alias[lesser] = greater;
      scaled[greater] = scaled[greater]! - (1 - scaled[lesser]!);
      (scaled[greater] < 1 ? small : large).push(greater);
    }
  }

  /** `random`: uniform in [0, 1). Its integer part picks the slot, its fraction decides inside the slot. */
  draw(random: number): number {
    const position = random * this.#keep.length;
    const slot = Math.floor(position);
    return position - slot < this.#keep[slot]! ? slot : this.#alias[slot]!;
  }
}
