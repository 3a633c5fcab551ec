/** The one timer behind a node's deadlines. */
import { guarded } from "../base/internal-error.ts";
import type { Clock } from "../base/clock.ts";
import { Deadlines } from "../base/deadlines.ts";

export class Alarm {
  readonly deadlines: Deadlines;
  readonly #clock: Clock;
  #timer: NodeJS.Timeout | undefined;
  #setFor = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.deadlines = new Deadlines((at) => this.#arm(at));
  }

  /** Nothing is called any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#setFor = Number.NEGATIVE_INFINITY;
  }

  #arm(at: number): void {
    if (at >= this.#setFor) return;
    clearTimeout(this.#timer);
    this.#setFor = at;
    this.#timer = setTimeout(
      () => guarded("timer", () => this.#fire()),
      Math.max(1, Math.ceil(at - this.#clock.now())),
    );
  }

  #fire(): void {
    this.#setFor = Number.POSITIVE_INFINITY;
    this.deadlines.tick(this.#clock.now());
    const { next } = this.deadlines;
    if (next !== undefined) this.#arm(next);
  }
}
