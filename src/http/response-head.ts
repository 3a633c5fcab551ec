/**
 * A response head (RFC 9112 §4, §6.3) read in one pass: what it frames, and whether the app's connection can serve again.
 *
 * As strict as requests are: an app whose answer could be cut in two places is refused, never guessed at.
 */
import { elementEnd, equalsLower, FieldLine, fieldEntries, fieldValue } from "./field-line.ts";
import { isBlank, parseContentLength } from "./field-line.ts";
import { DEFAULT_HEAD_LIMITS } from "./head-limits.ts";
import type { HeadLimits } from "./head-limits.ts";
import { describeByte, HttpProblem } from "./http-problem.ts";

export type ResponseHead = Readonly<ParsedResponseHead>;

/** `close`: until the app closes. `tunnel`: raw bytes both ways after a 101. */
export type ResponseFraming = "none" | "length" | "chunked" | "close" | "tunnel";

/** What becomes of a marked line. */
export const LINE_DROPPED = 0;
export const LINE_TRANSFER_ENCODING = 1;
export const LINE_CONTENT_LENGTH = 2;
export const LINE_UPGRADE = 3;

class ParsedResponseHead {
  /** The whole head as it came, blank line included; latin1. */
  readonly text: string;
  status = 0;
  /** The status line's end, from the status code on, without CRLF. */
  statusAndReason = "";
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

  // For forwarding: where the field lines are, and which are special, as (kind, start, end) in order.
  fieldsStart = 0;
  fieldsEnd = 0;
  readonly marks: number[] = [];

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

const line = new FieldLine();
const seen = new Seen();

/** Reads a response head as a `HeadCollector` gives it. The method of its request decides whether it has a body. */
export function parseResponseHead(
  text: string,
  requestMethod: string,
  limits: HeadLimits = DEFAULT_HEAD_LIMITS,
): ResponseHead | HttpProblem {
  const head = new ParsedResponseHead(text);
  const refused = readStatusLine(head);
  if (refused !== "") return bad(refused);

  seen.clear();
  let at = head.fieldsStart;
  let count = 0;
  while (text.charCodeAt(at) !== CR) {
    if (++count > limits.fieldCountMax) return bad(`more than ${limits.fieldCountMax} header fields`);
    let reason = line.read(text, at);
    if (reason === "") reason = noteField(head);
    if (reason !== "") return bad(reason);
    at = line.end;
  }
  if (text.charCodeAt(at + 1) !== LF || text.length !== at + 2) return bad("a carriage return without a line feed");
  head.fieldsEnd = at;
  return conclude(head, requestMethod);
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const VERSION_PREFIX = "HTTP/1.";
/** More than a day of keep-alive is not worth believing. */
const KEEP_ALIVE_SECONDS_MAX = 86_400;

function bad(reason: string): HttpProblem {
  return new HttpProblem("TARGET_PROTOCOL", `the app's response has ${reason}`);
}

function readStatusLine(head: ParsedResponseHead): string {
  const text = head.text;
  const minor = text.charCodeAt(VERSION_PREFIX.length) - 0x30;
  if (!text.startsWith(VERSION_PREFIX) || (minor !== 0 && minor !== 1)) return "no HTTP/1.x status line";
  head.versionMinor = minor;
  const codeStart = VERSION_PREFIX.length + 2;
  if (text.charCodeAt(codeStart - 1) !== SPACE) return "no space before its status code";
  let status = 0;
  let at = codeStart;
  for (; at < codeStart + 3; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return "a status code that is not three digits";
    status = status * 10 + digit;
  }
  if (status < 100 || status > 599) return `status ${status}, which no HTTP version defines`;
  let code = text.charCodeAt(at);
  if (code !== SPACE && code !== CR) return "a status code that is not three digits";
  // Apps leave out the space before an empty reason; the head that is sent on has it again.
  while ((code >= SPACE && code !== 0x7f) || code === 0x09) code = text.charCodeAt(++at);
  if (code !== CR || text.charCodeAt(at + 1) !== LF) return `${describeByte(code)} in its reason phrase`;
  head.status = status;
  head.statusAndReason = at === codeStart + 3 ? `${status} ` : text.slice(codeStart, at);
  head.fieldsStart = at + 2;
  return "";
}

function noteField(head: ParsedResponseHead): string {
  const text = head.text;
  switch (text.charCodeAt(line.nameStart) | 0x20) {
    case 0x63: // c
      if (line.is(text, "connection")) noteConnection(head);
      else if (line.is(text, "content-length")) return noteContentLength(head);
      return "";
    case 0x6b: // k
      if (line.is(text, "keep-alive")) {
        mark(head, LINE_DROPPED);
        head.keepAliveTimeoutMs = keepAliveTimeoutMs(line.value(text));
      }
      return "";
    case 0x70: // p
      if (line.is(text, "proxy-connection") || line.is(text, "proxy-authenticate")) mark(head, LINE_DROPPED);
      return "";
    case 0x74: // t
      if (line.is(text, "transfer-encoding")) return noteTransferEncoding(head);
      if (line.is(text, "te")) mark(head, LINE_DROPPED);
      return "";
    case 0x75: // u
      if (line.is(text, "upgrade")) {
        mark(head, LINE_UPGRADE);
        head.upgrade = line.value(text);
      }
      return "";
    default:
      return "";
  }
}

function mark(head: ParsedResponseHead, kind: number): void {
  head.marks.push(kind, line.nameStart, line.end);
}

function noteContentLength(head: ParsedResponseHead): string {
  const length = parseContentLength(head.text, line.valueStart, line.valueEnd);
  if (length < 0) return "a Content-Length that is not a plain number of bytes";
  if (seen.contentLength < 0) {
    seen.contentLength = length;
    mark(head, LINE_CONTENT_LENGTH);
    return "";
  }
  if (seen.contentLength !== length) return "Content-Length fields that differ";
  // An exact repeat says nothing new; one is sent on (RFC 9110 §8.6).
  mark(head, LINE_DROPPED);
  return "";
}

function noteTransferEncoding(head: ParsedResponseHead): string {
  if (seen.chunked) return "more than one Transfer-Encoding field";
  if (!equalsLower(head.text, line.valueStart, line.valueEnd, "chunked")) {
    return "a Transfer-Encoding other than chunked";
  }
  seen.chunked = true;
  mark(head, LINE_TRANSFER_ENCODING);
  return "";
}

function noteConnection(head: ParsedResponseHead): void {
  mark(head, LINE_DROPPED);
  const text = head.text;
  const end = line.valueEnd;
  for (let at = line.valueStart; at < end;) {
    while (at < end && isBlank(text.charCodeAt(at))) at++;
    const next = elementEnd(text, at, end) + 1;
    let to = next - 1;
    while (to > at && isBlank(text.charCodeAt(to - 1))) to--;
    if (equalsLower(text, at, to, "keep-alive")) seen.keepAlive = true;
    else if (equalsLower(text, at, to, "close")) seen.close = true;
    else if (to > at && !equalsLower(text, at, to, "upgrade")) {
      const name = text.slice(at, to).toLowerCase();
      if (!PROTECTED.has(name) && !name.startsWith("content-")) (seen.named ??= new Set()).add(name);
    }
    at = next;
  }
}

/** What an app may not have removed by naming it in Connection: framing, and what the client has to see. */
const PROTECTED: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "trailer",
  "date",
  "via",
  "location",
  "set-cookie",
  "cache-control",
]);

function keepAliveTimeoutMs(value: string): number | undefined {
  const seconds = /(?:^|[,;\s])timeout=(\d{1,9})(?:$|[,;\s])/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), KEEP_ALIVE_SECONDS_MAX) * 1000;
}

/** Framing by RFC 9112 §6.3, in its order. */
function conclude(head: ParsedResponseHead, requestMethod: string): ResponseHead | HttpProblem {
  const status = head.status;
  if (seen.chunked && seen.contentLength >= 0) return bad("both Content-Length and Transfer-Encoding");
  if (seen.chunked && head.versionMinor === 0) return bad("Transfer-Encoding in HTTP/1.0");
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
  if (seen.named !== undefined) markNamed(head, seen.named);
  return head;
}

/** Marks the lines that Connection names, keeping the marks in order. Rare: the lines are read again. */
function markNamed(head: ParsedResponseHead, named: ReadonlySet<string>): void {
  const marks = head.marks;
  const merged: number[] = [];
  let next = 0;
  for (let at = head.fieldsStart; at < head.fieldsEnd; at = line.end) {
    line.read(head.text, at);
    if (marks[next + 1] === at) {
      merged.push(marks[next] as number, at, line.end);
      next += 3;
    } else if (named.has(line.name(head.text).toLowerCase())) {
      merged.push(LINE_DROPPED, at, line.end);
    }
  }
  marks.splice(0, marks.length, ...merged);
}
