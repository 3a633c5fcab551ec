/**
 * SIGUSR1: reserved for an upgrade in place. `bin/polarity.js` takes it from Node.js, which would open its debugger to every
 * user of the machine; a command that runs for long says here that nothing came of it.
 */
import type { Logger } from "../base/clock.ts";

export const RESERVED_SIGNAL = "SIGUSR1";

export function reportReservedSignal(logger: Pick<Logger, "warn">): void {
  logger.warn({ signal: RESERVED_SIGNAL }, `${RESERVED_SIGNAL} is reserved for an upgrade in place: nothing is done`);
}
