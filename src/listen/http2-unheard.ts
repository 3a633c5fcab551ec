/**
 * Requests that node:http2 refuses by itself: their fields break HTTP/2's rules, or there were too many at once. It resets
 * them and says nothing, so that all there is to see of them is that their ids never came as a request.
 *
 * Clients take their ids in order. One that leaves some out counts as refused for them; what one step counts is bounded.
 * heard and seen: O(1). Pure.
 */

/** A head may come in several frames: until then an id that was seen is no refused request. */
const HEAD_MS = 1_000;
const STEP_MAX = 100;

export class UnheardRequests {
  /** The newest id that came as a request or was counted; 0 before the first. */
  #last = 0;
  /** A newer one that the session has seen, and since when; 0 without one. */
  #seen = 0;
  #seenAt = 0;

  /** Something that was seen has yet to be judged. */
  get waiting(): boolean {
    return this.#seen > this.#last;
  }

  /** A request came. Returns how many before it did not, and were not counted yet. */
  heard(id: number): number {
    const last = this.#last;
    if (id <= last) return 0;
    this.#last = id;
    // A client may begin with any id.
    return last === 0 ? 0 : Math.min(STEP_MAX, (id - last) / 2 - 1);
  }

  /** The newest id that the session has seen. Returns how many were refused, once that is sure. */
  seen(id: number, now: number): number {
    if (id <= this.#last) return 0;
    if (id !== this.#seen) {
      this.#seen = id;
      this.#seenAt = now;
    }
    return now - this.#seenAt < HEAD_MS ? 0 : this.rest();
  }

  /** What is not heard of by now will not be. */
  rest(): number {
    if (!this.waiting) return 0;
    const count = this.heard(this.#seen);
    return count + 1;
  }
}
