/** What the peer of one link offers at the moment: bounded, so that it cannot fill the registry. O(1). */
import { PolarityError } from "../base/errors.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import { offerKey } from "./control-channel.ts";

export class PeerOffers {
  readonly #keys = new Set<string>();
  readonly #max: number;

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
}
