/** The ways in which an exchange goes wrong, in words: `who` is the node that serves it. */
import { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import type { HttpProblem } from "../http/http-problem.ts";
import type { Offer } from "../registry/offer.ts";

export function whoServes(offer: Offer | undefined): string {
  return offer === undefined ? "the connector" : `node "${offer.upstream.node}"`;
}

export function fellSilent({ node }: Upstream): PolarityError {
  return new PolarityError("LINK_TIMEOUT", `node "${node}" fell silent`);
}

export function refused(who: string, { reason }: HttpProblem): PolarityError {
  return new PolarityError("TARGET_PROTOCOL", `the answer through ${who} is refused: ${reason}`);
}

export function endedWithout(who: string): PolarityError {
  return new PolarityError("TARGET_FAILED", `${who} ended the stream without a response`);
}

export function endedMidway(who: string): PolarityError {
  return new PolarityError("TARGET_FAILED", `${who} ended the stream in the middle of the response`);
}

export function givenUp(who: string, status: number): PolarityError {
  return new PolarityError("TARGET_FAILED", `the app through ${who} answered with status ${status}`);
}

export function stalledFor(who: string, timeoutMs: number): PolarityError {
  return new PolarityError("TARGET_STALLED", `the app through ${who} sent no more of its answer for ${timeoutMs} ms`);
}

/** `who`: undefined while the request waits for an offer. */
export function overdue(service: string, who: string | undefined, timeoutMs: number): PolarityError {
  const what = who === undefined ? `service "${service}" had no offer` : `${who} began no answer`;
  return new PolarityError("ROUTE_TIMEOUT", `${what} within the route's ${timeoutMs} ms`);
}

/** For the streams of those that lost to `hedgeAnswered`. */
export function answeredElsewhere(): PolarityError {
  return new PolarityError("CLIENT_GONE", "another offer answered first");
}
