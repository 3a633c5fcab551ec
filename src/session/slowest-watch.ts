/**
 * Which servers of a one-to-N session are too slow for it, where such servers are dropped.
 *
 * How far servers are apart at one moment says little: on a busy machine an honest server may fall a buffer behind within
 * milliseconds. So a server gets time. Once the others have to wait, as the slowest is further behind than the buffer holds,
 * it has to take within `CATCH_UP_MS` what the fastest had taken when the waiting began. A server that takes a buffer in
 * that time is never dropped, though the others may wait for it all the while.
 *
 * due: O(1), and reads the clock only while somebody waits. Pure.
 */
import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";

export const CATCH_UP_MS = 2_000;

export class SlowestWatch {
  readonly #clock: Clock;
  /** Where the fastest was when the waiting began; negative: nobody has to catch up. */
  #mark = -1;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * How far every server ought to have come by now, in bytes of what the client sent; 0 where all are in time. `slowest` and
   * `fastest`: what they have taken.
   */
  due(slowest: number, fastest: number, bufferBytes: number): number {
    if (slowest >= this.#mark) this.#mark = -1;
    if (fastest - slowest <= bufferBytes) return 0;
    const now = this.#clock.now();
    if (this.#mark < 0) {
      this.#mark = fastest;
      this.#since = now;
    }
    return now - this.#since < CATCH_UP_MS ? 0 : this.#mark;
  }
}

export function tooSlow(name: string, behind: number, bufferBytes: number): PolarityError {
  const message = `"${name}" is ${behind} bytes behind the fastest server and did not catch up within ${CATCH_UP_MS} ms`;
  return new PolarityError("SERVER_TOO_SLOW", `${message}; the buffer holds ${bufferBytes}`);
}
