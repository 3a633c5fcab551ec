/**
 * What a peer may do so often in a second and no oftener: resets and pings.
 *
 * What a stalled path held up arrives at once. So who keeps to the rate over any second on average is within it, and may
 * have saved up one second of it. O(1). Pure: time is given.
 */
import type { MuxLimits } from "./mux-limits.ts";

export class PeerAllowance {
  readonly #resets: Allowance;
  readonly #pings: Allowance;

  constructor({ peerResetsPerSecondMax, peerPingsPerSecondMax }: MuxLimits, now: number) {
    this.#resets = new Allowance(peerResetsPerSecondMax, now);
    this.#pings = new Allowance(peerPingsPerSecondMax, now);
  }

  /** False: one too many. */
  reset(now: number): boolean {
    return this.#resets.take(now);
  }

  /** False: one too many. */
  ping(now: number): boolean {
    return this.#pings.take(now);
  }
}

class Allowance {
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#at) * this.#perSecond) / 1_000) - 1;
    this.#at = now;
    return this.#left >= 0;
  }
}
