/**
 * The head to send on for a request head (RFC 9110 §7.6): origin form, HTTP/1.1, end-to-end fields as they came and in
 * their order, hop-by-hop fields gone, and who forwarded it for whom at the end.
 *
 * The usual request is one slice of its own text plus lines that were made once for its connection.
 */
import { crc32c } from "../base/crc32c.ts";
import {
  addressList,
  forwardedFrom,
  forwardedNode,
  hostOf,
  parseForwarded,
  portOf,
  schemeOf,
} from "./forwarded-list.ts";
import { LINE_HOP_BY_HOP } from "./named-fields.ts";
import { LINE_CLIENT_IDENTITY, LINE_REQUEST_ID, LINE_TRACEPARENT, LINE_TRACESTATE } from "./request-head.ts";
import type { RequestHead } from "./request-head.ts";
import { isTracestate, traceparentOf } from "./trace-context.ts";

export interface ForwardingOptions {
  /** Our name in Via: a token, such as the node's name. */
  readonly via: string;
  /** What tells this node from others of its name: a token that is its own. */
  readonly instance: string;
  /** The client's IP address without brackets or port; empty for a unix socket. */
  readonly clientAddress: string;
  /** The client's version of HTTP as Via says it, where its requests do not: they are HTTP/1.1 by the time they get here. */
  readonly httpVersion?: "2" | undefined;
  /** Told in `Forwarded: for=`; 0 leaves it out. */
  readonly clientPort: number;
  readonly proto: "http" | "https";
  /** The client is a proxy of ours: what it says about its own client is kept and extended, else it is replaced. */
  readonly trusted: boolean;
  /** What Host becomes when an HTTP/1.0 client named none: the listener's own address. */
  readonly defaultHost: string;
  /** The listener's, told where Host has none; 0 where it has none itself. */
  readonly port: number;
  /** A whole line about the client's certificate; left out where there is none. */
  readonly clientCertificate?: string | undefined;
}

/** What every request of one client connection has in common, made into lines once. */
export class ForwardingContext {
  readonly trusted: boolean;
  readonly defaultHost: string;
  /** The client's address, IPv4 also where it came mapped into IPv6; empty for a unix socket. */
  readonly address: string;
  readonly #via: string;
  readonly #instance: string;
  readonly #port: string;
  /** The client's version where it is not one of HTTP/1. */
  readonly httpVersion: string | undefined;
  readonly #node: string;
  readonly #proto: string;
  readonly #clientCertificate: string;
  #lastHost = "";
  #lastVersionMinor = 1;
  #lastEnding = "";

  constructor(options: ForwardingOptions) {
    this.trusted = options.trusted;
    this.defaultHost = options.defaultHost;
    this.#via = viaName(options.via);
    this.#instance = options.instance;
    this.#port = options.port === 0 ? "" : String(options.port);
    this.httpVersion = options.httpVersion;
    this.address = plainAddress(options.clientAddress);
    this.#node = forwardedNode(this.address, options.clientPort);
    this.#proto = options.proto;
    this.#clientCertificate = options.clientCertificate ?? "";
  }

  /** The lines, and the blank one, for a request that brought no forwarding fields, or none that count. Cached for the last host. */
  ending(host: string, versionMinor: number): string {
    if (this.#lastEnding === "" || host !== this.#lastHost || versionMinor !== this.#lastVersionMinor) {
      this.#lastHost = host;
      this.#lastVersionMinor = versionMinor;
      this.#lastEnding = this.#compose(host, versionMinor, NOTHING_SAID);
    }
    return this.#lastEnding;
  }

  /** Whether the request passed a node of this name before. It may have been another one. */
  knowsName(head: RequestHead): boolean {
    return head.hasVia && (head.header("via") ?? "").includes(this.#via);
  }

  /** Whether the request passed this very node on its way to `service` before, and was marked then as one that had come back. */
  knowsTurn(head: RequestHead, service: string): boolean {
    return head.hasVia && (head.header("via") ?? "").includes(this.#mark(service));
  }

  /** The lines for a request that passed a node of this name before: if it was this one, the mark tells when it comes again. */
  markedEnding(head: RequestHead, host: string, extend: boolean, service: string): string {
    return this.#compose(host, head.versionMinor, extend ? saidBefore(head) : NOTHING_SAID, ` ${this.#mark(service)}`);
  }

  /** A comment (RFC 9110 §7.6.3), the same for each request for the service, and opaque to apps. */
  #mark(service: string): string {
    return `(${this.#instance}-${crc32c(Buffer.from(service)).toString(16)})`;
  }

  /** How the client itself came, as far as can be believed: what the first of the trusted proxies saw, or what we see. */
  protoOf(head: RequestHead): string {
    if (!this.trusted || !head.hasForwardingFields) return this.#proto;
    return saidBefore(head).proto || this.#proto;
  }

  /** The same for a trusted proxy's request: its own fields, extended by this hop. */
  extendedEnding(head: RequestHead, host: string): string {
    return this.#compose(host, head.versionMinor, saidBefore(head));
  }

  #compose(host: string, versionMinor: number, said: SaidBefore, mark = ""): string {
    // Protocol, host and port are those that the first proxy saw; addresses and elements are lists that each hop extends.
    const proto = said.proto === "" ? this.#proto : said.proto;
    const firstHost = said.host === "" ? host : said.host;
    // The port of what a proxy in front was asked for is its to tell, or that of the scheme.
    const ours = said.host === "" && said.proto === "" ? this.#port : "";
    const element = `for=${this.#node};host="${host}";proto=${this.#proto}`;
    return (
      `Via: ${this.httpVersion ?? `1.${versionMinor}`} ${this.#via}${mark}\r\n` +
      `X-Forwarded-For: ${join(said.addresses, this.address === "" ? "unknown" : this.address)}\r\n` +
      `X-Forwarded-Proto: ${proto}\r\n` +
      `X-Forwarded-Host: ${firstHost}\r\n` +
      `X-Forwarded-Port: ${said.port === "" ? portOf(firstHost, proto, ours) : said.port}\r\n` +
      `Forwarded: ${join(said.elements, element)}\r\n${this.#clientCertificate}\r\n`
    );
  }
}

/** What proxies in front said, each in the form of the field that it goes into; empty for nothing. */
interface SaidBefore {
  readonly addresses: string;
  readonly proto: string;
  readonly host: string;
  readonly port: string;
  readonly elements: string;
}

const PORT_MAX = 65_535;

const NOTHING_SAID: SaidBefore = Object.freeze({ addresses: "", proto: "", host: "", port: "", elements: "" });

/** A trusted proxy may speak `Forwarded`, or the `X-` family, or both: what is missing in one is taken from the other. */
export function saidBefore(head: RequestHead): SaidBefore {
  const raw = head.header("forwarded") ?? "";
  // What cannot be read could swallow what is written behind it, so it is dropped as a whole.
  const parsed = parseForwarded(raw) ?? [];
  const first = parsed[0];
  const addresses = head.header("x-forwarded-for") ?? "";
  const proto = schemeOf(head.header("x-forwarded-proto")) || (first?.proto ?? "");
  const host = hostOf(head.header("x-forwarded-host")) || (first?.host ?? "");
  const port = portNumber(head.header("x-forwarded-port") ?? "");
  return {
    addresses: addresses === "" ? addressList(parsed) : addresses,
    proto,
    host,
    port,
    elements: first === undefined ? forwardedFrom(addresses, proto, host) : raw,
  };
}

/** The first of a list of ports, in the one way in which a port is written; empty for anything else. */
function portNumber(list: string): string {
  const port = /^[ \t]*([1-9]\d{0,4})[ \t]*(?:,|$)/.exec(list)?.[1] ?? "";
  return Number(port) <= PORT_MAX ? port : "";
}

/**
 * The head to open a stream with, up to where `forwardedEnding` goes on; latin1. `path` is `head.path`, or what
 * `rewritePath` made of it. `requestId` and `traceparent` replace what the client brought; empty: what it brought goes on,
 * unless it is no valid trace. A `rewrittenHost` stands in Host, while the forwarding fields keep the client's.
 *
 * Two strings, because joining them costs more than writing both: one is mostly a slice, the other is made once.
 */
export function forwardedStart(
  head: RequestHead,
  context: ForwardingContext,
  path: string = head.path,
  requestId = "",
  traceparent = "",
  rewrittenHost = "",
): string {
  const host = rewrittenHost !== "" ? rewrittenHost : head.host === "" ? context.defaultHost : head.host;
  const text = head.text;

  let out: string;
  let from = head.fieldsStart;
  if (head.leadEnd > 0 && rewrittenHost !== "") {
    out = `${head.method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
    from = head.leadEnd;
  } else if (head.leadEnd > 0 && path === head.target) {
    out = "";
    from = 0;
  } else if (head.leadEnd > 0) {
    out = `${head.method} ${path} HTTP/1.1\r\n`;
  } else {
    out = `${head.method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  }
  const marks = head.marks;
  for (let i = 0; i < marks.length; i += 3) {
    const kind = marks[i] as number;
    if (kind === LINE_REQUEST_ID) {
      if (requestId === "") continue;
    } else if (kind === LINE_CLIENT_IDENTITY) {
      if (context.trusted) continue;
    } else if (kind !== LINE_HOP_BY_HOP && traceparent === "" && tracesOn(head, kind)) {
      continue;
    }
    const start = marks[i + 1] as number;
    if (start > from) out += text.slice(from, start);
    from = marks[i + 2] as number;
  }
  if (from < head.fieldsEnd) out += text.slice(from, head.fieldsEnd);
  if (head.upgrade !== "") out += `Connection: upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
  else if (head.acceptsTrailers) out += "Connection: TE\r\nTE: trailers\r\n";
  if (requestId !== "") out += `X-Request-Id: ${requestId}\r\n`;
  if (traceparent !== "") out += `traceparent: ${traceparent}\r\n`;
  return out;
}

/** Whether the line is one of a trace, and valid: state counts for nothing without its trace. */
function tracesOn(head: RequestHead, kind: number): boolean {
  if (kind === LINE_TRACEPARENT) return traceparentOf(head) !== "";
  return kind === LINE_TRACESTATE && traceparentOf(head) !== "" && isTracestate(head.header("tracestate") ?? "");
}

/** The rest of the head: who forwarded it for whom, and the blank line. `service`: where it goes. */
export function forwardedEnding(head: RequestHead, context: ForwardingContext, service: string): string {
  const host = head.host === "" ? context.defaultHost : head.host;
  const extend = head.hasForwardingFields && context.trusted;
  if (head.hasVia && context.knowsName(head)) return context.markedEnding(head, host, extend, service);
  return extend ? context.extendedEnding(head, host) : context.ending(host, head.versionMinor);
}

/**
 * A path for a route that says `stripPrefix` or `addPrefix` (both without a final slash; empty for none). A path that does
 * not lie under the prefix, segment by segment, stays as it is; `*` always does.
 */
export function rewritePath(path: string, stripPrefix: string, addPrefix: string): string {
  if (!path.startsWith("/")) return path;
  let rest = path;
  if (stripPrefix !== "" && path.startsWith(stripPrefix)) {
    const next = path.charAt(stripPrefix.length);
    if (next === "/") rest = path.slice(stripPrefix.length);
    else if (next === "" || next === "?") rest = `/${path.slice(stripPrefix.length)}`;
  }
  return addPrefix === "" ? rest : addPrefix + rest;
}

/** `name` with what a Via pseudonym may not hold replaced, so that any node name can stand in a head. */
export function viaName(name: string): string {
  const token = name.replace(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g, "-");
  return token === "" ? "polarity" : token;
}

/** An IPv4 client of a dual-stack socket appears as `::ffff:192.0.2.1`; apps know it by its IPv4 address. */
function plainAddress(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}

function join(list: string, element: string): string {
  return list === "" ? element : `${list}, ${element}`;
}
