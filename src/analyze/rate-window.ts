/**
 * How often something happened within the last seconds, without keeping each time that it did.
 *
 * A ring of counters, one for every `STEP_MS`. `count(span)` adds up those that lie wholly within the span, and the one
 * under way: it never counts an event older than the span, and may miss those that are older than the span less one step.
 * So it is never above the exact count, and below it by what happened within that one step at most; a window that was saved
 * and restored may be off by one step more, either way.
 *
 * add: O(1) while time stands within a step. count: one pass over the span's counters. Memory: 4 KB, whatever happens.
 * Time is handed in. Where it does not move, or is told to go back, it counts as standing still; a gap clears what it
 * passed over.
 */
import { integerIn, listOf, pairOf, recordOf } from "./saved-state.ts";

export const STEP_MS = 10;
export const SPAN_MS_MAX = 10_000;
const STEPS = SPAN_MS_MAX / STEP_MS;

/** What a restart needs of a window: the counters that are not zero, by their age in steps. */
export interface SavedWindow {
  readonly stepMs: number;
  readonly counts: readonly (readonly [age: number, count: number])[];
}

export class RateWindow {
  readonly #counts = new Uint32Array(STEPS);
  #step = Number.NEGATIVE_INFINITY;
  #slot = 0;

  add(now: number, events = 1): void {
    const step = Math.floor(now / STEP_MS);
    if (step > this.#step) this.#advance(step);
    this.#counts[this.#slot]! += events;
  }

  /** Events within the last `spanMs`, at most `SPAN_MS_MAX`. */
  count(spanMs: number, now: number): number {
    const step = Math.max(Math.floor(now / STEP_MS), this.#step);
    // Nothing was added since, so what lies between is empty.
    const passed = step - this.#step;
    const steps = Math.min(Math.floor(spanMs / STEP_MS), STEPS) - passed;
    let sum = 0;
    for (let back = 0; back < steps; back++) sum += this.#counts[(this.#slot + STEPS - back) % STEPS]!;
    return sum;
  }

  /** Events a second. */
  rate(spanMs: number, now: number): number {
    return this.count(spanMs, now) / (spanMs / 1000);
  }

  save(now: number): SavedWindow {
    const step = Math.max(Math.floor(now / STEP_MS), this.#step);
    const passed = step - this.#step;
    const counts: [number, number][] = [];
    for (let back = 0; back + passed < STEPS; back++) {
      const count = this.#counts[(this.#slot + STEPS - back) % STEPS]!;
      if (count > 0) counts.push([back + passed, count]);
    }
    return { stepMs: STEP_MS, counts };
  }

  /** Adds what was saved `ageMs` ago, to be called before anything else is. Throws where it is no saved window. */
  restore(saved: unknown, ageMs: number, now: number): void {
    const { stepMs, counts } = recordOf(saved);
    if (stepMs !== STEP_MS) throw new Error(`a window of steps of ${String(stepMs)} ms`);
    const older = Math.round(ageMs / STEP_MS);
    this.#advance(Math.floor(now / STEP_MS));
    for (const entry of listOf(counts, STEPS)) {
      const [age, count] = pairOf(entry);
      const back = integerIn(age, STEPS - 1) + older;
      const events = integerIn(count, 0xffff_ffff);
      if (back < STEPS) this.#counts[(this.#slot + STEPS - back) % STEPS] = events;
    }
  }

  #advance(step: number): void {
    const passed = Math.min(step - this.#step, STEPS);
    const first = step - passed + 1;
    for (let clear = first; clear <= step; clear++) this.#counts[modulo(clear)] = 0;
    this.#step = step;
    this.#slot = modulo(step);
  }
}

/** Time may begin below zero. */
function modulo(step: number): number {
  return ((step % STEPS) + STEPS) % STEPS;
}
