/**
 * Polarity's own answers: complete responses that say who failed, for programs as JSON and for people as HTML.
 *
 * Head and body are ASCII whatever the message holds, so that one latin1 write sends them and their length is exact.
 */
import { ERRORS } from "../base/errors.ts";
import type { ErrorCode, Fault } from "../base/errors.ts";
import { asciiJson } from "../base/upstream.ts";

export interface ErrorAnswer {
  readonly code: ErrorCode;
  /** One line for people, with values; anything may be in it. */
  readonly message: string;
  /** Of the request; HEAD gets no body. Empty when the request could not be read. */
  readonly method: string;
  /** The request's Accept, or empty. */
  readonly accept: string;
  readonly closeConnection: boolean;
  /** Of the request: HTTP/1.0 clients are told when their connection is kept. */
  readonly versionMinor: 0 | 1;
  /** When to come back; without it, 429 and 503 say one second. */
  readonly retryAfterSeconds?: number | undefined;
  readonly requestId?: string | undefined;
}

const MESSAGE_CHARACTERS_MAX = 500;

export function errorResponse(answer: ErrorAnswer): string {
  const { status, fault } = ERRORS[answer.code];
  const message = oneLine(answer.message);
  const html = prefersHtml(answer.accept);
  const requestId = /^[\x21-\x7e]{1,128}$/.test(answer.requestId ?? "") ? (answer.requestId as string) : "";
  const body = html ? htmlBody(answer.code, message) : jsonBody(answer.code, message, requestId);

  let head = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`;
  head += `Content-Type: ${html ? "text/html; charset=utf-8" : "application/json"}\r\n`;
  head += `Content-Length: ${body.length}\r\n`;
  head += `Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n`;
  head += `X-Polarity-Error: ${answer.code}\r\nX-Polarity-Fault: ${fault}\r\n`;
  if (status === 429 || status === 503 || answer.retryAfterSeconds !== undefined) {
    head += `Retry-After: ${Math.max(0, Math.ceil(answer.retryAfterSeconds ?? 1))}\r\n`;
  }
  if (requestId !== "") head += `X-Request-Id: ${requestId}\r\n`;
  if (answer.closeConnection) head += "Connection: close\r\n";
  else if (answer.versionMinor === 0) head += "Connection: keep-alive\r\n";
  return answer.method === "HEAD" ? `${head}\r\n` : `${head}\r\n${body}`;
}

/** The standard phrase for the statuses that Polarity itself sends (RFC 9110 §15). */
export function reasonPhrase(status: number): string {
  return REASON_PHRASES[status] ?? "Error";
}

const REASON_PHRASES: Readonly<Record<number, string>> = Object.freeze({
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  499: "Client Closed Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
});

const WHO: Readonly<Record<Fault, string>> = Object.freeze({
  client: "the client's request",
  app: "the app behind the connector",
  connector: "the connectors of this service",
  router: "this router",
  peer: "the far side of the link",
  network: "the network between router and connector",
  operator: "the configuration of this node",
});

/** Whether Accept (RFC 9110 §12.5.1) wants HTML rather than JSON. JSON when it does not care, as with curl. */
export function prefersHtml(accept: string): boolean {
  const html = preference(accept, "text/html", "text/*");
  const json = preference(accept, "application/json", "application/*");
  if (html.quality !== json.quality) return html.quality > json.quality;
  return html.quality > 0 && html.exactAt < json.exactAt;
}

interface Preference {
  readonly quality: number;
  /** Where in the list the type itself stands; Infinity when only a wildcard covers it. */
  readonly exactAt: number;
}

function preference(accept: string, type: string, group: string): Preference {
  let best = -1;
  let quality = 0;
  let exactAt = Number.POSITIVE_INFINITY;
  const ranges = accept.toLowerCase().split(",", 64);
  for (const [index, range] of ranges.entries()) {
    const [name = "", ...parameters] = range.split(";").map((part) => part.trim());
    const specificity = [`*/*`, group, type].indexOf(name);
    if (specificity <= best) continue;
    best = specificity;
    quality = qualityOf(parameters);
    if (name === type) exactAt = index;
  }
  return { quality, exactAt };
}

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith("q="));
  if (given === undefined) return 1;
  const quality = Number(given.slice(2));
  return quality >= 0 && quality <= 1 ? quality : 0;
}

function oneLine(message: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must go
  const clean = message.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
  return clean.length > MESSAGE_CHARACTERS_MAX ? `${clean.slice(0, MESSAGE_CHARACTERS_MAX)}...` : clean;
}

function jsonBody(code: ErrorCode, message: string, requestId: string): string {
  const { status, fault, summary } = ERRORS[code];
  const fields = { status, code, fault, failed: WHO[fault], summary, message };
  return `${asciiJson(requestId === "" ? fields : { ...fields, requestId })}\n`;
}

function htmlBody(code: ErrorCode, message: string): string {
  const { status, fault, summary } = ERRORS[code];
  const title = `${status} ${reasonPhrase(status)}`;
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${title}</title>` +
    `<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">` +
    `<style>body{font:16px/1.5 system-ui,sans-serif;max-width:38em;margin:12vh auto;padding:0 1em}` +
    `h1{font-size:1.5em}small,code{opacity:.7}</style></head>\n` +
    `<body><h1>${title}</h1><p>${htmlText(capitalized(WHO[fault]))} failed: ${htmlText(summary)}.</p>` +
    `<p><code>${htmlText(message)}</code></p><hr><small>Polarity &middot; ${code}</small></body></html>\n`
  );
}

/** Text that cannot leave its element, in ASCII. */
function htmlText(text: string): string {
  // By code point, so that what lies beyond the basic plane is one reference and not half of one.
  return text.replace(/[^\x20-\x7e]|["&'<>]/gu, (character) => `&#${character.codePointAt(0) ?? 0xfffd};`);
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
