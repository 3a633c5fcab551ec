/** What a route may ask of its exchanges: made once from the configuration, shared by all requests of the route. */
import type { FanOutChoice } from "../base/fan-out-policy.ts";
import type { RetryAllowance } from "../balance/retry-budget.ts";

export interface RetryPolicy extends RetryAllowance {
  /** Offers that one request tries at most, the first included. */
  readonly attemptsMax: number;
  /** Answers of the app that are given up for another offer's, for safe requests without a body; undefined for none. */
  readonly statuses: readonly number[] | undefined;
}

export interface HedgePolicy {
  /** How long an offer may keep silent before another is asked too. */
  readonly afterMs: number;
  /** Offers asked at the same time, the first included. */
  readonly max: number;
}

export interface MirrorPolicy {
  readonly service: string;
  readonly percent: number;
  /** A request with a longer body is mirrored up to here and then broken off. */
  readonly bodyBytesMax: number;
}

export interface StickyPolicy {
  readonly kind: "cookie" | "header";
  /** Of the cookie or the field; a field's in lower case. */
  readonly name: string;
  /** How long the client keeps the cookie; 0: as long as it runs. */
  readonly maxAgeSeconds: number;
}

export interface ExchangePolicy {
  /** Until the answer begins, waiting and repetitions included; 0 for no limit. */
  readonly timeoutMs: number;
  /** Silence in the middle of an answer's body; 0 for no limit. */
  readonly stallTimeoutMs: number;
  readonly retries: RetryPolicy;
  readonly hedge: HedgePolicy | undefined;
  readonly mirror: MirrorPolicy | undefined;
  readonly sticky: StickyPolicy | undefined;
  /** Whether each request is asked of all who offer its service. */
  readonly fanOut: FanOutChoice;
}

export const DEFAULT_RETRIES: RetryPolicy = Object.freeze({
  attemptsMax: 4,
  share: 0.2,
  floorPerSecond: 100,
  statuses: undefined,
});

export const DEFAULT_POLICY: ExchangePolicy = Object.freeze({
  timeoutMs: 0,
  stallTimeoutMs: 5 * 60_000,
  retries: DEFAULT_RETRIES,
  hedge: undefined,
  mirror: undefined,
  sticky: undefined,
  fanOut: undefined,
});
