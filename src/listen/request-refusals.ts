/** Why a request is answered here and goes to no service, in words for its client. */
import { PolarityError } from "../base/errors.ts";
import type { SessionContext } from "../session/offer-seeker.ts";

export function noRouteError(tried: readonly string[], hostNotServed: boolean, context: SessionContext): PolarityError {
  if (hostNotServed)
    return new PolarityError("HOST_NOT_SERVED", `no route of this listener is for ${tried.join(", ")}`);
  return context.noConnector
    ? new PolarityError("NO_CONNECTOR", "no connector has joined this router, so that no service is known yet")
    : new PolarityError("NO_ROUTE", `no service for this request; tried ${tried.join(", ")}`);
}

export function loopError(service: string): PolarityError {
  const what = `the request has come back to this router twice on its way to service "${service}"`;
  return new PolarityError("LOOP_DETECTED", `${what}: what serves it sends it here again`);
}
