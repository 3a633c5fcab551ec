/**
 * Which requests a route is for, and which of two routes is the more specific.
 *
 * The order is total, so that a table means the same in whatever order it is written: host, exact path, longest prefix,
 * method, number of field conditions. Only routes that are equal in all of these go by their place in the file.
 */

/** What a field's value must be; several lines of one name count as one, joined by commas. */
export type FieldCondition =
  | { readonly kind: "exact"; readonly name: string; readonly value: string }
  | { readonly kind: "prefix"; readonly name: string; readonly value: string }
  | { readonly kind: "present"; readonly name: string }
  | { readonly kind: "absent"; readonly name: string };

export interface RouteMatch {
  /** Lower case, without port: a name, an address, or `*.` and a domain; undefined for any. */
  readonly host: string | undefined;
  /** With everything below it, segment by segment. */
  readonly path: string | undefined;
  /** Just this path. Never together with `path`. */
  readonly pathExact: string | undefined;
  /** Empty for any. */
  readonly methods: readonly string[];
  /** All of them must hold. Names are in lower case. */
  readonly fields: readonly FieldCondition[];
}

/** What is asked of a request; a `RequestHead` is one. */
export interface RoutedRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  header(name: string): string | undefined;
}

/** Negative when `left` is the more specific; 0 when the file's order decides. */
export function compareMatches(left: RouteMatch, right: RouteMatch): number {
  return (
    hostRank(right.host) - hostRank(left.host) ||
    Number(right.pathExact !== undefined) - Number(left.pathExact !== undefined) ||
    prefixLength(right) - prefixLength(left) ||
    methodRank(left) - methodRank(right) ||
    right.fields.length - left.fields.length
  );
}

/** Method and fields; host and path are what tables are looked up by. */
export function meetsConditions({ methods, fields }: RouteMatch, request: RoutedRequest): boolean {
  if (methods.length > 0 && !methods.includes(request.method)) return false;
  for (const condition of fields) if (!holds(condition, request)) return false;
  return true;
}

function holds(condition: FieldCondition, request: RoutedRequest): boolean {
  const value = request.header(condition.name);
  switch (condition.kind) {
    case "exact":
      return value === condition.value;
    case "prefix":
      return value !== undefined && value.startsWith(condition.value);
    case "present":
      return value !== undefined;
    case "absent":
    default:
      return value === undefined;
  }
}

/** The prefix as it is compared: `/api/` and `/api` are one, `/` is the empty one; undefined for any path, `*` too. */
export function prefixOf({ path }: RouteMatch): string | undefined {
  return path !== undefined && path.endsWith("/") ? path.slice(0, -1) : path;
}

const EXACT_HOST = 1_000;

function hostRank(host: string | undefined): number {
  if (host === undefined) return 0;
  return host.startsWith("*.") ? host.length : EXACT_HOST;
}

function prefixLength(match: RouteMatch): number {
  return prefixOf(match)?.length ?? -1;
}

/** The fewer methods, the more specific; a route for any comes last. */
function methodRank({ methods }: RouteMatch): number {
  return methods.length === 0 ? Number.POSITIVE_INFINITY : methods.length;
}

/**
 * For each route that no request can reach, the place of one that takes what is its own: [unreached, taker] in order.
 * Compares only routes of one host and path.
 */
export function unreachedRoutes(matches: readonly RouteMatch[]): [unreached: number, taker: number][] {
  const groups = new Map<string, number[]>();
  for (const [index, match] of matches.entries()) {
    const key = JSON.stringify([match.host, prefixOf(match), match.pathExact]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  }
  const found: [number, number][] = [];
  for (const group of groups.values()) {
    const order = group.toSorted((left, right) => compareMatches(matches[left]!, matches[right]!) || left - right);
    for (const [place, index] of order.entries()) {
      const taker = takerOf(matches[index]!, order.slice(0, place), matches);
      if (taker !== undefined) found.push([index, taker]);
    }
  }
  return found.toSorted(([left], [right]) => left - right);
}

/** The last of the routes `before` that leave nothing of `match`; undefined when they leave something. */
function takerOf(match: RouteMatch, before: readonly number[], matches: readonly RouteMatch[]): number | undefined {
  const takers = before.filter((index) => implies(match.fields, matches[index]!.fields));
  const methods: readonly (string | undefined)[] = match.methods.length === 0 ? [undefined] : match.methods;
  let taker: number | undefined;
  for (const method of methods) {
    taker = takers.find((index) => {
      const taken = matches[index]!.methods;
      return taken.length === 0 || (method !== undefined && taken.includes(method));
    });
    if (taker === undefined) return undefined;
  }
  return taker;
}

/** Whether whatever meets all of `conditions` meets all of `others`. */
function implies(conditions: readonly FieldCondition[], others: readonly FieldCondition[]): boolean {
  return others.every((other) => conditions.some((condition) => conditionImplies(condition, other)));
}

function conditionImplies(condition: FieldCondition, other: FieldCondition): boolean {
  if (condition.name !== other.name) return false;
  switch (other.kind) {
    case "exact":
      return condition.kind === "exact" && condition.value === other.value;
    case "prefix":
      return (condition.kind === "exact" || condition.kind === "prefix") && condition.value.startsWith(other.value);
    case "present":
      return condition.kind !== "absent";
    case "absent":
    default:
      return condition.kind === "absent";
  }
}
