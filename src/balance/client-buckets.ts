/**
 * A token bucket for each client, in bounded memory.
 *
 * Only clients whose bucket is not full are remembered, because a full one is as good as none. They stand in a heap by when
 * theirs will be full again. If there is no room for a newcomer, the one goes that would be full soonest: it has taken least,
 * so a flood of addresses pushes out its own, and never those that took more. As long as no more than `clientsMax` clients
 * are short of tokens at once, each is held to its rate exactly.
 *
 * take: O(log clients). Pure: time is an argument, in milliseconds.
 */
import { bucketUnits, type Rate, refilled, waitMsOf } from "./token-bucket.ts";

interface Client {
  readonly key: string;
  units: number;
  /** When `units` was right. */
  at: number;
  /** When the bucket is full again. */
  fullAt: number;
  /** Its place in the heap. */
  place: number;
}

/** How many that are full again go for each that comes: more than come, so that their number falls. */
const FORGET_EACH_TIME = 2;

export class ClientBuckets {
  readonly rate: Rate;
  readonly #clientsMax: number;
  readonly #clients = new Map<string, Client>();
  /** A binary heap: nobody is full later than those below it. */
  readonly #heap: Client[] = [];

  constructor(rate: Rate, clientsMax: number) {
    this.rate = rate;
    this.#clientsMax = clientsMax;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#clients.size;
  }

  /** 0: the client's request may pass. Otherwise it may not, and after so many milliseconds one may. */
  take(key: string, now: number): number {
    const at = Math.floor(now);
    const { rate } = this;
    const client = this.#clients.get(key) ?? this.#add(key, at);
    if (at > client.at) {
      client.units = refilled(rate, client.units, at - client.at);
      client.at = at;
    }
    const wait = waitMsOf(rate, client.units);
    if (wait > 0) return wait;
    client.units -= rate.perMs;
    client.fullAt = client.at + Math.ceil((bucketUnits(rate) - client.units) / rate.requests);
    this.#sink(client);
    return 0;
  }

  /** Forgets those that are full again, `most` at a time. */
  forget(now: number, most: number): void {
    for (let left = most; left > 0; left--) {
      const soonest = this.#heap[0];
      if (soonest === undefined || soonest.fullAt > now) return;
      this.#removeSoonest();
    }
  }

  #add(key: string, at: number): Client {
    this.forget(at, FORGET_EACH_TIME);
    if (this.#heap.length >= this.#clientsMax) this.#removeSoonest();
    const client: Client = { key, units: bucketUnits(this.rate), at, fullAt: at, place: this.#heap.length };
    this.#clients.set(key, client);
    this.#heap.push(client);
    this.#rise(client);
    return client;
  }

  #removeSoonest(): void {
    const soonest = this.#heap[0]!;
    const last = this.#heap.pop()!;
    this.#clients.delete(soonest.key);
    if (last === soonest) return;
    this.#put(last, 0);
    this.#sink(last);
  }

  #put(client: Client, place: number): void {
    client.place = place;
    this.#heap[place] = client;
  }

  #rise(client: Client): void {
    for (let { place } = client; place > 0;) {
      const above = this.#heap[(place - 1) >> 1]!;
      if (above.fullAt <= client.fullAt) break;
      const free = above.place;
      this.#put(above, place);
      place = free;
      this.#put(client, place);
    }
  }

  #sink(client: Client): void {
    const heap = this.#heap;
    for (;;) {
      const left = heap[2 * client.place + 1];
      if (left === undefined) return;
      const right = heap[2 * client.place + 2];
      const below = right !== undefined && right.fullAt < left.fullAt ? right : left;
      if (below.fullAt >= client.fullAt) return;
      const { place } = client;
      const free = below.place;
      this.#put(below, place);
      this.#put(client, free);
    }
  }
}
