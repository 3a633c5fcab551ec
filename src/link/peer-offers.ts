/** What the peer of one link offers at the moment: bounded, so that it cannot fill the registry. O(1). */
import { PolarityError } from "../base/errors.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import { offerKey } from "./control-channel.ts";

/** A peer that is past a limit is told so, but not with each of its offers: these at once, then one in a while. */
const TOLD_AT_ONCE = 20;
const TOLD_EVERY_MS = 1_000;

export class PeerOffers {
  readonly #keys = new Set<string>();
  readonly #max: number;
  #told = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #leftOut = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Why it is one too many; undefined when it is not. */
  take({ service }: Announcement, onward: OnwardPath | undefined): PolarityError | undefined {
    const key = offerKey(service, onward?.hops.at(-1)?.instance);
    if (!this.#keys.has(key) && this.#keys.size >= this.#max) {
      return new PolarityError("LINK_LIMIT", `a link may offer ${this.#max} services, not "${service}" too`);
    }
    this.#keys.add(key);
    return undefined;
  }

  /** False when there was none. */
  drop(service: string, origin: string | undefined): boolean {
    return this.#keys.delete(offerKey(service, origin));
  }

  /** What to tell the peer of an error of its; undefined where it has just heard the like. */
  toTell(error: PolarityError, now: number): PolarityError | undefined {
    if (error.code !== "LINK_LIMIT") return error;
    if (this.#told >= TOLD_AT_ONCE && now - this.#toldAt < TOLD_EVERY_MS) {
      this.#leftOut++;
      return undefined;
    }
    const more = this.#leftOut === 0 ? "" : ` (and ${this.#leftOut} like it before)`;
    this.#told++;
    this.#toldAt = now;
    this.#leftOut = 0;
    return more === "" ? error : new PolarityError(error.code, `${error.message}${more}`);
  }
}
