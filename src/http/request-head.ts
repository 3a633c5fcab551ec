/**
 * A request head (RFC 9112 §2–§3, §6) read in one pass over its text.
 *
 * Whatever two parsers could understand differently is refused, so that what is forwarded means one thing. The fields stay
 * in the text: only what framing, routing and forwarding need is noted, and the lines that do not travel on are marked.
 */
import { claimsClient, isProtected, PLAIN_CLIENT_FIELDS } from "./client-fields.ts";
import {
  equalsLower,
  fieldEntries,
  FieldLine,
  fieldValue,
  isToken,
  ListElements,
  lowerBytes,
  parseContentLength,
  plainName,
} from "./field-line.ts";
import { HeadLines } from "./head-lines.ts";
import type { HeadLimits } from "./head-limits.ts";
import { DEFAULT_HEAD_LIMITS } from "./head-limits.ts";
import { HttpProblem } from "./http-problem.ts";
import { readHost } from "./known-hosts.ts";
import { LINE_HOP_BY_HOP, withNamed } from "./named-fields.ts";
import { readRequestLine } from "./request-line.ts";
import type { TargetForm } from "./request-line.ts";
import { mayAskFor } from "./upgrade.ts";

export type RequestHead = Readonly<ParsedRequestHead>;

export type RequestBodyKind = "none" | "length" | "chunked";

/** Besides LINE_HOP_BY_HOP: lines that are made anew, those that only a trusted client may send on, and the request's names. */
export const LINE_FORWARDED = 1;
export const LINE_CLIENT_IDENTITY = 5;
export const LINE_REQUEST_ID = 6;
export const LINE_TRACEPARENT = 7;
export const LINE_TRACESTATE = 8;

/** Most requests need no mark, so a head gets a list of its own with the first. */
const NO_MARKS: readonly number[] = Object.freeze([]);

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
  marks: readonly number[] = NO_MARKS;
  /** Where the Host line ends, when request line and Host line can be forwarded just as they came; else 0. */
  leadEnd = 0;
  hasForwardingFields = false;
  hasRequestId = false;
  hasTraceFields = false;
  hasVia = false;

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
  serviceIdCount = 0;
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
    this.serviceIdCount = 0;
    this.named = undefined;
  }
}

const lines = new HeadLines();
const line = new FieldLine();
const list = new ListElements();
const seen = new Seen();

/** Reads a head as a `HeadCollector` gives it: latin1, with its blank line. */
export function parseRequestHead(text: string, limits: HeadLimits = DEFAULT_HEAD_LIMITS): RequestHead | HttpProblem {
  const reason = lines.scan(text);
  if (reason !== "") return bad(reason);
  const last = lines.count - 1;
  const bytes = lines.bytes;
  const ends = lines.ends;
  if (last < 1 || (ends[last] as number) - (ends[last - 1] as number) !== 2)
    return bad("a head without its blank line");
  const head = new ParsedRequestHead(text);
  const refused = readRequestLine(head, lines, limits);
  if (refused !== undefined) return refused;

  if (last - 1 > limits.fieldCountMax) {
    return new HttpProblem("HEAD_TOO_LARGE", `more than ${limits.fieldCountMax} header fields`);
  }
  seen.clear();
  let at = ends[0] as number;
  head.fieldsStart = at;
  for (let index = 1; index < last; index++) {
    const end = ends[index] as number;
    let problem = line.read(bytes, at, end);
    if (problem === "") problem = noteField(head, bytes, index);
    if (problem !== "") return bad(problem);
    at = end;
  }
  head.fieldsEnd = at;
  return conclude(head);
}

const HYPHEN = 0x2d;
const ZERO = 0x30;

function bad(reason: string): HttpProblem {
  return new HttpProblem("BAD_REQUEST", reason);
}

const CHUNKED = lowerBytes("chunked");
const CLOSE = lowerBytes("close");
const CONNECTION = lowerBytes("connection");
const CONTENT_LENGTH = lowerBytes("content-length");
const CONTINUE = lowerBytes("100-continue");
const EXPECT = lowerBytes("expect");
const FORWARDED = lowerBytes("forwarded");
const FORWARDED_PREFIX = lowerBytes("x-forwarded-");
const HOST = lowerBytes("host");
const HTTP2_SETTINGS = lowerBytes("http2-settings");
const KEEP_ALIVE = lowerBytes("keep-alive");
const PROXY = lowerBytes("proxy");
const PROXY_AUTHORIZATION = lowerBytes("proxy-authorization");
const PROXY_CONNECTION = lowerBytes("proxy-connection");
const TE = lowerBytes("te");
const TRACEPARENT = lowerBytes("traceparent");
const TRACESTATE = lowerBytes("tracestate");
const TRAILERS = lowerBytes("trailers");
const TRANSFER_ENCODING = lowerBytes("transfer-encoding");
const UPGRADE = lowerBytes("upgrade");
const VIA = lowerBytes("via");
const X_FORWARDED_FOR = lowerBytes("x-forwarded-for");
const X_FORWARDED_HOST = lowerBytes("x-forwarded-host");
const X_FORWARDED_PORT = lowerBytes("x-forwarded-port");
const X_FORWARDED_PROTO = lowerBytes("x-forwarded-proto");
const X_REQUEST_ID = lowerBytes("x-request-id");
const X_SERVICE_ID = lowerBytes("x-service-id");

/** By first letter, those of the client fields that are neither Forwarded nor in the `X-` family. */
const CLIENT_FIELDS = Object.groupBy(
  PLAIN_CLIENT_FIELDS.filter((name) => name !== "forwarded").map(lowerBytes),
  (name) => name[0] as number,
);
const CLIENT_C = CLIENT_FIELDS[0x63] ?? [];
const CLIENT_F = CLIENT_FIELDS[0x66] ?? [];
const CLIENT_T = CLIENT_FIELDS[0x74] ?? [];
const CLIENT_W = CLIENT_FIELDS[0x77] ?? [];

/** Notes what the line says. Only names of interest are compared, by first letter and length. */
function noteField(head: ParsedRequestHead, bytes: Uint8Array, index: number): string {
  if (line.isOdd) return noteOddName(head);
  switch ((bytes[line.start] as number) | 0x20) {
    case 0x63: // c
      if (line.is(bytes, CONNECTION)) return noteConnection(head, bytes);
      if (line.is(bytes, CONTENT_LENGTH)) return noteContentLength(bytes);
      noteClientField(head, bytes, CLIENT_C);
      return "";
    case 0x65: // e
      return line.is(bytes, EXPECT) ? noteExpect(head, bytes) : "";
    case 0x66: // f
      if (line.is(bytes, FORWARDED)) markForwarding(head, LINE_FORWARDED);
      else noteClientField(head, bytes, CLIENT_F);
      return "";
    case 0x68: // h
      if (line.is(bytes, HOST)) return noteHost(head, bytes, index);
      if (line.is(bytes, HTTP2_SETTINGS)) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x6b: // k
      if (line.is(bytes, KEEP_ALIVE)) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x70: // p
      // CGI makes HTTP_PROXY of a field named Proxy, and programs take that for their own setting: nobody may send it.
      if (line.is(bytes, PROXY) || line.is(bytes, PROXY_CONNECTION) || line.is(bytes, PROXY_AUTHORIZATION)) {
        mark(head, LINE_HOP_BY_HOP);
      }
      return "";
    case 0x74: // t
      if (line.is(bytes, TE)) noteTe(head, bytes);
      else if (line.is(bytes, TRANSFER_ENCODING)) return noteTransferEncoding(bytes);
      else if (line.is(bytes, TRACEPARENT)) markTrace(head, LINE_TRACEPARENT);
      else if (line.is(bytes, TRACESTATE)) markTrace(head, LINE_TRACESTATE);
      else noteClientField(head, bytes, CLIENT_T);
      return "";
    case 0x75: // u
      if (line.is(bytes, UPGRADE)) noteUpgrade(head);
      return "";
    case 0x76: // v
      if (line.is(bytes, VIA)) head.hasVia = true;
      return "";
    case 0x77: // w
      noteClientField(head, bytes, CLIENT_W);
      return "";
    case 0x78: // x
      return bytes[line.start + 1] === HYPHEN ? noteExtension(head, bytes) : "";
    default:
      return "";
  }
}

function mark(head: ParsedRequestHead, kind: number): void {
  if (head.marks === NO_MARKS) head.marks = [kind, line.start, line.end];
  else (head.marks as number[]).push(kind, line.start, line.end);
}

function markForwarding(head: ParsedRequestHead, kind: number): void {
  head.hasForwardingFields = true;
  mark(head, kind);
}

function markTrace(head: ParsedRequestHead, kind: number): void {
  head.hasTraceFields = true;
  mark(head, kind);
}

function noteClientField(head: ParsedRequestHead, bytes: Uint8Array, names: readonly Uint8Array[]): void {
  for (const name of names) if (line.is(bytes, name)) markForwarding(head, LINE_CLIENT_IDENTITY);
}

function noteHost(head: ParsedRequestHead, bytes: Uint8Array, index: number): string {
  if (++seen.hostCount > 1) return "more than one Host field";
  const host = readHost(bytes, line.valueStart, line.valueEnd);
  if (typeof host === "object") return `${host.refused} in the Host field`;
  if (head.form === "absolute") {
    // RFC 9112 §3.2.2: the target's authority replaces what Host says.
    mark(head, LINE_HOP_BY_HOP);
    return "";
  }
  head.host = host;
  // Host first, origin form, HTTP/1.1: what nearly every client sends can be forwarded without being taken apart.
  if (index === 1 && head.versionMinor === 1 && head.host !== "") head.leadEnd = line.end;
  else mark(head, LINE_HOP_BY_HOP);
  return "";
}

function noteContentLength(bytes: Uint8Array): string {
  // A second one is refused even when it agrees: the next parser may take the first, the last or neither.
  if (seen.contentLength >= 0) return "more than one Content-Length field";
  if (line.hasTabAround(bytes)) return "a tab beside the value of Content-Length";
  seen.contentLength = parseContentLength(bytes, line.valueStart, line.valueEnd);
  if (seen.contentLength < 0) return "a Content-Length that is not a plain number of bytes";
  // Some parsers read what begins with a zero as octal.
  const digits = line.valueEnd - line.valueStart;
  return digits > 1 && bytes[line.valueStart] === ZERO ? "a Content-Length that begins with a zero" : "";
}

function noteTransferEncoding(bytes: Uint8Array): string {
  if (seen.chunked) return "more than one Transfer-Encoding field";
  if (line.hasTabAround(bytes)) return "a tab beside the value of Transfer-Encoding";
  if (!line.valueIs(bytes, CHUNKED)) return "a Transfer-Encoding other than chunked";
  seen.chunked = true;
  return "";
}

function noteExpect(head: ParsedRequestHead, bytes: Uint8Array): string {
  // RFC 9110 §10.1.1: an HTTP/1.0 client's expectation is ignored, so it must not reach the app as ours.
  if (head.versionMinor === 0) {
    mark(head, LINE_HOP_BY_HOP);
    return "";
  }
  if (head.expectsContinue) return "more than one Expect field";
  // An app that sees an expectation where we see none answers at a time that we do not expect, with a body on its way.
  if (!line.valueIs(bytes, CONTINUE)) return "an Expect other than 100-continue";
  head.expectsContinue = true;
  return "";
}

function noteTe(head: ParsedRequestHead, bytes: Uint8Array): void {
  mark(head, LINE_HOP_BY_HOP);
  list.open(line.valueStart, line.valueEnd);
  while (list.next(bytes)) if (equalsLower(bytes, list.start, list.end, TRAILERS)) head.acceptsTrailers = true;
}

function noteUpgrade(head: ParsedRequestHead): void {
  mark(head, LINE_HOP_BY_HOP);
  seen.upgradeCount++;
  head.upgrade = line.value(head.text);
}

/** Fields whose names begin with `X-`. What a router adds is among them, so every connector sees some. */
function noteExtension(head: ParsedRequestHead, bytes: Uint8Array): string {
  if (equalsLower(bytes, line.start, Math.min(line.nameEnd, line.start + FORWARDED_PREFIX.length), FORWARDED_PREFIX)) {
    markForwarding(head, isMadeAnew(bytes) ? LINE_FORWARDED : LINE_CLIENT_IDENTITY);
  } else if (line.is(bytes, X_REQUEST_ID)) {
    head.hasRequestId = true;
    mark(head, LINE_REQUEST_ID);
  } else if (line.is(bytes, X_SERVICE_ID)) {
    if (++seen.serviceIdCount > 1) return "more than one X-Service-Id field";
    head.serviceId = line.value(head.text);
  } else if (claimsClient(line.name(head.text).toLowerCase())) {
    markForwarding(head, LINE_CLIENT_IDENTITY);
  }
  return "";
}

function isMadeAnew(bytes: Uint8Array): boolean {
  return (
    line.is(bytes, X_FORWARDED_FOR) ||
    line.is(bytes, X_FORWARDED_PROTO) ||
    line.is(bytes, X_FORWARDED_HOST) ||
    line.is(bytes, X_FORWARDED_PORT)
  );
}

/**
 * Apps behind CGI, WSGI or Rack see `X_Forwarded_For`, and some `X.Forwarded.For`, as they see `X-Forwarded-For`. Spelt
 * so, a framing field is refused, and one that says who the client is never travels on.
 */
function noteOddName(head: ParsedRequestHead): string {
  const name = plainName(line.name(head.text));
  if (name === "content-length" || name === "transfer-encoding") return `a field named "${line.name(head.text)}"`;
  if (claimsClient(name) || name === "x-service-id" || name === "x-request-id") mark(head, LINE_HOP_BY_HOP);
  return "";
}

function noteConnection(head: ParsedRequestHead, bytes: Uint8Array): string {
  mark(head, LINE_HOP_BY_HOP);
  list.open(line.valueStart, line.valueEnd);
  while (list.next(bytes)) {
    const { start, end } = list;
    if (equalsLower(bytes, start, end, KEEP_ALIVE)) seen.keepAlive = true;
    else if (equalsLower(bytes, start, end, CLOSE)) seen.close = true;
    else if (equalsLower(bytes, start, end, UPGRADE)) seen.connectionUpgrade = true;
    else if (end > start) {
      const name = head.text.slice(start, end).toLowerCase();
      if (!isToken(name)) return "a Connection option that is no token";
      if (!isProtected(name)) (seen.named ??= new Set()).add(name);
    }
  }
  return "";
}

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
  // An upgrade is passed on when it is properly asked for.
  const asked = head.versionMinor === 1 && seen.connectionUpgrade && seen.upgradeCount === 1;
  if (head.upgrade !== "" && !(asked && mayAskFor(head.upgrade))) head.upgrade = "";
  if (seen.named !== undefined) head.marks = withNamed(head.text, lines, head.marks, seen.named);
  return head;
}
