/**
 * Has unused memory collected at once, where it would wait for a process that has nothing to do.
 *
 * The collector runs when something is allocated. A node whose clients have just gone may allocate nothing for hours, and
 * keep all that was held for them. What is collected is the system's again if its allocator gives it back.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

export function collectNow(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    const found: unknown = runInNewContext("typeof gc === 'function' ? gc : undefined");
    collect = typeof found === "function" ? () => void found() : () => {};
  }
  collect();
}
