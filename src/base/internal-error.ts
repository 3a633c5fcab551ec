/**
 * What becomes of an exception that nobody expected, where the event loop calls in: it is counted, told to whoever watches,
 * and turned into an error with which one connection, link or stream ends. The process and all others go on.
 *
 * The counts and watchers are the process's: sockets and timers do not belong to a node that could be asked. A guarded
 * place is an existing function with a `try`; nothing is allocated unless it throws.
 */
import { PolarityError } from "./errors.ts";

/** Where the event loop called in. */
export type InternalPlace =
  | "accept"
  | "admin"
  | "cranker"
  | "http2"
  | "link"
  | "program"
  | "socket"
  | "stream"
  | "task"
  | "timer"
  | "udp";

export type InternalErrorWatcher = (place: InternalPlace, error: PolarityError) => void;

const counts = new Map<InternalPlace, number>();
const watchers = new Set<InternalErrorWatcher>();

/** Counts and tells what was thrown; whoever caught it ends what it served with the error that comes back. */
export function internalError(place: InternalPlace, thrown: unknown): PolarityError {
  // What was thrown may quote a secret, and this message goes to clients and peers. The log has all of it.
  const error = new PolarityError("INTERNAL", "this node failed in a way that it should not; its log says how", thrown);
  counts.set(place, (counts.get(place) ?? 0) + 1);
  for (const watcher of watchers) {
    try {
      watcher(place, error);
    } catch {
      // It is told of failures, and has to see to its own.
    }
  }
  return error;
}

/**
 * Runs `work`, and `failed` with what it throws. For what happens seldom; a hot place has a `try` of its own, as this costs
 * a closure.
 */
export function guarded(place: InternalPlace, work: () => void, failed?: (error: PolarityError) => void): void {
  try {
    work();
  } catch (thrown) {
    const error = internalError(place, thrown);
    if (failed !== undefined) guarded(place, () => failed(error));
  }
}

/** For a promise that nobody waits for. */
export function inBackground(work: Promise<unknown>): void {
  work.catch((thrown: unknown) => {
    internalError("task", thrown);
  });
}

export interface Swept {
  sweep(now: number): void;
  abort(error: PolarityError): void;
}

/** Time passes for one of many: if it fails at that it ends, and the others have their turn. */
export function sweepOne(swept: Swept, now: number): void {
  try {
    swept.sweep(now);
  } catch (thrown) {
    const error = internalError("timer", thrown);
    guarded("timer", () => swept.abort(error));
  }
}

/** How many there were since the process started, by place; only places where there were any. */
export function internalErrorCounts(): Readonly<Record<string, number>> {
  return Object.fromEntries(counts);
}

/** Tells `watcher` of each from now on. Returns how to stop that. */
export function watchInternalErrors(watcher: InternalErrorWatcher): () => void {
  watchers.add(watcher);
  return () => {
    watchers.delete(watcher);
  };
}

const STACK_LENGTH_MAX = 8_000;

/** The stack of anything that was thrown, for a log. Programs throw anything, even what refuses to become a text. */
export function stackOf(thrown: unknown): string {
  try {
    const stack = thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown);
    return stack.slice(0, STACK_LENGTH_MAX);
  } catch {
    return "an object that says nothing";
  }
}
