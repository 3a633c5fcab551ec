/**
 * Places for those who were let in and have not shown yet what they are, shared by address.
 *
 * While there is room anybody gets a place. When there is none, whoever has most places gives one up to a newcomer that has
 * fewer, its oldest first; among equals a guest goes that has waited longer than it should need to. So silent connections,
 * from one address or from many, or all through one balancer, keep nobody out for longer than that.
 *
 * enter, leave: O(1); O(addresses) while it is full. Pure: times are handed in.
 */

export interface Guest {
  /** Whose places it counts for. */
  readonly address: string;
  readonly arrivedAt: number;
}

export class WaitingRoom<Kind extends Guest> {
  readonly #placesMax: number;
  /** Who is honest does not wait longer for its place to be needed. */
  readonly #patienceMs: number;
  /** Of each address, the oldest first. */
  readonly #guests = new Map<string, Set<Kind>>();
  #size = 0;

  constructor(placesMax: number, patienceMs: number) {
    this.#placesMax = placesMax;
    this.#patienceMs = patienceMs;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes the guest in. Returns who has lost its place for it: the guest itself where nobody has. */
  enter(guest: Kind, now: number): Kind | undefined {
    let loser: Kind | undefined;
    if (this.#size >= this.#placesMax) {
      loser = this.#loserTo(guest, now);
      if (loser === undefined) return guest;
      this.leave(loser);
    }
    const known = this.#guests.get(guest.address);
    if (known === undefined) this.#guests.set(guest.address, new Set([guest]));
    else known.add(guest);
    this.#size++;
    return loser;
  }

  /** Idempotent. */
  leave(guest: Kind): void {
    const guests = this.#guests.get(guest.address);
    if (guests === undefined || !guests.delete(guest)) return;
    this.#size--;
    if (guests.size === 0) this.#guests.delete(guest.address);
  }

  #loserTo({ address }: Kind, now: number): Kind | undefined {
    let loser: Kind | undefined;
    let most = 0;
    for (const guests of this.#guests.values()) {
      if (guests.size < most) continue;
      const [oldest] = guests;
      if (oldest === undefined) continue;
      if (guests.size > most || loser === undefined || oldest.arrivedAt < loser.arrivedAt) loser = oldest;
      most = guests.size;
    }
    if (loser === undefined) return undefined;
    const own = this.#guests.get(address)?.size ?? 0;
    if (most > own + 1 || now - loser.arrivedAt >= this.#patienceMs) return loser;
    // It has its share already, or everybody has one place: then the newcomer waits outside.
    return undefined;
  }
}
