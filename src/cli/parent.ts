/**
 * What this process owes the one that started it, where that is ours: `bin/polarity.js` under an older Node.js, or `demo`.
 *
 * `POLARITY_TETHER` says that the IPC channel is a tether: when it breaks, the parent is gone, even by SIGKILL, and nobody is
 * left who would stop us.
 */
import { EXIT } from "./exit-code.ts";

export interface BoundAddresses {
  readonly links: readonly string[];
  readonly listeners: readonly string[];
  readonly admin: string | undefined;
  /** Of `foo-proxy`: its figures and health. */
  readonly http?: string | undefined;
}

export function holdTether(): void {
  const tether = process.env["POLARITY_TETHER"];
  // Not for the processes that we start.
  delete process.env["POLARITY_TETHER"];
  if (tether === undefined || process.channel === undefined) return;
  if (!process.connected) process.exit(EXIT.forced);
  process.on("disconnect", () => process.exit(EXIT.forced));
  process.channel?.unref();
  isTethered = true;
}

let isTethered = false;

/** Tells the parent that everything is bound, and where. */
export function announceReady(addresses: BoundAddresses): void {
  if (isTethered && process.connected) process.send?.({ type: "ready", addresses });
}
