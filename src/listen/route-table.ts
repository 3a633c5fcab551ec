/**
 * Which service an HTTP request goes to: the listener's fixed service, its routes, or what the request itself names.
 *
 * Of its routes, the most specific one that matches (`http/route-match.ts` has the order), by the path just as the client
 * sent it. A path that some app might read as one of another route is refused.
 */
import { type ServiceShare, ServiceSplit } from "../balance/service-split.ts";
import { isPlainPath, pathEnd, pathReadings } from "../http/path-reading.ts";
import type { RequestHead } from "../http/request-head.ts";
import { matchedHost, RouteIndex } from "../http/route-index.ts";
import type { RouteMatch } from "../http/route-match.ts";
import type { RouteRules } from "../http/route-rules.ts";
import { type KnowsService, type PathServices, resolveService } from "../http/service-resolution.ts";
import type { ExchangePolicy } from "../session/exchange-policy.ts";

export interface Route {
  readonly match: RouteMatch;
  /** Empty where a split chooses, or where nothing but a redirect is to be had. */
  readonly service: string;
  /** Empty for none. */
  readonly split: readonly ServiceShare[];
  readonly rules: RouteRules | undefined;
  readonly policy: ExchangePolicy;
}

/** Where the request goes. Made once for each route, and never for each request. */
export interface FoundRoute {
  readonly kind: "found";
  readonly service: string;
  readonly node: string | undefined;
  /** Chooses the service for a number in [0, 1), which is the caller's to draw or to keep. */
  readonly split: ServiceSplit | undefined;
  readonly rules: RouteRules | undefined;
  readonly policy: ExchangePolicy;
}

export type Resolution =
  | FoundRoute
  | {
      readonly kind: "none";
      readonly tried: readonly string[];
      /** The listener has routes, and none of them is for the request's host. */
      readonly hostNotServed: boolean;
    }
  | {
      /** The path leads to one route as it is written, and to another as some apps read it. */
      readonly kind: "ambiguous";
      readonly reason: string;
    };

export interface RouteTable {
  resolve(head: RequestHead): Resolution;
  /** What is not found now may be once a connector joins. */
  readonly dependsOnOffers: boolean;
}

/** Every request goes to one service. */
export function fixedRoute(service: string, node: string | undefined, policy: ExchangePolicy): RouteTable {
  const resolution = found(service, node, policy);
  return { resolve: () => resolution, dependsOnOffers: false };
}

/** The request names its service. */
export function routeByName(knows: KnowsService, policy: ExchangePolicy, byPath?: PathServices): RouteTable {
  return {
    dependsOnOffers: true,
    resolve(head) {
      const named = resolveService(head, knows, byPath);
      if (named.kind === "none") return { ...named, hostNotServed: false };
      return found(named.service, named.node === "" ? undefined : named.node, policy);
    },
  };
}

function found(service: string, node: string | undefined, policy: ExchangePolicy): FoundRoute {
  return { kind: "found", service, node, split: undefined, rules: undefined, policy };
}

interface Entry {
  readonly match: RouteMatch;
  readonly resolution: FoundRoute;
}

export function routeByTable(routes: readonly Route[]): RouteTable {
  const index = new RouteIndex(
    routes.map(({ match, service, split: shares, rules, policy }): Entry => {
      const split = shares.length === 0 ? undefined : new ServiceSplit(shares);
      return { match, resolution: { kind: "found", service, node: undefined, split, rules, policy } };
    }),
  );
  const readsPaths = routes.some(({ match, rules }) => {
    const rewrites = rules !== undefined && (rules.stripPrefix !== "" || rules.addPrefix !== "");
    return match.path !== undefined || match.pathExact !== undefined || rewrites;
  });
  return {
    dependsOnOffers: false,
    resolve(head) {
      const end = pathEnd(head.path);
      const path = end === head.path.length ? head.path : head.path.slice(0, end);
      const entry = index.find(head, path);
      if (readsPaths && !isPlainPath(path)) {
        const reason = ambiguity(index, head, path, entry);
        if (reason !== "") return { kind: "ambiguous", reason };
      }
      if (entry !== undefined) return entry.resolution;
      const host = matchedHost(head.host);
      const tried = [`${host === "" ? "no host" : `host ${host}`} with ${head.method} ${path}`];
      return { kind: "none", tried, hostNotServed: !index.hasHost(head.host) };
    },
  };
}

/** Why the path may lead to another route than `entry`; empty when it does not. */
function ambiguity(index: RouteIndex<Entry>, head: RequestHead, path: string, entry: Entry | undefined): string {
  const readings = pathReadings(path);
  if (readings === undefined) return `the path ${path} has dot segments, NULs or encodings of encodings`;
  const other = readings.find((reading) => reading !== path && index.find(head, reading) !== entry);
  if (other === undefined) return "";
  return `the path ${path} may be read as ${other}, for which another route is, or none`;
}
