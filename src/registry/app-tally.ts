/** What a node knows of a service's app that it serves itself: how often it asked the app, and how the app failed. */
import type { ErrorCode, PolarityError } from "../base/errors.ts";

export interface AppFailure {
  readonly code: ErrorCode;
  readonly message: string;
  /** On the node's clock. */
  readonly at: number;
}

/** For so long after a failure the service is shown as failing. */
const FAILING_MS = 10_000;

export class AppTally {
  /** Requests, or connections of stream services, that went to the app. */
  asked = 0;
  /** By code; bounded, as the codes are the error registry's. */
  readonly failures = new Map<ErrorCode, number>();
  #last: AppFailure | undefined;

  /** The newest one. */
  get last(): AppFailure | undefined {
    return this.#last;
  }

  failed({ code, message }: PolarityError, now: number): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
    this.#last = { code, message, at: now };
  }

  isFailing(now: number): boolean {
    return this.#last !== undefined && now - this.#last.at < FAILING_MS;
  }
}
