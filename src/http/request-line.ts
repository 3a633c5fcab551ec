/** The request line (RFC 9112 §3): method, target in one of its forms, version. */
import { isTokenByte } from "./field-line.ts";
import type { HeadLimits } from "./head-limits.ts";
import type { HeadLines } from "./head-lines.ts";
import { refusedHost } from "./host.ts";
import { describeByte, HttpProblem } from "./http-problem.ts";

/** How the client wrote its target (RFC 9112 §3.2). The authority form belongs to CONNECT, which is refused. */
export type TargetForm = "origin" | "absolute" | "asterisk";

/** The part of a head that its first line fills. */
export interface RequestLine {
  readonly text: string;
  method: string;
  target: string;
  form: TargetForm;
  path: string;
  versionMinor: 0 | 1;
  host: string;
}

/** Reads the first of the scanned `lines` into `head`. */
export function readRequestLine(head: RequestLine, lines: HeadLines, limits: HeadLimits): HttpProblem | undefined {
  const { bytes } = lines;
  const text = head.text;
  let at = 0;
  while (isTokenByte(bytes[at] as number)) at++;
  if (at === 0 || bytes[at] !== SPACE) return bad(`${describeByte(bytes[at] as number)} in the request method`);
  head.method =
    at === 3 && bytes[0] === LETTER_G && bytes[1] === LETTER_E && bytes[2] === LETTER_T ? "GET" : text.slice(0, at);

  const start = ++at;
  let byte = bytes[at] as number;
  while (byte > SPACE && byte < 0x7f && byte !== HASH) byte = bytes[++at] as number;
  if (at - start > limits.targetBytesMax) {
    return new HttpProblem("TARGET_TOO_LONG", `the request target is longer than ${limits.targetBytesMax} bytes`);
  }
  if (byte !== SPACE) return bad(refusedTarget(byte));
  if (at === start) return bad("an empty request target");
  const target = text.slice(start, at);
  head.target = target;

  const version = at + 1;
  if (!isVersion1(bytes, version, lines.ends[0] as number)) return refusedVersion(text, version);
  head.versionMinor = bytes[version + 7] === ZERO ? 0 : 1;
  if (bytes[start] !== SLASH) return readOddTarget(head, bytes, start, at);
  if (head.method === "CONNECT") return bad(CONNECT_REFUSED);
  head.path = target;
  return undefined;
}

/** Whether the line goes on with exactly `HTTP/1.0` or `HTTP/1.1` and then ends. */
function isVersion1(bytes: Uint8Array, start: number, lineEnd: number): boolean {
  if (lineEnd - start !== 10) return false;
  for (let i = 0; i < 7; i++) if (bytes[start + i] !== VERSION_PREFIX[i]) return false;
  const minor = (bytes[start + 7] as number) - ZERO;
  return minor === 0 || minor === 1;
}

/** A target that is not a path: `*`, a URL, or nothing that is served. */
function readOddTarget(head: RequestLine, bytes: Uint8Array, start: number, end: number): HttpProblem | undefined {
  if (head.method === "CONNECT") return bad(CONNECT_REFUSED);
  if (head.target === "*") {
    if (head.method !== "OPTIONS") return bad(`target "*" with method ${head.method}; only OPTIONS may use it`);
    head.form = "asterisk";
    head.path = "*";
    return undefined;
  }
  const scheme = /^https?:\/\//i.exec(head.target)?.[0];
  if (scheme === undefined) return bad("the request target is neither a path nor an http URL");
  const authorityStart = start + scheme.length;
  let authorityEnd = authorityStart;
  while (authorityEnd < end && bytes[authorityEnd] !== SLASH && bytes[authorityEnd] !== QUESTION_MARK) authorityEnd++;
  const refused = refusedHost(bytes, authorityStart, authorityEnd);
  if (refused !== "") return bad(`${refused} in the request target`);
  head.form = "absolute";
  head.host = head.text.slice(authorityStart, authorityEnd);
  const path = head.text.slice(authorityEnd, end);
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

const CR = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;
const SLASH = 0x2f;
const ZERO = 0x30;
const QUESTION_MARK = 0x3f;
const LETTER_E = 0x45;
const LETTER_G = 0x47;
const LETTER_T = 0x54;
const VERSION_PREFIX = new Uint8Array(Buffer.from("HTTP/1.", "latin1"));
const CONNECT_REFUSED = "CONNECT is not served here: this is no forward proxy";
const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n";

function bad(reason: string): HttpProblem {
  return new HttpProblem("BAD_REQUEST", reason);
}
