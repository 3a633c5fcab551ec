/** What a balancing policy needs to know of a candidate, and what it makes: an immutable picker. */

export interface Candidate {
  /** Share of new streams relative to the other candidates; positive. */
  readonly weight: number;
  /** What it costs to use; cheaper is preferred. */
  readonly cost: number;
  /** Streams under way; read at each pick, so a picker is not made again when it changes. */
  readonly outstanding: number;
}

/** A fixed set of candidates. Membership, weight and cost are as they were when it was made. */
export interface Picker<T extends Candidate> {
  readonly size: number;
  /** A candidate that is not in `excluded`; undefined when none is left. */
  pick(excluded: readonly T[] | undefined): T | undefined;
}
