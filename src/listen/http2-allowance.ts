/**
 * What an HTTP/2 client may do that costs us and gets it nothing: take requests back, ping, change its settings, send
 * frames that carry no request. Each has a bucket that fills with time and with work that was done for the client.
 *
 * spend: O(1), no allocation. Pure: time is given.
 */

class Bucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #level: number;
  #at: number;

  constructor(perSecond: number, capacity: number, now: number) {
    this.#perMs = perSecond / 1000;
    this.#capacity = capacity;
    this.#level = capacity;
    this.#at = now;
  }

  /** False: there is less in it than `amount`. */
  spend(amount: number, now: number): boolean {
    this.#level = Math.min(this.#capacity, this.#level + (now - this.#at) * this.#perMs);
    this.#at = now;
    this.#level -= amount;
    return this.#level >= 0;
  }

  earn(amount: number): void {
    this.#level = Math.min(this.#capacity, this.#level + amount);
  }
}

/** Peers measure paths with pings, a few per round trip where data moves. */
const PINGS_PER_SECOND = 200;
const PINGS_BURST = 1_000;
const SETTINGS_PER_SECOND = 5;
const SETTINGS_BURST = 50;
/** Credit, priorities and what else is no request; bulk in either direction earns more. */
const OVERHEAD_BYTES_PER_SECOND = 64 * 1024;
const OVERHEAD_BYTES_BURST = 512 * 1024;
/** A head in frames, and the credit and acknowledgements round it. */
const REQUEST_OVERHEAD_BYTES = 256;
const PIECE_OVERHEAD_BYTES = 64;
const BYTES_PER_OVERHEAD_BYTE = 64;
const BYTES_PER_PING = 16 * 1024;

export class Http2Allowance {
  readonly #resets: Bucket;
  readonly #pings: Bucket;
  readonly #settings: Bucket;
  readonly #overhead: Bucket;

  constructor(resetsPerSecond: number, now: number) {
    this.#resets = new Bucket(resetsPerSecond, 2 * resetsPerSecond, now);
    this.#pings = new Bucket(PINGS_PER_SECOND, PINGS_BURST, now);
    this.#settings = new Bucket(SETTINGS_PER_SECOND, SETTINGS_BURST, now);
    this.#overhead = new Bucket(OVERHEAD_BYTES_PER_SECOND, OVERHEAD_BYTES_BURST, now);
  }

  /** The client took a request back. Each of these is false once there were too many. */
  reset(now: number): boolean {
    return this.#resets.spend(1, now);
  }

  ping(now: number): boolean {
    return this.#pings.spend(1, now);
  }

  settings(now: number): boolean {
    return this.#settings.spend(1, now);
  }

  /** Bytes arrived that were neither heads nor bodies. */
  overhead(bytes: number, now: number): boolean {
    return bytes <= 0 || this.#overhead.spend(bytes, now);
  }

  /** A request came. */
  requested(): void {
    this.#overhead.earn(REQUEST_OVERHEAD_BYTES);
  }

  /** A request was answered to its end. */
  answered(): void {
    this.#resets.earn(1);
  }

  /** Bytes of bodies moved, in or out. */
  moved(bytes: number): void {
    this.#pings.earn(1 + bytes / BYTES_PER_PING);
    this.#overhead.earn(PIECE_OVERHEAD_BYTES + bytes / BYTES_PER_OVERHEAD_BYTE);
  }
}
