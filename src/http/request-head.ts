/**
 * A request head (RFC 9112 §2–§3, §6) read in one pass over its text.
 *
 * Whatever two parsers could understand differently is refused, so that what is forwarded means one thing. The fields stay
 * in the text: only what framing, routing and forwarding need is noted, and the lines that do not travel on are marked.
 */
import {
  equalsLower,
  fieldEntries,
  FieldLine,
  fieldValue,
  isTokenCharacter,
  parseContentLength,
} from "./field-line.ts";
import { elementEnd, isBlank, isToken } from "./field-line.ts";
import type { HeadLimits } from "./head-limits.ts";
import { DEFAULT_HEAD_LIMITS } from "./head-limits.ts";
import { describeByte, HttpProblem } from "./http-problem.ts";
import { refusedHost } from "./host.ts";

export type RequestHead = Readonly<ParsedRequestHead>;

/** How the client wrote its target (RFC 9112 §3.2). The authority form belongs to CONNECT, which is refused. */
export type TargetForm = "origin" | "absolute" | "asterisk";

export type RequestBodyKind = "none" | "length" | "chunked";

/** What becomes of a marked line: it never travels on, or only a trusted client's does. */
export const LINE_HOP_BY_HOP = 0;
export const LINE_FORWARDED = 1;
export const LINE_FORWARDED_FOR = 2;
export const LINE_FORWARDED_PROTO = 3;
export const LINE_FORWARDED_HOST = 4;
export const LINE_CLIENT_IDENTITY = 5;
export const LINE_REQUEST_ID = 6;

class ParsedRequestHead {
  /** The whole head as it came, blank line included; latin1. */
  readonly text: string;
  method = "";
  /** The target as sent. */
  target = "";
  form: TargetForm = "origin";
  /** Path and query to forward: origin form, or `*`. */
  path = "";
  versionMinor: 0 | 1 = 1;
  /** Host and port, from an absolute target or else from the Host field; empty when neither names one. */
  host = "";
  bodyKind: RequestBodyKind = "none";
  bodyLength = 0;
  /** The client would like to keep its connection. */
  keepAlive = true;
  /** The client waits for `100 Continue` before it sends its body. */
  expectsContinue = false;
  /** The protocol that the client asks to change to, as sent; empty when there is none that may be passed on. */
  upgrade = "";
  /** The value of X-Service-Id, or empty. */
  serviceId = "";
  /** `TE: trailers` was said. */
  acceptsTrailers = false;

  // For forwarding: where the field lines are, and which of them are special, as (kind, start, end) in order.
  fieldsStart = 0;
  fieldsEnd = 0;
  readonly marks: number[] = [];
  /** Where the Host line ends, when request line and Host line can be forwarded just as they came; else 0. */
  leadEnd = 0;
  hasForwardingFields = false;
  hasRequestId = false;

  constructor(text: string) {
    this.text = text;
  }

  /** The value of a field by name, any case; several lines are joined by commas. Searches: for rare use. */
  header(name: string): string | undefined {
    return fieldValue(this.text, this.fieldsStart, this.fieldsEnd, name);
  }

  /** Name and value of each field, in order. For rare use. */
  fields(): Generator<[name: string, value: string]> {
    return fieldEntries(this.text, this.fieldsStart, this.fieldsEnd);
  }
}

/** What one parse has seen so far; one object serves all, since a parse never yields. */
class Seen {
  hostCount = 0;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  connectionUpgrade = false;
  upgradeCount = 0;
  /** Names that a Connection field lists beyond the well-known; undefined for almost every request. */
  named: Set<string> | undefined;

  clear(): void {
    this.hostCount = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.connectionUpgrade = false;
    this.upgradeCount = 0;
    this.named = undefined;
  }
}

const line = new FieldLine();
const seen = new Seen();

/** Reads a head as a `HeadCollector` gives it: latin1, with its blank line. */
export function parseRequestHead(text: string, limits: HeadLimits = DEFAULT_HEAD_LIMITS): RequestHead | HttpProblem {
  const head = new ParsedRequestHead(text);
  const refused = readRequestLine(head, limits);
  if (refused !== undefined) return refused;

  seen.clear();
  let at = head.fieldsStart;
  let count = 0;
  while (text.charCodeAt(at) !== CR) {
    if (++count > limits.fieldCountMax) {
      return new HttpProblem("HEAD_TOO_LARGE", `more than ${limits.fieldCountMax} header fields`);
    }
    const reason = line.read(text, at);
    if (reason !== "") return bad(reason);
    const problem = noteField(head, count);
    if (problem !== "") return bad(problem);
    at = line.end;
  }
  if (text.charCodeAt(at + 1) !== LF || text.length !== at + 2) return bad("a carriage return without a line feed");
  head.fieldsEnd = at;
  return conclude(head);
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;
const SLASH = 0x2f;
const VERSION_PREFIX = "HTTP/1.";
const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n";

function bad(reason: string): HttpProblem {
  return new HttpProblem("BAD_REQUEST", reason);
}

function readRequestLine(head: ParsedRequestHead, limits: HeadLimits): HttpProblem | undefined {
  const text = head.text;
  let at = 0;
  while (isTokenCharacter(text.charCodeAt(at))) at++;
  if (at === 0 || text.charCodeAt(at) !== SPACE) {
    return bad(`${describeByte(text.charCodeAt(at))} in the request method`);
  }
  head.method = at === 3 && text.startsWith("GET") ? "GET" : text.slice(0, at);

  const targetStart = ++at;
  let code = text.charCodeAt(at);
  while (code > SPACE && code < 0x7f && code !== HASH) code = text.charCodeAt(++at);
  if (at - targetStart > limits.targetBytesMax) {
    return new HttpProblem("TARGET_TOO_LONG", `the request target is longer than ${limits.targetBytesMax} bytes`);
  }
  if (code !== SPACE) return bad(refusedTarget(code));
  if (at === targetStart) return bad("an empty request target");
  head.target = text.slice(targetStart, at);

  const version = ++at;
  const minor = text.charCodeAt(version + VERSION_PREFIX.length) - 0x30;
  if (!text.startsWith(VERSION_PREFIX, version) || (minor !== 0 && minor !== 1)) return refusedVersion(text, version);
  at = version + VERSION_PREFIX.length + 1;
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) {
    return bad(`${describeByte(text.charCodeAt(at))} after the HTTP version`);
  }
  head.versionMinor = minor;
  head.fieldsStart = at + 2;
  return readTarget(head);
}

function readTarget(head: ParsedRequestHead): HttpProblem | undefined {
  const target = head.target;
  if (head.method === "CONNECT") return bad("CONNECT is not served here: this is no forward proxy");
  if (target.charCodeAt(0) === SLASH) {
    head.path = target;
    return undefined;
  }
  if (target === "*") {
    if (head.method !== "OPTIONS") return bad(`target "*" with method ${head.method}; only OPTIONS may use it`);
    head.form = "asterisk";
    head.path = "*";
    return undefined;
  }
  const schemeEnd = target.indexOf("://");
  if (schemeEnd < 0 || !(equalsLower(target, 0, schemeEnd, "http") || equalsLower(target, 0, schemeEnd, "https"))) {
    return bad("the request target is neither a path nor an http URL");
  }
  const authorityStart = schemeEnd + 3;
  let authorityEnd = authorityStart;
  while (authorityEnd < target.length && target[authorityEnd] !== "/" && target[authorityEnd] !== "?") authorityEnd++;
  const authority = target.slice(authorityStart, authorityEnd);
  const refused = authority === "" ? "an empty authority" : refusedHost(authority);
  if (refused !== "") return bad(`${refused} in the request target`);
  head.form = "absolute";
  head.host = authority;
  const path = target.slice(authorityEnd);
  if (path.startsWith("/")) head.path = path;
  // RFC 9112 §3.2.4: the last proxy turns a URL without a path into "*" for OPTIONS.
  else head.path = path === "" && head.method === "OPTIONS" ? "*" : `/${path}`;
  return undefined;
}

function refusedTarget(code: number): string {
  if (code === CR) return "a request line without an HTTP version";
  if (code === HASH) return "a fragment in the request target";
  return `${describeByte(code)} in the request target`;
}

function refusedVersion(text: string, start: number): HttpProblem {
  if (text.startsWith(HTTP2_PREFACE)) return bad("an HTTP/2 preface on a connection that speaks HTTP/1.1");
  const end = text.indexOf("\r", start);
  const version = text.slice(start, Math.min(end, start + 16));
  if (/^HTTP\/\d\.\d$/.test(version)) return bad(`version ${version}; HTTP/1.1 and HTTP/1.0 are served here`);
  return bad("a request line that does not end with an HTTP version");
}

/** Notes what the line says. Only names of interest are compared, by first letter and length. */
function noteField(head: ParsedRequestHead, count: number): string {
  const text = head.text;
  if (line.hasUnderscore) return noteUnderscored(head);
  switch (text.charCodeAt(line.nameStart) | 0x20) {
    case 0x63: // c
      if (line.is(text, "connection")) noteConnection(head);
      else if (line.is(text, "content-length")) return noteContentLength(text);
      return "";
    case 0x65: // e
      if (line.is(text, "expect")) noteExpect(head);
      return "";
    case 0x66: // f
      if (line.is(text, "forwarded")) markForwarding(head, LINE_FORWARDED);
      return "";
    case 0x68: // h
      if (line.is(text, "host")) return noteHost(head, count);
      if (line.is(text, "http2-settings")) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x6b: // k
      if (line.is(text, "keep-alive")) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x70: // p
      if (line.is(text, "proxy-connection") || line.is(text, "proxy-authorization")) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x74: // t
      if (line.is(text, "te")) noteTe(head);
      else if (line.is(text, "transfer-encoding")) return noteTransferEncoding(text);
      return "";
    case 0x75: // u
      if (line.is(text, "upgrade")) noteUpgrade(head);
      return "";
    case 0x78: // x
      return noteExtension(head);
    default:
      return "";
  }
}

function mark(head: ParsedRequestHead, kind: number): void {
  head.marks.push(kind, line.nameStart, line.end);
}

function markForwarding(head: ParsedRequestHead, kind: number): void {
  head.hasForwardingFields = true;
  mark(head, kind);
}

function noteHost(head: ParsedRequestHead, count: number): string {
  if (++seen.hostCount > 1) return "more than one Host field";
  const host = line.value(head.text);
  const refused = host === "" ? "" : refusedHost(host);
  if (refused !== "") return `${refused} in the Host field`;
  if (head.form === "absolute") {
    mark(head, LINE_HOP_BY_HOP);
    return "";
  }
  head.host = host;
  // Host first, origin form, HTTP/1.1: what nearly every client sends can be forwarded without being taken apart.
  if (count === 1 && head.versionMinor === 1 && host !== "") head.leadEnd = line.end;
  else mark(head, LINE_HOP_BY_HOP);
  return "";
}

function noteContentLength(text: string): string {
  // A second one is refused even when it agrees: the next parser may take the first, the last or neither.
  if (seen.contentLength >= 0) return "more than one Content-Length field";
  seen.contentLength = parseContentLength(text, line.valueStart, line.valueEnd);
  return seen.contentLength < 0 ? "a Content-Length that is not a plain number of bytes" : "";
}

function noteTransferEncoding(text: string): string {
  if (seen.chunked) return "more than one Transfer-Encoding field";
  if (!equalsLower(text, line.valueStart, line.valueEnd, "chunked")) {
    return "a Transfer-Encoding other than chunked";
  }
  seen.chunked = true;
  return "";
}

function noteExpect(head: ParsedRequestHead): void {
  // RFC 9110 §10.1.1: an HTTP/1.0 client's expectation is ignored, so it must not reach the app as ours.
  if (head.versionMinor === 0) mark(head, LINE_HOP_BY_HOP);
  else if (equalsLower(head.text, line.valueStart, line.valueEnd, "100-continue")) head.expectsContinue = true;
}

function noteTe(head: ParsedRequestHead): void {
  mark(head, LINE_HOP_BY_HOP);
  const text = head.text;
  for (let at = line.valueStart; at < line.valueEnd;) {
    while (at < line.valueEnd && isBlank(text.charCodeAt(at))) at++;
    const to = elementEnd(text, at, line.valueEnd);
    if (equalsLower(text, at, trimmedEnd(text, at, to), "trailers")) head.acceptsTrailers = true;
    at = to + 1;
  }
}

function noteUpgrade(head: ParsedRequestHead): void {
  mark(head, LINE_HOP_BY_HOP);
  seen.upgradeCount++;
  head.upgrade = line.value(head.text);
}

function noteExtension(head: ParsedRequestHead): string {
  const text = head.text;
  if (equalsLower(text, line.nameStart, Math.min(line.nameEnd, line.nameStart + 12), "x-forwarded-")) {
    if (line.is(text, "x-forwarded-for")) markForwarding(head, LINE_FORWARDED_FOR);
    else if (line.is(text, "x-forwarded-proto")) markForwarding(head, LINE_FORWARDED_PROTO);
    else if (line.is(text, "x-forwarded-host")) markForwarding(head, LINE_FORWARDED_HOST);
    else markForwarding(head, LINE_CLIENT_IDENTITY);
  } else if (line.is(text, "x-real-ip")) {
    markForwarding(head, LINE_CLIENT_IDENTITY);
  } else if (line.is(text, "x-request-id")) {
    head.hasRequestId = true;
    mark(head, LINE_REQUEST_ID);
  } else if (line.is(text, "x-service-id")) {
    if (head.serviceId !== "") return "more than one X-Service-Id field";
    head.serviceId = line.value(text);
  }
  return "";
}

/**
 * Apps behind CGI, WSGI or Rack see `X_Forwarded_For` and `X-Forwarded-For` as one name. Spelt so, a framing field is
 * refused, and one that says who the client is never travels on.
 */
function noteUnderscored(head: ParsedRequestHead): string {
  const name = line.name(head.text).toLowerCase().replaceAll("_", "-");
  if (name === "content-length" || name === "transfer-encoding") return `a field named "${line.name(head.text)}"`;
  if (name.startsWith("x-forwarded-") || name === "x-real-ip" || name === "x-service-id") mark(head, LINE_HOP_BY_HOP);
  return "";
}

function noteConnection(head: ParsedRequestHead): void {
  mark(head, LINE_HOP_BY_HOP);
  const text = head.text;
  const end = line.valueEnd;
  for (let at = line.valueStart; at < end;) {
    while (at < end && isBlank(text.charCodeAt(at))) at++;
    const to = elementEnd(text, at, end);
    noteConnectionOption(text, at, trimmedEnd(text, at, to));
    at = to + 1;
  }
}

function noteConnectionOption(text: string, start: number, end: number): void {
  if (equalsLower(text, start, end, "keep-alive")) seen.keepAlive = true;
  else if (equalsLower(text, start, end, "close")) seen.close = true;
  else if (equalsLower(text, start, end, "upgrade")) seen.connectionUpgrade = true;
  else if (end > start) {
    const name = text.slice(start, end).toLowerCase();
    if (!isProtected(name)) (seen.named ??= new Set()).add(name);
  }
}

function trimmedEnd(text: string, start: number, end: number): number {
  let to = end;
  while (to > start && isBlank(text.charCodeAt(to - 1))) to--;
  return to;
}

/** What a client may not have removed on its behalf by naming it in Connection: framing, routing and identity. */
export function isProtected(name: string): boolean {
  return PROTECTED.has(name) || name.startsWith("x-forwarded-") || name.startsWith("content-");
}

const PROTECTED: ReadonlySet<string> = new Set([
  "host",
  "transfer-encoding",
  "te",
  "trailer",
  "expect",
  "forwarded",
  "via",
  "x-real-ip",
  "x-request-id",
  "x-service-id",
  "authorization",
  "cookie",
  "cache-control",
]);

/** What only the whole head can tell: framing, and what the connection options mean together. */
function conclude(head: ParsedRequestHead): RequestHead | HttpProblem {
  if (seen.hostCount === 0 && head.versionMinor === 1) return bad("no Host field in an HTTP/1.1 request");
  if (seen.chunked) {
    if (seen.contentLength >= 0) return bad("both Content-Length and Transfer-Encoding");
    if (head.versionMinor === 0) return bad("Transfer-Encoding in an HTTP/1.0 request");
    head.bodyKind = "chunked";
  } else if (seen.contentLength > 0) {
    head.bodyKind = "length";
    head.bodyLength = seen.contentLength;
  }
  head.keepAlive = !seen.close && (head.versionMinor === 1 || seen.keepAlive);
  if (head.upgrade !== "" && !mayUpgrade(head)) head.upgrade = "";
  if (seen.named !== undefined) markNamed(head, seen.named);
  return head;
}

/**
 * An upgrade is passed on when it is one protocol, properly asked for. HTTP/2 and TLS are not: they would carry requests
 * through the tunnel that no rule here has seen.
 */
function mayUpgrade(head: ParsedRequestHead): boolean {
  if (head.versionMinor === 0 || !seen.connectionUpgrade || seen.upgradeCount !== 1) return false;
  const slash = head.upgrade.indexOf("/");
  const name = slash < 0 ? head.upgrade : head.upgrade.slice(0, slash);
  if (!isToken(name, 0, name.length)) return false;
  if (slash >= 0 && !isToken(head.upgrade, slash + 1, head.upgrade.length)) return false;
  const lower = name.toLowerCase();
  return lower !== "h2c" && lower !== "h2" && lower !== "http" && lower !== "tls";
}

/** Marks the lines that Connection names as hop-by-hop, keeping the marks in order. Rare: the lines are read again. */
function markNamed(head: ParsedRequestHead, named: ReadonlySet<string>): void {
  const marks = head.marks;
  const merged: number[] = [];
  let next = 0;
  for (let at = head.fieldsStart; at < head.fieldsEnd; at = line.end) {
    line.read(head.text, at);
    if (marks[next + 1] === at) {
      merged.push(marks[next] as number, at, line.end);
      next += 3;
    } else if (named.has(line.name(head.text).toLowerCase())) {
      merged.push(LINE_HOP_BY_HOP, at, line.end);
    }
  }
  marks.splice(0, marks.length, ...merged);
}
