/**
 * Watches an answer whose body did not come at once: an app that falls silent in the middle of it is given up.
 *
 * One per such answer, swept a few times a second, so that answers that come whole pay nothing. Bytes of the request count
 * too: while they flow, the two may be talking.
 */
import type { DenseMember, DenseSet } from "../base/dense-set.ts";

export interface Stallable {
  readonly request: { readonly policy: { readonly stallTimeoutMs: number } };
  /** A client that does not read holds the app back, so that its silence is no fault. */
  readonly heldByClient: boolean;
  stalled(timeoutMs: number): void;
}

export class StallWatch implements DenseMember {
  denseIndex = -1;
  /** Bytes moved since the last look. */
  moved = true;
  readonly #exchange: Stallable;
  readonly #timeoutMs: number;
  #stillSince = 0;

  /** Undefined where the route has no limit. */
  static begin(watches: DenseSet<StallWatch>, exchange: Stallable): StallWatch | undefined {
    const { stallTimeoutMs } = exchange.request.policy;
    if (stallTimeoutMs === 0) return undefined;
    const watch = new StallWatch(exchange, stallTimeoutMs);
    watches.add(watch);
    return watch;
  }

  constructor(exchange: Stallable, timeoutMs: number) {
    this.#exchange = exchange;
    this.#timeoutMs = timeoutMs;
  }

  sweep(now: number): void {
    if (this.moved || this.#exchange.heldByClient) {
      this.moved = false;
      this.#stillSince = now;
    } else if (now - this.#stillSince >= this.#timeoutMs) {
      this.#exchange.stalled(this.#timeoutMs);
    }
  }
}
