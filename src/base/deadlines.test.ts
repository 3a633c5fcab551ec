import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Deadlines, type Timed } from "./deadlines.ts";

class Alarm implements Timed {
  deadlineIndex = -1;
  deadline = 0;
  readonly calls: number[] = [];
  readonly #called: () => void;
  constructor(called: () => void = () => {}) {
    this.#called = called;
  }
  due(now: number): void {
    this.calls.push(now);
    this.#called();
  }
}

test("whatever is set, moved and cleared, each is called once, when it is due, in order", () => {
  const step = fc.record({ who: fc.nat(9), at: fc.integer({ min: 0, max: 100 }), kind: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let armed = Number.POSITIVE_INFINITY;
      const deadlines = new Deadlines((at) => {
        armed = Math.min(armed, at);
      });
      const order: number[] = [];
      const alarms = Array.from({ length: 10 }, (_, index) => new Alarm(() => order.push(index)));
      const model = new Map<number, number>();
      let now = 0;
      for (const { who, at, kind } of steps) {
        if (kind === 0) {
          deadlines.clear(alarms[who]!);
          model.delete(who);
        } else if (kind === 1) {
          now = Math.max(now, at);
          order.length = 0;
          deadlines.tick(now);
          const due = [...model].filter(([, when]) => when <= now);
          assert.deepEqual(new Set(order), new Set(due.map(([index]) => index)));
          assert.equal(order.length, due.length);
          const times = order.map((index) => model.get(index)!);
          assert.deepEqual(
            times,
            times.toSorted((a, b) => a - b),
          );
          for (const [index] of due) model.delete(index);
          armed = deadlines.next ?? Number.POSITIVE_INFINITY;
        } else {
          deadlines.set(alarms[who]!, at);
          model.set(who, at);
        }
        assert.equal(deadlines.size, model.size);
        assert.equal(deadlines.next, model.size === 0 ? undefined : Math.min(...model.values()));
        if (deadlines.next !== undefined) assert.ok(armed <= deadlines.next, "the driver would be late");
      }
    }),
  );
});

test("one that is called may clear and set others, itself too", () => {
  const deadlines = new Deadlines(() => {});
  const never = new Alarm();
  const later = new Alarm();
  const first: Alarm = new Alarm(() => {
    if (first.calls.length > 1) return;
    deadlines.clear(never);
    deadlines.set(later, 20);
    deadlines.set(first, 10);
  });
  deadlines.set(first, 5);
  deadlines.set(never, 6);
  deadlines.set(later, 7);
  deadlines.tick(10);
  assert.deepEqual([first.calls, never.calls, later.calls], [[10], [], []]);
  deadlines.tick(20);
  assert.deepEqual([first.calls, never.calls, later.calls], [[10, 20], [], [20]]);
});
