/** What the process's exit says to whoever started it. */
import { PolarityError } from "../base/errors.ts";

export const EXIT = Object.freeze({
  done: 0,
  /** Cannot start, or the work failed: starting it again as it is will not help. */
  failed: 1,
  /** A second signal cut the drain short. */
  forced: 2,
  /** Stopped as asked, but with work cut off. */
  cutOff: 3,
  /** The command line could not be understood. */
  usage: 64,
});

export function exitCodeOf(error: unknown): number {
  return error instanceof PolarityError && error.code === "USAGE" ? EXIT.usage : EXIT.failed;
}
