/**
 * Durations in log-linear buckets: every power of two of microseconds is cut into eight equal parts, so a quantile is right
 * to within one eighth, from 1 µs to some 19 hours.
 *
 * record: O(1), no allocation. quantile: one pass over the buckets. The buckets are allocated at the first record.
 */

/** 2^3 parts per power of two. */
const PART_BITS = 3;
const PARTS = 1 << PART_BITS;
/** Longer durations count in the last bucket. */
const MICROSECONDS_MAX = 2 ** 36;
const BUCKETS = bucketOf(MICROSECONDS_MAX) + 1;

export class LatencyHistogram {
  #counts: Float64Array | undefined;
  #count = 0;
  #sumMs = 0;

  get count(): number {
    return this.#count;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  record(durationMs: number): void {
    const counts = (this.#counts ??= new Float64Array(BUCKETS));
    const bucket = bucketOf(Math.min(Math.max(durationMs * 1000, 0), MICROSECONDS_MAX));
    counts[bucket] = counts[bucket]! + 1;
    this.#count++;
    this.#sumMs += durationMs;
  }

  /** As if that duration were recorded so many times. */
  recordMany(durationMs: number, times: number): void {
    if (times === 0) return;
    this.record(durationMs);
    const more = times - 1;
    this.#counts![bucketOf(Math.min(Math.max(durationMs * 1000, 0), MICROSECONDS_MAX))]! += more;
    this.#count += more;
    this.#sumMs += durationMs * more;
  }

  /** The duration in milliseconds that a `fraction` (0 to 1) of the records do not exceed; undefined without records. */
  quantile(fraction: number): number | undefined {
    if (this.#counts === undefined) return undefined;
    const rank = Math.max(1, Math.ceil(fraction * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return upperBoundMs(bucket);
    }
    return upperBoundMs(BUCKETS - 1);
  }

  /**
   * For each of the ascending `boundsMs` how many records are known not to exceed it: what a cumulative histogram shows.
   * A record in a bucket that a bound cuts counts with the next bound.
   */
  cumulativeCounts(boundsMs: readonly number[]): number[] {
    const counts = this.#counts;
    if (counts === undefined) return boundsMs.map(() => 0);
    let bucket = 0;
    let seen = 0;
    return boundsMs.map((boundMs) => {
      for (; bucket < BUCKETS && upperBoundMs(bucket) <= boundMs; bucket++) seen += counts[bucket]!;
      return seen;
    });
  }
}

/** Below `PARTS` microseconds one bucket each; above, the exponent and the next three bits of the number. */
function bucketOf(microseconds: number): number {
  const whole = Math.floor(microseconds);
  if (whole < PARTS) return whole;
  // Nearly all durations are below half an hour, where whole numbers are quicker than logarithms.
  if (whole < 2 ** 31) {
    const exponent = 31 - Math.clz32(whole);
    return (exponent - PART_BITS + 1) * PARTS + ((whole >>> (exponent - PART_BITS)) - PARTS);
  }
  const exponent = Math.floor(Math.log2(whole));
  return (exponent - PART_BITS + 1) * PARTS + (Math.floor(whole / 2 ** (exponent - PART_BITS)) - PARTS);
}

function upperBoundMs(bucket: number): number {
  if (bucket < PARTS) return (bucket + 1) / 1000;
  const exponent = Math.floor(bucket / PARTS) + PART_BITS - 1;
  return ((PARTS + (bucket % PARTS) + 1) * 2 ** (exponent - PART_BITS)) / 1000;
}
