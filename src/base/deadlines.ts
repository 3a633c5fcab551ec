/**
 * Points in time at which somebody wants to be called: many of them behind one timer of the driver's.
 *
 * A binary heap whose members know their place. set and clear: O(log n), and O(1) for what is due later than all others,
 * which is the usual case of equal delays. Sans-IO: the driver calls `tick` at `next`.
 */

import { internalError } from "./internal-error.ts";

export interface Timed {
  /** The heap's to change; negative while it is in none. */
  deadlineIndex: number;
  /** When it is due; the heap's to change. */
  deadline: number;
  /** Called once per `set`, which has been undone by then. */
  due(now: number): void;
}

export class Deadlines {
  readonly #heap: Timed[] = [];
  readonly #earlier: (at: number) => void;

  /** `earlier`: the next deadline has come nearer; the driver's timer has to follow. */
  constructor(earlier: (at: number) => void) {
    this.#earlier = earlier;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline; undefined when there is none. */
  get next(): number | undefined {
    return this.#heap[0]?.deadline;
  }

  /** Calls `timed.due` at `at`, and at no time that was set before. */
  set(timed: Timed, at: number): void {
    if (timed.deadlineIndex >= 0) this.clear(timed);
    timed.deadline = at;
    timed.deadlineIndex = this.#heap.push(timed) - 1;
    this.#rise(timed);
    if (timed.deadlineIndex === 0) this.#earlier(at);
  }

  /** Undoes `set`. Idempotent. */
  clear(timed: Timed): void {
    const index = timed.deadlineIndex;
    timed.deadlineIndex = -1;
    if (index < 0) return;
    const last = this.#heap.pop()!;
    if (last === timed) return;
    this.#put(last, index);
    this.#rise(last);
    this.#sink(last);
  }

  /** Calls all that are due. What they set anew for `now` or before is called at the next tick. */
  tick(now: number): void {
    const due: Timed[] = [];
    for (let first = this.#heap[0]; first !== undefined && first.deadline <= now; first = this.#heap[0]) {
      this.clear(first);
      first.deadlineIndex = DUE;
      due.push(first);
    }
    for (const timed of due) {
      // One that is called may clear or set another.
      if (timed.deadlineIndex !== DUE) continue;
      timed.deadlineIndex = -1;
      try {
        timed.due(now);
      } catch (thrown) {
        internalError("timer", thrown);
      }
    }
  }

  #rise(timed: Timed): void {
    let index = timed.deadlineIndex;
    while (index > 0) {
      const parent = this.#heap[(index - 1) >> 1]!;
      if (parent.deadline <= timed.deadline) break;
      const above = parent.deadlineIndex;
      this.#put(parent, index);
      index = above;
    }
    this.#put(timed, index);
  }

  #sink(timed: Timed): void {
    const heap = this.#heap;
    let index = timed.deadlineIndex;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const child = right !== undefined && right.deadline < left!.deadline ? right : left;
      if (child === undefined || child.deadline >= timed.deadline) break;
      const below = child.deadlineIndex;
      this.#put(child, index);
      index = below;
    }
    this.#put(timed, index);
  }

  #put(timed: Timed, index: number): void {
    this.#heap[index] = timed;
    timed.deadlineIndex = index;
  }
}

/** Out of the heap and not called yet. */
const DUE = -2;
