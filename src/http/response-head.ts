/**
 * A response head (RFC 9112 §4, §6.3) read in one pass: what it frames, and whether the app's connection can serve again.
 *
 * As strict as requests are: an app whose answer could be cut in two places is refused, never guessed at.
 */
import {
  equalsLower,
  fieldEntries,
  FieldLine,
  fieldValue,
  isToken,
  ListElements,
  lowerBytes,
  parseContentLength,
} from "./field-line.ts";
import { HeadLines } from "./head-lines.ts";
import { DEFAULT_HEAD_LIMITS } from "./head-limits.ts";
import type { HeadLimits } from "./head-limits.ts";
import { describeByte, HttpProblem } from "./http-problem.ts";
import { LINE_HOP_BY_HOP, withNamed } from "./named-fields.ts";

export type ResponseHead = Readonly<ParsedResponseHead>;

/** `close`: until the app closes. `tunnel`: raw bytes both ways after a 101. */
export type ResponseFraming = "none" | "length" | "chunked" | "close" | "tunnel";

/** The same response with one more field line, which brings its CRLF. */
export function withField(head: ResponseHead, line: string): ResponseHead {
  const text = head.text.slice(0, head.fieldsEnd) + line + head.text.slice(head.fieldsEnd);
  return Object.assign(new ParsedResponseHead(text), head, { text, fieldsEnd: head.fieldsEnd + line.length });
}

/** Besides LINE_HOP_BY_HOP: lines whose fate depends on status and client. */
export const LINE_TRANSFER_ENCODING = 1;
export const LINE_CONTENT_LENGTH = 2;
export const LINE_UPGRADE = 3;
export const LINE_REQUEST_ID = 4;

const NO_MARKS: readonly number[] = Object.freeze([]);

class ParsedResponseHead {
  /** The whole head as it came, blank line included; latin1. */
  readonly text: string;
  status = 0;
  versionMinor: 0 | 1 = 1;
  framing: ResponseFraming = "none";
  bodyLength = 0;
  /** The app's connection may serve another request after this response. */
  keepAlive = true;
  /** 1xx other than 101: another head follows. */
  informational = false;
  /** From `Keep-Alive: timeout=`, in milliseconds; undefined when the app did not say. */
  keepAliveTimeoutMs: number | undefined;
  /** The protocol that the app changed to or offers, as sent. */
  upgrade = "";
  /** It says when it was made, or a rule says that it does not. */
  hasDate = false;

  // For forwarding: where the field lines are, and which are special, as (kind, start, end) in order.
  reasonStart = 0;
  fieldsStart = 0;
  fieldsEnd = 0;
  marks: readonly number[] = NO_MARKS;

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

/** What of a response is another when its fields are. */
export type ChangedFields = Pick<ResponseHead, "text" | "fieldsEnd" | "marks" | "hasDate">;

/** The same response with other field lines in its text, up to `fieldsEnd`, and `marks` that fit them. */
export function withFields(head: ResponseHead, changed: ChangedFields): ResponseHead {
  return Object.assign(new ParsedResponseHead(changed.text), head, changed);
}

/** What one parse has seen so far; one object serves all, since a parse never yields. */
class Seen {
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  named: Set<string> | undefined;

  clear(): void {
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.named = undefined;
  }
}

const lines = new HeadLines();
const line = new FieldLine();
const list = new ListElements();
const seen = new Seen();

/**
 * Reads a response head as a `HeadCollector` gives it. The method of its request decides whether it has a body. The head that
 * goes on is the `text` of what this returns.
 */
export function parseResponseHead(
  text: string,
  requestMethod: string,
  limits: HeadLimits = DEFAULT_HEAD_LIMITS,
): ResponseHead | HttpProblem {
  let reason = lines.scan(text);
  if (reason !== "") return bad(reason);
  const last = lines.count - 1;
  const { bytes, ends } = lines;
  if (last < 1 || (ends[last] as number) - (ends[last - 1] as number) !== 2) return bad("no blank line");
  const head = new ParsedResponseHead(text);
  reason = readStatusLine(head, bytes, ends[0] as number);
  if (reason !== "") return bad(reason);

  if (last - 1 > limits.fieldCountMax) return bad(`more than ${limits.fieldCountMax} header fields`);
  seen.clear();
  let at = ends[0] as number;
  head.fieldsStart = at;
  for (let index = 1; index < last; index++) {
    const end = ends[index] as number;
    reason = line.read(bytes, at, end);
    if (reason !== "") {
      const mended = text.replace(BLANKS_BEFORE_COLON, "$1");
      return mended === text ? bad(reason) : parseResponseHead(mended, requestMethod, limits);
    }
    reason = noteField(head, bytes);
    if (reason !== "") return bad(reason);
    at = end;
  }
  head.fieldsEnd = at;
  return conclude(head, requestMethod);
}

const SPACE = 0x20;
const ZERO = 0x30;
const EQUALS = 0x3d;
const VERSION_PREFIX = new Uint8Array(Buffer.from("HTTP/1.", "latin1"));
/** Of an app; a proxy takes them out (RFC 9112 §5.1), where those of a client are refused. */
const BLANKS_BEFORE_COLON = /(\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+(?=:)/g;
/** More than a day of keep-alive is not worth believing. */
const KEEP_ALIVE_SECONDS_MAX = 86_400;

function bad(reason: string): HttpProblem {
  return new HttpProblem("TARGET_PROTOCOL", `the app's response has ${reason}`);
}

/** `HTTP/1.1 200 Reason`; the reason is free text that the scan has checked. */
function readStatusLine(head: ParsedResponseHead, bytes: Uint8Array, lineEnd: number): string {
  for (let at = 0; at < 7; at++) if (bytes[at] !== VERSION_PREFIX[at]) return "no HTTP/1.x status line";
  const minor = (bytes[7] as number) - ZERO;
  if (minor !== 0 && minor !== 1) return "no HTTP/1.x status line";
  if (bytes[8] !== SPACE) return `${describeByte(bytes[8] as number)} after the HTTP version`;
  let status = 0;
  for (let at = 9; at < 12; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return "a status code that is not three digits";
    status = status * 10 + digit;
  }
  const end = lineEnd - 2;
  // Apps leave out the space before an empty reason; the head that is sent on has it again.
  if (end !== 12 && bytes[12] !== SPACE) return "a status code that is not three digits";
  // Above 599 no class is defined; such a status passes as the app meant it, and counts as one of 5xx (RFC 9110 §15).
  if (status < 100) return `status ${status}, which no HTTP version defines`;
  head.versionMinor = minor;
  head.status = status;
  head.reasonStart = end === 12 ? 12 : 13;
  return "";
}

const CHUNKED = lowerBytes("chunked");
const CLOSE = lowerBytes("close");
const CONNECTION = lowerBytes("connection");
const CONTENT_LENGTH = lowerBytes("content-length");
const DATE = lowerBytes("date");
const KEEP_ALIVE = lowerBytes("keep-alive");
const PROXY_AUTHENTICATE = lowerBytes("proxy-authenticate");
const PROXY_CONNECTION = lowerBytes("proxy-connection");
const TIMEOUT = lowerBytes("timeout");
const TE = lowerBytes("te");
const TRANSFER_ENCODING = lowerBytes("transfer-encoding");
const UPGRADE = lowerBytes("upgrade");
const X_REQUEST_ID = lowerBytes("x-request-id");

function noteField(head: ParsedResponseHead, bytes: Uint8Array): string {
  if (line.isOdd) return "";
  switch ((bytes[line.start] as number) | 0x20) {
    case 0x63: // c
      if (line.is(bytes, CONNECTION)) noteConnection(head, bytes);
      else if (line.is(bytes, CONTENT_LENGTH)) return noteContentLength(head, bytes);
      return "";
    case 0x64: // d
      if (line.is(bytes, DATE)) head.hasDate = true;
      return "";
    case 0x6b: // k
      if (line.is(bytes, KEEP_ALIVE)) {
        mark(head, LINE_HOP_BY_HOP);
        head.keepAliveTimeoutMs = keepAliveTimeoutMs(bytes);
      }
      return "";
    case 0x70: // p
      if (line.is(bytes, PROXY_CONNECTION)) mark(head, LINE_HOP_BY_HOP);
      // A 407 has to say how to answer it (RFC 9110 §15.5.8), and elsewhere nobody asks.
      else if (head.status !== 407 && line.is(bytes, PROXY_AUTHENTICATE)) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x74: // t
      if (line.is(bytes, TRANSFER_ENCODING)) return noteTransferEncoding(head, bytes);
      if (line.is(bytes, TE)) mark(head, LINE_HOP_BY_HOP);
      return "";
    case 0x75: // u
      if (line.is(bytes, UPGRADE)) {
        mark(head, LINE_UPGRADE);
        head.upgrade = line.value(head.text);
      }
      return "";
    case 0x78: // x
      if (line.is(bytes, X_REQUEST_ID)) mark(head, LINE_REQUEST_ID);
      return "";
    default:
      return "";
  }
}

function mark(head: ParsedResponseHead, kind: number): void {
  if (head.marks === NO_MARKS) head.marks = [kind, line.start, line.end];
  else (head.marks as number[]).push(kind, line.start, line.end);
}

function noteContentLength(head: ParsedResponseHead, bytes: Uint8Array): string {
  if (line.hasTabAround(bytes)) return "a tab beside the value of Content-Length";
  const length = parseContentLength(bytes, line.valueStart, line.valueEnd);
  if (length < 0) return "a Content-Length that is not a plain number of bytes";
  if (seen.contentLength < 0) {
    seen.contentLength = length;
    mark(head, LINE_CONTENT_LENGTH);
    return "";
  }
  if (seen.contentLength !== length) return "Content-Length fields that differ";
  // An exact repeat says nothing new; one is sent on (RFC 9110 §8.6).
  mark(head, LINE_HOP_BY_HOP);
  return "";
}

function noteTransferEncoding(head: ParsedResponseHead, bytes: Uint8Array): string {
  if (seen.chunked) return "more than one Transfer-Encoding field";
  if (line.hasTabAround(bytes)) return "a tab beside the value of Transfer-Encoding";
  if (!line.valueIs(bytes, CHUNKED)) return "a Transfer-Encoding other than chunked";
  seen.chunked = true;
  mark(head, LINE_TRANSFER_ENCODING);
  return "";
}

function noteConnection(head: ParsedResponseHead, bytes: Uint8Array): void {
  mark(head, LINE_HOP_BY_HOP);
  list.open(line.valueStart, line.valueEnd);
  while (list.next(bytes)) {
    const { start, end } = list;
    if (equalsLower(bytes, start, end, KEEP_ALIVE)) seen.keepAlive = true;
    else if (equalsLower(bytes, start, end, CLOSE)) seen.close = true;
    else if (end > start && !equalsLower(bytes, start, end, UPGRADE)) {
      const name = head.text.slice(start, end).toLowerCase();
      // Who knows what that was to mean: the connection ends with this answer, to be sure.
      if (!isToken(name)) seen.close = true;
      else if (!PROTECTED.has(name) && !name.startsWith("content-")) (seen.named ??= new Set()).add(name);
    }
  }
}

/** What an app may not have removed by naming it in Connection: framing, and what the client has to see. */
const PROTECTED: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "trailer",
  "date",
  "via",
  "location",
  "proxy-authenticate",
  "set-cookie",
  "cache-control",
]);

/** The `timeout=` of a Keep-Alive line: whole seconds; undefined when it is missing or odd. */
function keepAliveTimeoutMs(bytes: Uint8Array): number | undefined {
  list.open(line.valueStart, line.valueEnd);
  while (list.next(bytes)) {
    const equals = list.start + TIMEOUT.length;
    if (equals >= list.end || bytes[equals] !== EQUALS || !equalsLower(bytes, list.start, equals, TIMEOUT)) continue;
    const seconds = parseContentLength(bytes, equals + 1, list.end);
    return seconds < 0 ? undefined : Math.min(seconds, KEEP_ALIVE_SECONDS_MAX) * 1000;
  }
  return undefined;
}

/** Framing by RFC 9112 §6.3, in its order. */
function conclude(head: ParsedResponseHead, requestMethod: string): ResponseHead | HttpProblem {
  const status = head.status;
  if (seen.chunked && seen.contentLength >= 0) return bad("both Content-Length and Transfer-Encoding");
  if (seen.chunked && head.versionMinor === 0) return bad("Transfer-Encoding in HTTP/1.0");
  if (status < 200 && (seen.chunked || seen.contentLength > 0)) return bad(`a body announced for status ${status}`);
  head.keepAlive = !seen.close && (head.versionMinor === 1 || seen.keepAlive);
  if (status === 101) {
    if (head.upgrade === "") return bad("status 101 without an Upgrade field");
    head.framing = "tunnel";
    head.keepAlive = false;
  } else if (status < 200) {
    head.informational = true;
  } else if (requestMethod === "HEAD" || status === 204 || status === 304) {
    // A 204 that announces a body may well send one: what follows on that connection could not be trusted.
    if (status === 204 && (seen.chunked || seen.contentLength > 0)) head.keepAlive = false;
  } else if (seen.chunked) {
    head.framing = "chunked";
  } else if (seen.contentLength > 0) {
    head.framing = "length";
    head.bodyLength = seen.contentLength;
  } else if (seen.contentLength < 0) {
    head.framing = "close";
    head.keepAlive = false;
  }
  if (seen.named !== undefined) head.marks = withNamed(head.text, lines, head.marks, seen.named);
  return head;
}
