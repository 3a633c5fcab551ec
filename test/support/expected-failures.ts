/** Failures that a test of this process causes on purpose: it gets them, and the run does not fail for them. */
import type { TestContext } from "node:test";
import { type InternalPlace, watchInternalErrors } from "../../src/base/internal-error.ts";
import type { PolarityError } from "../../src/base/errors.ts";

export interface Failure {
  readonly place: InternalPlace;
  readonly error: PolarityError;
}

const EXPECTED = Symbol.for("polarity.test.expected-failures");

/** Those from now on to the end of the test. */
export function expectFailures(context: TestContext): readonly Failure[] {
  const failures: Failure[] = [];
  const marks = globalThis as Record<symbol, unknown>;
  marks[EXPECTED] = failures;
  const unwatch = watchInternalErrors((place, error) => failures.push({ place, error }));
  context.after(() => {
    unwatch();
    marks[EXPECTED] = undefined;
  });
  return failures;
}
