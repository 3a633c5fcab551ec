/** The tap of one connection as the connection sees it: it never throws, and does nothing once it has failed. */
import type { Clock } from "../base/clock.ts";
import type { Tap } from "./analyzer.ts";
import type { Statistics } from "./meters.ts";

export interface TapOwner {
  /** A connection began; undefined where it cannot be tapped. */
  open(now: number): Tap | undefined;
  /** It is over; once for each `open`. */
  closed(): void;
  /** What the call throws is a failure; undefined then. */
  guarded<Value>(call: () => Value): Value | undefined;
  fail(error: unknown): void;
}

export class StreamTap {
  readonly #owner: TapOwner;
  readonly #clock: Clock;
  #tap: Tap | undefined;
  #closed = false;

  constructor(owner: TapOwner, clock: Clock) {
    this.#owner = owner;
    this.#clock = clock;
    this.#tap = owner.open(clock.now());
  }

  fromClient(bytes: Buffer): void {
    try {
      this.#tap?.fromClient(bytes, this.#clock.now());
    } catch (error) {
      this.#detach(error);
    }
  }

  fromServer(bytes: Buffer): void {
    try {
      this.#tap?.fromServer(bytes, this.#clock.now());
    } catch (error) {
      this.#detach(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.closed();
    const tap = this.#tap;
    this.#tap = undefined;
    if (tap?.closed !== undefined) this.#owner.guarded(() => tap.closed!(this.#clock.now()));
  }

  /** Of this connection; undefined where the analyzer has none. */
  statistics(): Statistics | undefined {
    const tap = this.#tap;
    if (tap?.statistics === undefined) return undefined;
    return this.#owner.guarded(() => tap.statistics!(this.#clock.now()));
  }

  #detach(error: unknown): void {
    this.#tap = undefined;
    this.#owner.fail(error);
  }
}
