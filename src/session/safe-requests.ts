/** Requests that may be sent again although an app may have seen them. */
import type { ErrorCode } from "../base/errors.ts";

/** RFC 9110 §9.2.1. */
export function isSafeMethod(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS" || method === "TRACE";
}

/** Asking twice is as good as once: RFC 9110 §9.2.2. */
export function isIdempotentMethod(method: string): boolean {
  return isSafeMethod(method) || method === "PUT" || method === "DELETE";
}

const METHOD_LENGTH_MAX = 7;

/** The same for a request whose head nobody here has read: by its first bytes. */
export function beginsSafely(start: Buffer): boolean {
  const text = start.toString("latin1", 0, METHOD_LENGTH_MAX + 1);
  const end = text.indexOf(" ");
  return end > 0 && isSafeMethod(text.slice(0, end));
}

/** Errors that leave open whether the app saw the request, which a safe request need not care about. */
export const MAY_BREAK_UNDER_SAFE: ReadonlySet<ErrorCode> = new Set([
  "LINK_LOST",
  "LINK_TIMEOUT",
  "LINK_PROTOCOL",
  "LINK_LIMIT",
  "TARGET_FAILED",
  "NODE_STOPPED",
]);
