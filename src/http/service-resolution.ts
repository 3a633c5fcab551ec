/**
 * Which service a request asks for, on a listener without routes. In order: the field X-Service-Id; a Host of the form
 * `service.…`, or `node.service` (the node up to the first dot, the rest is the service); the first path segment; `*`.
 *
 * Services of cranker connectors are found as their routers find them: by the whole host, where they are for one
 * (`host/segment`, then `host/*`), or by the first path segment, and never by a part of the host.
 *
 * A candidate counts when `knows` says so; building one costs a slice, so a hit on an early one costs little.
 */
import { hostName, isAddress } from "./host.ts";
import type { RequestHead } from "./request-head.ts";

export type ServiceResolution =
  | {
      readonly kind: "found";
      readonly service: string;
      /** Only this node will do; empty for any. */ readonly node: string;
    }
  | { readonly kind: "none"; /** What was looked for, in order; for the 404. */ readonly tried: readonly string[] };

/** Whether anything serves `service`: at `node`, or anywhere when that is empty. */
export type KnowsService = (service: string, node: string) => boolean;

/** Services that no part of a host's name leads to. */
export interface PathServices {
  /** False: there are none, and the rest is not asked. */
  readonly anyByPath: boolean;
  isByPath(service: string): boolean;
}

export const CATCH_ALL = "*";

const NO_PATH_SERVICES: PathServices = Object.freeze({ anyByPath: false, isByPath: () => false });

const LABELS_MAX = 16;

export function resolveService(
  head: RequestHead,
  knows: KnowsService,
  byPath: PathServices = NO_PATH_SERVICES,
): ServiceResolution {
  if (head.serviceId !== "" && knows(head.serviceId, "")) return found(head.serviceId, "");
  const tried: string[] = head.serviceId === "" ? [] : [head.serviceId];
  const resolved = byPath.anyByPath ? resolveDomain(head, knows, byPath, tried) : resolveHost(head.host, knows, tried);
  if (resolved !== undefined) return resolved;
  const segment = firstSegment(head.path);
  if (segment !== "" && segment !== CATCH_ALL) {
    if (knows(segment, "")) return found(segment, "");
    tried.push(segment);
  }
  if (knows(CATCH_ALL, "")) return found(CATCH_ALL, "");
  tried.push(CATCH_ALL);
  return { kind: "none", tried };
}

/** The first segment of a path, percent-decoded; empty when there is none that could be a name. */
export function firstSegment(path: string): string {
  if (!path.startsWith("/")) return "";
  const end = path.slice(1).search(/[/?]/);
  const raw = end < 0 ? path.slice(1) : path.slice(1, end + 1);
  if (!raw.includes("%")) return raw;
  try {
    const decoded = decodeURIComponent(raw);
    // A decoded slash or control character would name something that the path does not say.
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    return /[/\\\u0000-\u001f\u007f]/.test(decoded) ? "" : decoded;
  } catch {
    return "";
  }
}

function found(service: string, node: string): ServiceResolution {
  return { kind: "found", service, node };
}

/** With services of cranker connectors about: those of the host's own, then what a host may name besides them. */
function resolveDomain(
  head: RequestHead,
  knows: KnowsService,
  byPath: PathServices,
  tried: string[],
): ServiceResolution | undefined {
  const domain = withoutFinalDot(hostName(head.host)).toLowerCase();
  const segment = firstSegment(head.path);
  if (domain !== "") {
    const route = `${domain}/${segment}`;
    if (segment !== "" && byPath.isByPath(route) && knows(route, "")) return found(route, "");
    const rest = `${domain}/${CATCH_ALL}`;
    if (byPath.isByPath(rest) && knows(rest, "")) return found(rest, "");
  }
  return resolveHost(head.host, (service, node) => !byPath.isByPath(service) && knows(service, node), tried);
}

/** Service names may hold dots themselves, so the longest run of leading labels that is known wins. */
function resolveHost(host: string, knows: KnowsService, tried: string[]): ServiceResolution | undefined {
  const sent = withoutFinalDot(hostName(host));
  if (sent === "" || isAddress(sent)) return undefined;
  // Host names ignore case, service names need not: as sent first, then in lower case.
  const lower = sent.toLowerCase();
  const resolved = resolveName(sent, knows, tried);
  if (resolved !== undefined || lower === sent) return resolved;
  return resolveName(lower, knows, tried);
}

function resolveName(name: string, knows: KnowsService, tried: string[]): ServiceResolution | undefined {
  let end = name.length;
  for (let labels = 0; end > 0 && labels < LABELS_MAX; labels++) {
    const service = name.slice(0, end);
    if (service !== CATCH_ALL) {
      if (knows(service, "")) return found(service, "");
      tried.push(service);
    }
    end = name.lastIndexOf(".", end - 1);
  }
  const dot = name.indexOf(".");
  if (dot <= 0 || dot === name.length - 1) return undefined;
  const node = name.slice(0, dot);
  const service = name.slice(dot + 1);
  if (knows(service, node)) return found(service, node);
  tried.push(`${service} at node ${node}`);
  return undefined;
}

function withoutFinalDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
