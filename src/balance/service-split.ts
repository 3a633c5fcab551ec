/** A route that divides its requests between services by weight, a canary for example. pick: O(services), no allocation. */

export interface ServiceShare {
  readonly service: string;
  /** 0 takes nothing. */
  readonly weight: number;
}

export class ServiceSplit {
  readonly shares: readonly ServiceShare[];
  readonly #total: number;

  /** Some weight must be above 0. */
  constructor(shares: readonly ServiceShare[]) {
    this.shares = shares;
    this.#total = shares.reduce((sum, { weight }) => sum + weight, 0);
  }

  /**
   * The service for a number in [0, 1): drawn for each request, or made from whatever is to stay with one service. The
   * shares lie in the order of the file, so a number keeps its service while only the last shares change.
   */
  pick(at: number): string {
    let rest = at * this.#total;
    for (const { service, weight } of this.shares) {
      if (rest < weight) return service;
      rest -= weight;
    }
    // Sums of fractions may come out at the very end.
    return this.shares.findLast(({ weight }) => weight > 0)!.service;
  }
}
