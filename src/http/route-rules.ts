/** What a route does to its requests besides choosing their service. A route that does nothing has none of these. */
import { type HeaderRules, ruledEnding, ruledStart } from "./header-rules.ts";
import type { Redirect } from "./redirect.ts";
import { forwardedEnding, forwardedStart, type ForwardingContext, rewritePath } from "./request-forwarding.ts";
import type { RequestHead } from "./request-head.ts";

export interface RouteRules {
  /** To take off the path, and then to put before it; without a final slash, empty for nothing. */
  readonly stripPrefix: string;
  readonly addPrefix: string;
  /** What the app finds in Host; empty for what the client said. */
  readonly rewriteHost: string;
  readonly request: HeaderRules | undefined;
  readonly response: HeaderRules | undefined;
  readonly redirect: Redirect | undefined;
  /** Instead of the listener's. */
  readonly bodyBytesMax: number | undefined;
}

export const NO_RULES: RouteRules = Object.freeze({
  stripPrefix: "",
  addPrefix: "",
  rewriteHost: "",
  request: undefined,
  response: undefined,
  redirect: undefined,
  bodyBytesMax: undefined,
});

/** `undefined` for rules that change nothing, so that requests of most routes pay one comparison. */
export function rulesOrNone(rules: RouteRules): RouteRules | undefined {
  const { stripPrefix, addPrefix, rewriteHost, request, response, redirect, bodyBytesMax } = rules;
  const some = stripPrefix !== "" || addPrefix !== "" || rewriteHost !== "" || bodyBytesMax !== undefined;
  return some || (request ?? response ?? redirect) !== undefined ? rules : undefined;
}

/** The request's path, as the route's app gets it. */
export function ruledPath(head: RequestHead, { stripPrefix, addPrefix }: RouteRules): string {
  return rewritePath(head.path, stripPrefix, addPrefix);
}

/** `forwardedStart` and `forwardedEnding`, by the rules of a route. */
export function ruledHead(
  head: RequestHead,
  context: ForwardingContext,
  rules: RouteRules,
  names: { readonly service: string; readonly requestId: string; readonly traceparent: string },
): readonly [start: string, ending: string] {
  const { service, requestId, traceparent } = names;
  const start = forwardedStart(head, context, ruledPath(head, rules), requestId, traceparent, rules.rewriteHost);
  const ending = forwardedEnding(head, context, service);
  const { request } = rules;
  return request === undefined ? [start, ending] : [ruledStart(start, request), ruledEnding(ending, request)];
}
