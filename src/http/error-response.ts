/**
 * Polarity's own answers: complete responses that say who failed, for programs as JSON, for people as HTML, and for gRPC
 * clients as the status that they look for.
 *
 * Head and body are ASCII whatever the message holds, so that one latin1 write sends them and their length is exact.
 */
import { ERRORS } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { asciiJson } from "../base/upstream.ts";
import { errorPage, WHO_FAILED } from "./error-page.ts";
import { grpcContentType, grpcMessage, grpcStatus, isGrpc } from "./grpc-status.ts";
import { reasonPhrase } from "./reason-phrase.ts";

/** What is to be said, and what its client can read. */
export interface ErrorAnswer {
  readonly code: ErrorCode;
  /** One line for people, with values; anything may be in it. */
  readonly message: string;
  /** The request's Accept, or empty. */
  readonly accept: string;
  /** The request's Content-Type, or empty: gRPC clients are answered in their way. */
  readonly contentType: string;
  /** When to come back; without it, 429 and 503 say one second. */
  readonly retryAfterSeconds?: number | undefined;
  readonly requestId?: string | undefined;
}

/** An answer that no version of HTTP has framed yet. */
export interface ErrorContent {
  readonly status: number;
  /** In order; Content-Length is among them, what becomes of the connection is not. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Of every method but HEAD. */
  readonly body: string;
}

export interface Http1ErrorAnswer extends ErrorAnswer {
  /** Of the request; HEAD gets no body. Empty when the request could not be read. */
  readonly method: string;
  readonly closeConnection: boolean;
  /** Of the request: HTTP/1.0 clients are told when their connection is kept. */
  readonly versionMinor: 0 | 1;
  /** Lines of the listener, each with its end. */
  readonly extraLines?: string | undefined;
}

/** The answer as HTTP/1.1 text. */
export function errorResponse(answer: Http1ErrorAnswer): string {
  const { status, fields, body } = errorContent(answer);
  let head = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`;
  for (const [name, value] of fields) head += `${name}: ${value}\r\n`;
  if (answer.closeConnection) head += "Connection: close\r\n";
  else if (answer.versionMinor === 0) head += "Connection: keep-alive\r\n";
  head += answer.extraLines ?? "";
  return answer.method === "HEAD" ? `${head}\r\n` : `${head}\r\n${body}`;
}

export function errorContent(answer: ErrorAnswer): ErrorContent {
  const { code, accept, contentType } = answer;
  const { fault } = ERRORS[code];
  const status = answeredStatus(code, contentType);
  const message = oneLine(answer.message);
  const requestId = /^[\x21-\x7e]{1,128}$/.test(answer.requestId ?? "") ? (answer.requestId as string) : "";
  const fields: (readonly [string, string])[] = [];
  let body = "";
  if (isGrpc(contentType)) {
    fields.push(["Content-Type", grpcContentType(contentType)]);
    fields.push(["grpc-status", String(grpcStatus(ERRORS[code].status))], ["grpc-message", grpcMessage(message)]);
  } else {
    const html = prefersHtml(accept);
    body = html ? errorPage(code, message, requestId) : jsonBody(code, message, requestId);
    fields.push(["Content-Type", html ? "text/html; charset=utf-8" : "application/json"]);
    fields.push(["X-Content-Type-Options", "nosniff"]);
    // Nothing to load and nothing to run, should anything ever find its way in.
    if (html) fields.push(["Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"]);
  }
  fields.push(["Content-Length", String(body.length)], ["Cache-Control", "no-store"]);
  fields.push(["X-Polarity-Error", code], ["X-Polarity-Fault", fault]);
  if (status === 429 || status === 503 || answer.retryAfterSeconds !== undefined) {
    fields.push(["Retry-After", String(Math.max(0, Math.ceil(answer.retryAfterSeconds ?? 1)))]);
  }
  if (requestId !== "") fields.push(["X-Request-Id", requestId]);
  return { status, fields, body };
}

/** The HTTP status that a client sees of an error: gRPC's own status stands beside a 200. */
export function answeredStatus(code: ErrorCode, contentType: string): number {
  return isGrpc(contentType) ? 200 : ERRORS[code].status;
}

const MESSAGE_CHARACTERS_MAX = 500;

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
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(given.slice(2)) ? Number(given.slice(2)) : 0;
}

function oneLine(message: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must go
  const clean = message.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
  return clean.length > MESSAGE_CHARACTERS_MAX ? `${clean.slice(0, MESSAGE_CHARACTERS_MAX)}...` : clean;
}

function jsonBody(code: ErrorCode, message: string, requestId: string): string {
  const { status, fault, summary } = ERRORS[code];
  const fields = { status, code, fault, failed: WHO_FAILED[fault], summary, message };
  return `${asciiJson(requestId === "" ? fields : { ...fields, requestId })}\n`;
}
