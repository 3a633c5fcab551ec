/**
 * Fields of HTTP/2 (RFC 9113 §8) and heads of HTTP/1.1, turned into one another.
 *
 * Fields are flat lists of names and values in their order. What comes in is checked here for all that could make the text
 * of a head mean something else; the head's own parser checks the rest. What goes out was parsed before.
 */
import { isForbiddenTrailer } from "./chunked-framing.ts";
import { fieldEntries, withoutBlanks } from "./field-line.ts";
import { HttpProblem } from "./http-problem.ts";
import { viaName } from "./request-forwarding.ts";
import type { ErrorContent } from "./error-response.ts";
import { LINE_CONTENT_LENGTH, LINE_REQUEST_ID } from "./response-head.ts";
import type { ResponseHead } from "./response-head.ts";

/** Fields that speak of one HTTP/1.1 connection (RFC 9113 §8.2.2). */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

export const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// oxlint-disable-next-line no-control-regex -- control characters are what must not be in a line
export const FIELD_VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f\u0100-\uffff]*$/;
const PATH = /^[\x21-\x7e]+$/;

/** A request as its pseudo-fields say it; the text is yet to be made. */
interface Pseudo {
  method: string;
  path: string;
  scheme: string;
  authority: string;
  protocol: string;
}

/**
 * The HTTP/1.1 head for a request's fields; latin1. `ends`: no body follows. `websocketKey`: for a websocket that is asked
 * for by extended CONNECT (RFC 8441), which knows no key of its own.
 */
export function requestHeadText(fields: readonly string[], ends: boolean, websocketKey: string): string | HttpProblem {
  const pseudo: Pseudo = { method: "", path: "", scheme: "", authority: "", protocol: "" };
  let lines = "";
  let host: string | undefined;
  let cookie = "";
  let hasLength = false;
  let announcesTrailers = false;
  let pseudoOver = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const given = fields[at + 1] as string;
    if (!FIELD_VALUE.test(given)) return bad(`a control character in the value of field "${printable(name)}"`);
    if (name.charCodeAt(0) === COLON) {
      const refused = pseudoOver
        ? `the pseudo-field ${printable(name)} after a field`
        : notePseudo(pseudo, name, given);
      if (refused !== "") return bad(refused);
      continue;
    }
    pseudoOver = true;
    // RFC 9113 §8.2.1 has none there, and readers of HTTP/1.1 do not take them for a part of the value.
    const value = withoutBlanks(given);
    if (!FIELD_NAME.test(name)) return bad(`the field name "${printable(name)}"`);
    if (CONNECTION_FIELDS.has(name)) return bad(`the field "${name}", which HTTP/2 does not have`);
    if (name === "host") {
      if (host !== undefined) return bad("more than one host field");
      host = value;
    } else if (name === "cookie") {
      // RFC 9113 §8.2.3: sent in pieces for the sake of compression.
      cookie = cookie === "" ? value : `${cookie}; ${value}`;
    } else if (name === "te" && value.toLowerCase() !== "trailers") {
      return bad("a te field other than trailers");
    } else if (name === "content-length") {
      if (hasLength) return bad("more than one content-length field");
      hasLength = true;
      lines += `content-length: ${value}\r\n`;
    } else {
      if (name === "trailer") announcesTrailers = true;
      lines += `${name}: ${value}\r\n`;
    }
  }
  const start = requestStart(pseudo, host, websocketKey);
  if (start instanceof HttpProblem) return start;
  if (pseudo.protocol !== "") {
    // Behind such a head comes a tunnel: whoever read a body out of its bytes would read something else than we do.
    if (hasLength) return bad("a content-length field with the pseudo-field :protocol");
    lines = lines.replaceAll(WEBSOCKET_KEY_LINE, "");
  }
  if (cookie !== "") lines += `cookie: ${cookie}\r\n`;
  if (ends && !hasLength && MEANT_TO_HAVE_BODY.has(pseudo.method)) {
    // RFC 9110 §8.6: HTTP/1.1 apps may ask for a length where they expect content (411), and HTTP/2 has no need of one.
    lines += "content-length: 0\r\n";
  } else if (!ends && pseudo.protocol === "") {
    if (!hasLength) lines += "transfer-encoding: chunked\r\n";
    // HTTP/1.1 has room for trailers behind chunks only.
    else if (announcesTrailers) lines = `${withoutLength(lines)}transfer-encoding: chunked\r\n`;
  }
  return `${start}${lines}\r\n`;
}

function notePseudo(pseudo: Pseudo, name: string, value: string): string {
  const key = name.slice(1);
  if (!Object.hasOwn(pseudo, key)) return `the pseudo-field ${printable(name)}`;
  if (value === "" || pseudo[key as keyof Pseudo] !== "") return `an empty or second pseudo-field ${name}`;
  pseudo[key as keyof Pseudo] = value;
  return "";
}

/** The request line and Host. */
function requestStart(pseudo: Pseudo, host: string | undefined, websocketKey: string): string | HttpProblem {
  const { method, path, scheme, authority, protocol } = pseudo;
  let upgrade = "";
  let sent = method;
  if (method === "CONNECT") {
    if (protocol === "") return bad("CONNECT is not served here: this is no forward proxy");
    if (protocol !== "websocket") return bad(`extended CONNECT for "${printable(protocol)}"; websocket is served here`);
    sent = "GET";
    upgrade = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${websocketKey}\r\n`;
  } else if (protocol !== "") {
    return bad(`the pseudo-field :protocol with method ${printable(method)}`);
  }
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(sent)) return bad("a request method that is no token");
  if (scheme !== "http" && scheme !== "https") return bad(`the scheme "${printable(scheme)}"`);
  if (!PATH.test(path)) return bad("a path that is empty or has a blank in it");
  if (path.charCodeAt(0) !== SLASH && (path !== "*" || sent !== "OPTIONS"))
    return bad("a path without its first slash");
  // A service that reads the one must not be told another by the other.
  if (authority !== "" && host !== undefined && authority.toLowerCase() !== host.toLowerCase())
    return bad("a host field that differs from :authority");
  const name = authority === "" ? (host ?? "") : authority;
  if (name === "") return bad("neither :authority nor a host field");
  return `${sent} ${path} HTTP/1.1\r\nhost: ${name}\r\n${upgrade}`;
}

/**
 * The fields of an app's head, `:status` first, as HTTP/2 has them: names in lower case, hop-by-hop fields gone. `via`: our
 * name in Via, empty for an answer of ours. `requestId`: told in place of whatever id the app says; empty for none.
 * `extraLines`: the listener's, each with its end.
 */
export function responseFields(head: ResponseHead, via: string, requestId = "", extraLines = ""): string[] {
  const { text, marks, status } = head;
  const bodyless = status < 200 || status === 204;
  const websocket = status === 101;
  const fields = [":status", websocket ? "200" : String(status)];
  let mark = 0;
  for (let at = head.fieldsStart; at < head.fieldsEnd;) {
    const lineEnd = text.indexOf("\r\n", at);
    const start = at;
    at = lineEnd + 2;
    if (marks[mark + 1] === start) {
      const kind = marks[mark];
      mark += 3;
      if (kind === LINE_REQUEST_ID ? requestId !== "" : kind !== LINE_CONTENT_LENGTH || bodyless) continue;
    }
    const colon = text.indexOf(":", start);
    const name = text.slice(start, colon).toLowerCase();
    if (CONNECTION_FIELDS.has(name) || (websocket && name === "sec-websocket-accept")) continue;
    fields.push(name, withoutBlanks(text.slice(colon + 1, lineEnd)));
  }
  if (via !== "") fields.push("via", `1.${head.versionMinor} ${viaName(via)}`);
  if (requestId !== "" && !head.informational) fields.push("x-request-id", requestId);
  if (extraLines !== "" && (status >= 200 || websocket)) pushLines(fields, extraLines);
  return fields;
}

/** The fields of an answer of ours. */
export function answerFields({ status, fields: content }: ErrorContent, extraLines: string): string[] {
  const fields = [":status", String(status)];
  for (const [name, value] of content) fields.push(name.toLowerCase(), value);
  pushLines(fields, extraLines);
  return fields;
}

function pushLines(fields: string[], lines: string): void {
  for (const [name, value] of fieldEntries(lines, 0, lines.length)) fields.push(name.toLowerCase(), value);
}

/** Trailers as lines, as they were read behind a chunked body, as fields. */
export function trailerFields(lines: string): Record<string, string[]> {
  const fields: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of fieldEntries(lines, 0, lines.length)) {
    const lower = name.toLowerCase();
    if (!CONNECTION_FIELDS.has(lower)) (fields[lower] ??= []).push(value);
  }
  return fields;
}

/** The lines behind a chunked body for a list of trailers, or why they are refused. */
export function trailerLines(fields: readonly string[]): string | HttpProblem {
  let lines = "";
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = withoutBlanks(fields[at + 1] as string);
    if (!FIELD_NAME.test(name) || isForbiddenTrailer(name)) return bad(`the trailer field "${printable(name)}"`);
    if (!FIELD_VALUE.test(value)) return bad(`a control character in the value of trailer "${name}"`);
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** The key is ours to make: with another beside it apps would be told two (RFC 8441 §5). */
const WEBSOCKET_KEY_LINE = /^sec-websocket-key: .*\r\n/gm;
const MEANT_TO_HAVE_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);
const COLON = 0x3a;
const SLASH = 0x2f;

function withoutLength(lines: string): string {
  return lines.replace(/^content-length: .*\r\n/m, "");
}

function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
}

function bad(reason: string): HttpProblem {
  return new HttpProblem("BAD_REQUEST", reason);
}
