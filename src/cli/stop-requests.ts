/**
 * Tells the first signal that asks to stop from a second one that insists.
 *
 * A terminal's Ctrl-C reaches a whole process group, and so does its end, sometimes twice. Where `bin/polarity.js` runs us under another Node.js it forwards its
 * signals as well, so one Ctrl-C arrives twice; no person presses it again that quickly.
 */
import type { Clock } from "../base/clock.ts";

const ECHO_MS = 100;

export type StopRequest = "first" | "echo" | "second";

export class StopRequests {
  readonly #clock: Clock;
  #firstAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get any(): boolean {
    return this.#firstAt !== undefined;
  }

  receive(signal: NodeJS.Signals | undefined): StopRequest {
    const now = this.#clock.now();
    if (this.#firstAt === undefined) {
      this.#firstAt = now;
      return "first";
    }
    return (signal === "SIGINT" || signal === "SIGHUP") && now - this.#firstAt < ECHO_MS ? "echo" : "second";
  }
}
