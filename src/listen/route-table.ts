/**
 * Which service an HTTP request goes to: the listener's fixed service, its routes, or what the request itself names.
 *
 * Routes: the most exact host wins (exact, then the longest wildcard, then any), then the longest path, whole segments.
 */
import { hostName } from "../http/host.ts";
import type { RequestHead } from "../http/request-head.ts";
import { type KnowsService, resolveService } from "../http/service-resolution.ts";

export interface Route {
  /** Exact, or `*.` and a domain; undefined for any host. */
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly service: string;
  readonly stripPrefix: boolean;
}

export type Resolution =
  | {
      readonly kind: "found";
      readonly service: string;
      readonly node: string | undefined;
      /** To take off the path; empty for nothing. */
      readonly stripPrefix: string;
    }
  | {
      readonly kind: "none";
      readonly tried: readonly string[];
      /** The listener has routes, and none of them is for the request's host. */
      readonly hostNotServed: boolean;
    };

export interface RouteTable {
  resolve(head: RequestHead): Resolution;
  /** What is not found now may be once a connector joins. */
  readonly dependsOnOffers: boolean;
}

/** Every request goes to one service. */
export function fixedRoute(service: string, node: string | undefined): RouteTable {
  const resolution: Resolution = { kind: "found", service, node, stripPrefix: "" };
  return { resolve: () => resolution, dependsOnOffers: false };
}

/** The request names its service. */
export function routeByName(knows: KnowsService): RouteTable {
  return {
    dependsOnOffers: true,
    resolve(head) {
      const found = resolveService(head, knows);
      if (found.kind === "none") return { ...found, hostNotServed: false };
      return {
        kind: "found",
        service: found.service,
        node: found.node === "" ? undefined : found.node,
        stripPrefix: "",
      };
    },
  };
}

export function routeByTable(routes: readonly Route[]): RouteTable {
  const ordered = routes.toSorted(
    (left, right) => exactness(right) - exactness(left) || pathLength(right) - pathLength(left),
  );
  return {
    dependsOnOffers: false,
    resolve(head) {
      const host = hostName(head.host).toLowerCase();
      let hostNotServed = true;
      for (const route of ordered) {
        if (!matchesHost(route.host, host)) continue;
        hostNotServed = false;
        if (!matchesPath(route.path, head.path)) continue;
        const stripPrefix = route.stripPrefix ? withoutFinalSlash(route.path ?? "") : "";
        return { kind: "found", service: route.service, node: undefined, stripPrefix };
      }
      const tried = [`${host === "" ? "no host" : `host ${host}`} with path ${head.path}`];
      return { kind: "none", tried, hostNotServed };
    },
  };
}

const EXACT = 1_000;

/** Exact hosts before wildcards, longer wildcards before shorter, any host last. */
function exactness(route: Route): number {
  if (route.host === undefined) return 0;
  return route.host.startsWith("*.") ? route.host.length : EXACT;
}

function pathLength(route: Route): number {
  return withoutFinalSlash(route.path ?? "").length;
}

function matchesHost(pattern: string | undefined, host: string): boolean {
  if (pattern === undefined) return true;
  const wanted = pattern.toLowerCase();
  return wanted.startsWith("*.") ? host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1 : host === wanted;
}

function matchesPath(prefix: string | undefined, path: string): boolean {
  if (prefix === undefined) return true;
  const wanted = withoutFinalSlash(prefix);
  if (!path.startsWith(wanted)) return false;
  const next = path.charAt(wanted.length);
  return next === "" || next === "/" || next === "?";
}

function withoutFinalSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}
