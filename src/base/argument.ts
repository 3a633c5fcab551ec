/**
 * Addresses as they are written on a command line, where one word also carries a service's name or a link's options:
 * `web=http://127.0.0.1:3000`, `tcp://127.0.0.1:5432=db`, `ws://edge:8000#cost=10&links=2`.
 */
import type { LinkAddress, ListenerAddress, TargetAddress } from "./address.ts";
import { parseLinkAddress, parseListenerAddress, parseTargetAddress } from "./address.ts";
import { PolarityError } from "./errors.ts";

/** The service that takes whatever no other service takes. */
export const CATCH_ALL_SERVICE = "*";

export interface TargetArgument {
  readonly service: string;
  readonly address: TargetAddress;
}

/** `NAME=TARGET`, or a target alone for the catch-all service. */
export function parseTargetArgument(text: string): TargetArgument {
  const equals = text.indexOf("=");
  // An equals sign inside a URL is the URL's own.
  if (equals < 0 || /:\/\/|^([a-z0-9]+\+)?unix:/i.test(text.slice(0, equals))) {
    return { service: CATCH_ALL_SERVICE, address: parseTargetAddress(text) };
  }
  if (equals === 0)
    throw usage(`expected NAME=TARGET such as web=http://127.0.0.1:3000: the name is missing (got ${text})`);
  return { service: checkServiceName(text.slice(0, equals)), address: parseTargetAddress(text.slice(equals + 1)) };
}

export interface ListenArgument {
  readonly address: ListenerAddress;
  /** Undefined: the request says which service it wants. */
  readonly service: ServiceReference | undefined;
}

/** `URL` or `URL=SERVICE`. In a unix socket's path the last equals sign counts, elsewhere the first. */
export function parseListenArgument(text: string): ListenArgument {
  const equals = text.startsWith("unix:") ? text.lastIndexOf("=") : text.indexOf("=");
  const address = parseListenerAddress(equals < 0 ? text : text.slice(0, equals));
  if (equals < 0) {
    if (address.protocol !== "http/1.1") {
      throw usage(`a ${address.scheme}:// listener serves one service: write ${text}=SERVICE`);
    }
    return { address, service: undefined };
  }
  return { address, service: parseServiceReference(text.slice(equals + 1)) };
}

export interface AnalyzeArgument {
  readonly service: string;
  /** As the key `analyze` of a configuration takes it. */
  readonly analyzer: string;
}

/** `SERVICE=ANALYZER`. */
export function parseAnalyzeArgument(text: string): AnalyzeArgument {
  const equals = text.indexOf("=");
  if (equals <= 0 || equals === text.length - 1)
    throw usage(`expected SERVICE=ANALYZER such as db=postgres (got ${text})`);
  return { service: text.slice(0, equals), analyzer: text.slice(equals + 1) };
}

export interface RouterArgument {
  readonly address: LinkAddress;
  /** Undefined where the argument leaves it to the flags. */
  readonly cost: number | undefined;
  readonly links: number | undefined;
}

/** `URL`, with `#cost=10&links=2` behind it. */
export function parseRouterArgument(text: string): RouterArgument {
  const hash = text.indexOf("#");
  const address = parseLinkAddress(hash < 0 ? text : text.slice(0, hash));
  const options = new Map<string, number>();
  for (const pair of hash < 0 ? [] : text.slice(hash + 1).split("&")) {
    const match = /^(cost|links)=(\d{1,6})$/.exec(pair);
    if (match?.[1] === undefined || options.has(match[1])) {
      throw usage(`expected #cost=10 or #cost=10&links=2 behind the router's URL (got #${text.slice(hash + 1)})`);
    }
    options.set(match[1], Number(match[2]));
  }
  return { address, cost: options.get("cost"), links: options.get("links") };
}

/** A service, of one node where that is given. */
export interface ServiceReference {
  readonly service: string;
  readonly node: string | undefined;
}

/**
 * `SERVICE`, or `NODE.SERVICE`: the node is what stands before the first dot. A leading dot says that no node is meant, for
 * services with dots in their names: `.my.service`.
 */
export function parseServiceReference(text: string): ServiceReference {
  const dot = text.indexOf(".");
  if (dot < 0) return { service: checkServiceName(text), node: undefined };
  const node = dot === 0 ? undefined : checkNodeName(text.slice(0, dot));
  return { service: checkServiceName(text.slice(dot + 1)), node };
}

const SERVICE_NAME_BYTES_MAX = 253;

/** Any characters but control characters and blanks, so that names survive logs, headers and hosts. */
export function checkServiceName(name: string): string {
  if (name === "") throw usage("the service's name is missing");
  if (Buffer.byteLength(name) > SERVICE_NAME_BYTES_MAX) {
    throw usage(`a service's name has at most ${SERVICE_NAME_BYTES_MAX} bytes (got ${Buffer.byteLength(name)})`);
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f-\u00a0\u2028\u2029]/.test(name)) {
    throw usage(`a service's name has no blanks or control characters (got ${JSON.stringify(name)})`);
  }
  return name;
}

/** One DNS label, because a node's name is the first label of `node.service`. */
export function checkNodeName(name: string): string {
  if (/^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/i.test(name)) return name;
  throw usage(
    `a node's name is 1 to 63 letters, digits, hyphens or underscores, without dots (got ${JSON.stringify(name)})`,
  );
}

function usage(message: string): PolarityError {
  return new PolarityError("USAGE", message);
}
