/** Waiting for what a test expects to happen soon, without guessing how long that takes. */
import { setTimeout as delay } from "node:timers/promises";

/** No test waits longer than this for anything. */
export const PATIENCE_MS = 15_000;

/** Resolves with the first value of `find` that is neither undefined nor false. */
export async function until<Value>(
  what: string,
  find: () => Value | undefined | false | Promise<Value | undefined | false>,
  patienceMs = PATIENCE_MS,
): Promise<Value> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await delay(5);
  }
}

/** The promise's value, or an error that says what did not come. */
export async function soon<Value>(what: string, promise: Promise<Value>, patienceMs = PATIENCE_MS): Promise<Value> {
  const late = new AbortController();
  const expired = delay(patienceMs, undefined, { signal: late.signal, ref: false }).then(
    () => {
      throw new Error(`not within ${patienceMs} ms: ${what}`);
    },
    () => promise,
  );
  try {
    return await Promise.race([promise, expired]);
  } finally {
    late.abort();
  }
}
