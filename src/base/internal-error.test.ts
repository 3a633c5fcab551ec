import assert from "node:assert/strict";
import { test } from "node:test";
import { expectFailures } from "../../test/support/expected-failures.ts";
import { Deadlines } from "./deadlines.ts";
import { guarded, inBackground, internalError, internalErrorCounts, stackOf, sweepOne } from "./internal-error.ts";
import { watchInternalErrors } from "./internal-error.ts";

test("what is thrown is counted by place and told, and its words go no further", (t) => {
  const failures = expectFailures(t);
  const before = internalErrorCounts()["link"] ?? 0;
  const thrown = new TypeError("the token is s3cret");
  const error = internalError("link", thrown);
  assert.equal(error.code, "INTERNAL");
  assert.equal(error.cause, thrown);
  assert.ok(!error.message.includes("s3cret"));
  assert.equal(internalErrorCounts()["link"], before + 1);
  assert.deepEqual(failures, [{ place: "link", error }]);
});

test("a watcher that fails itself keeps neither the caller nor the other watchers", (t) => {
  const unwatch = watchInternalErrors(() => {
    throw new Error("no room on the disk");
  });
  t.after(unwatch);
  const failures = expectFailures(t);
  internalError("timer", 1);
  assert.equal(failures.length, 1);
});

test("a guard goes on behind what fails, also where cleaning up fails", (t) => {
  const failures = expectFailures(t);
  let cleaned = 0;
  const fail = (): never => {
    throw new Error("no");
  };
  guarded("udp", () => {});
  guarded("udp", fail);
  guarded("udp", fail, () => cleaned++);
  guarded("udp", fail, fail);
  assert.equal(cleaned, 1);
  assert.equal(failures.length, 4);
});

test("a promise that nobody waits for is no unhandled rejection", async (t) => {
  const failures = expectFailures(t);
  inBackground(Promise.reject(new Error("no")));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    failures.map(({ place }) => place),
    ["task"],
  );
});

test("one of many that fails as time passes is ended, and the rest have their turn", (t) => {
  const failures = expectFailures(t);
  const log: string[] = [];
  const member = (name: string, fails: boolean) => ({
    sweep(): void {
      log.push(name);
      if (fails) throw new Error(name);
    },
    abort: ({ code }: { code: string }) => log.push(`${name} ${code}`),
  });
  for (const each of [member("a", false), member("b", true), member("c", false)]) sweepOne(each, 0);
  assert.deepEqual(log, ["a", "b", "b INTERNAL", "c"]);
  assert.equal(failures.length, 1);
});

test("a deadline that fails keeps no other from being called", (t) => {
  const failures = expectFailures(t);
  const deadlines = new Deadlines(() => {});
  const called: number[] = [];
  for (const at of [1, 2, 3]) {
    const due = (): void => {
      called.push(at);
      if (at === 2) throw new Error("late");
    };
    deadlines.set({ deadlineIndex: -1, deadline: 0, due }, at);
  }
  deadlines.tick(5);
  assert.deepEqual(
    called.toSorted((left, right) => left - right),
    [1, 2, 3],
  );
  assert.equal(deadlines.size, 0);
  assert.equal(failures.length, 1);
});

test("the stack of anything is a bounded text", () => {
  assert.match(stackOf(new Error("x")), /^Error: x/);
  assert.equal(stackOf("plain"), "plain");
  assert.equal(stackOf(Object.create(null)), "an object that says nothing");
  assert.equal(stackOf(new Error("y".repeat(100_000))).length, 8_000);
});
