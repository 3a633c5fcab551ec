/**
 * A table of routes, compiled: the most specific one for a request.
 *
 * A look-up costs one step for the host, one for each label that a wildcard could begin at, and one for each length of
 * prefix that the host has; never one for each host or route. Routes that differ in nothing but method and fields are
 * looked through. No step depends on how long a client makes its host or path.
 */
import { hostName } from "./host.ts";
import { compareMatches, meetsConditions, prefixOf, type RoutedRequest, type RouteMatch } from "./route-match.ts";

export class RouteIndex<Route extends { readonly match: RouteMatch }> {
  readonly #exact = new Map<string, PathTable<Route>>();
  /** By what follows the star, with its dot. */
  readonly #wildcards = new Map<string, PathTable<Route>>();
  readonly #any: PathTable<Route> | undefined;
  #wildcardLengthMax = 0;
  /** No route names a host. */
  readonly #anyHost: boolean;

  constructor(routes: readonly Route[]) {
    const hosts = Map.groupBy(routes, ({ match }) => match.host);
    for (const [host, group] of hosts) {
      const table = new PathTable(group);
      if (host === undefined) this.#any = table;
      else if (host.startsWith("*.")) {
        this.#wildcards.set(host.slice(1), table);
        this.#wildcardLengthMax = Math.max(this.#wildcardLengthMax, host.length - 1);
      } else this.#exact.set(host, table);
    }
    this.#anyHost = this.#exact.size + this.#wildcards.size === 0;
  }

  /** The route for a request as if its path, query left out, were `path`. */
  find(request: RoutedRequest, path: string): Route | undefined {
    if (this.#anyHost) return this.#any?.find(request, path);
    const host = matchedHost(request.host);
    const found = this.#exact.get(host)?.find(request, path);
    if (found !== undefined) return found;
    if (this.#wildcardLengthMax > 0) {
      let dot = this.#firstDot(host);
      for (; dot >= 0; dot = host.indexOf(".", dot + 1)) {
        const wild = this.#wildcards.get(host.slice(dot))?.find(request, path);
        if (wild !== undefined) return wild;
      }
    }
    return this.#any?.find(request, path);
  }

  /** Whether some route, of whatever path, is for the host. */
  hasHost(sent: string): boolean {
    if (this.#any !== undefined) return true;
    const host = matchedHost(sent);
    if (this.#exact.has(host)) return true;
    for (let dot = this.#firstDot(host); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      if (this.#wildcards.has(host.slice(dot))) return true;
    }
    return false;
  }

  /** Where the longest wildcard could begin; there is a label before it. */
  #firstDot(host: string): number {
    return host.indexOf(".", Math.max(1, host.length - this.#wildcardLengthMax));
  }
}

/** A Host field as routes match it: lower case, no port, and no final dot, which changes nothing about a name. */
export function matchedHost(sent: string): string {
  const name = hostName(sent).toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** The routes of one host. */
class PathTable<Route extends { readonly match: RouteMatch }> {
  readonly #exact = new Map<string, readonly Route[]>();
  readonly #prefixes = new Map<string, readonly Route[]>();
  /** Of the prefixes, longest first. */
  readonly #lengths: readonly number[];
  readonly #any: readonly Route[];

  constructor(routes: readonly Route[]) {
    // Sorting is stable, so what is left is the order of the file.
    const ordered = routes.toSorted((left, right) => compareMatches(left.match, right.match));
    for (const [path, group] of Map.groupBy(ordered, ({ match }) => match.pathExact)) {
      if (path !== undefined) this.#exact.set(path, group);
    }
    const rest = ordered.filter(({ match }) => match.pathExact === undefined);
    for (const [prefix, group] of Map.groupBy(rest, ({ match }) => prefixOf(match))) {
      if (prefix !== undefined) this.#prefixes.set(prefix, group);
    }
    this.#lengths = [...new Set(Array.from(this.#prefixes.keys(), ({ length }) => length))].sort((a, b) => b - a);
    this.#any = rest.filter(({ match }) => match.path === undefined);
  }

  find(request: RoutedRequest, path: string): Route | undefined {
    if (this.#exact.size > 0) {
      const found = firstMeeting(this.#exact.get(path), request);
      if (found !== undefined) return found;
    }
    for (const length of this.#lengths) {
      if (length > path.length || (length < path.length && path.charCodeAt(length) !== SLASH)) continue;
      const prefix = length === path.length ? path : path.slice(0, length);
      const found = firstMeeting(this.#prefixes.get(prefix), request);
      if (found !== undefined) return found;
    }
    return firstMeeting(this.#any, request);
  }
}

const SLASH = 0x2f;

function firstMeeting<Route extends { readonly match: RouteMatch }>(
  routes: readonly Route[] | undefined,
  request: RoutedRequest,
): Route | undefined {
  if (routes === undefined) return undefined;
  const asked = routes.length > 1 ? new AskedOnce(request) : request;
  for (const route of routes) if (meetsConditions(route.match, asked)) return route;
  return undefined;
}

/** A request whose fields are dear to find, and of which many routes ask the same one. */
class AskedOnce implements RoutedRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly #request: RoutedRequest;
  #name = "";
  #value: string | undefined;

  constructor(request: RoutedRequest) {
    this.#request = request;
    this.method = request.method;
    this.host = request.host;
    this.path = request.path;
  }

  header(name: string): string | undefined {
    if (name !== this.#name) {
      this.#name = name;
      this.#value = this.#request.header(name);
    }
    return this.#value;
  }
}
