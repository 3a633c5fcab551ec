/** Counts what a peer may do so often in a second and no oftener: resets and pings. */
import type { MuxLimits } from "./mux-limits.ts";

export class PeerAllowance {
  readonly #limits: MuxLimits;
  #secondStartedAt: number;
  #resets = 0;
  #pings = 0;

  constructor(limits: MuxLimits, now: number) {
    this.#limits = limits;
    this.#secondStartedAt = now;
  }

  tick(now: number): void {
    if (now - this.#secondStartedAt < 1_000) return;
    this.#secondStartedAt = now;
    this.#resets = 0;
    this.#pings = 0;
  }

  /** False: one too many. */
  reset(): boolean {
    return ++this.#resets <= this.#limits.peerResetsPerSecondMax;
  }

  /** False: one too many. */
  ping(): boolean {
    return ++this.#pings <= this.#limits.peerPingsPerSecondMax;
  }
}
