/**
 * Max-Forwards, by which OPTIONS and TRACE ask a proxy on their way instead of the app (RFC 9110 §7.6.2). All the proxy that
 * this node and a connector are together counts as one.
 */
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead, type RequestHead } from "./request-head.ts";
import { parseResponseHead, type ResponseHead } from "./response-head.ts";

/** The methods for which the field means anything. */
export function mayCountHops({ method }: RequestHead): boolean {
  return method === "OPTIONS" || method === "TRACE";
}

/** The request as it goes on, with one hop fewer left to it. Undefined: none is left, and the answer is ours. */
export function withHopCounted(head: RequestHead): RequestHead | undefined {
  const said = head.header("max-forwards");
  // What is no number counts nothing, and passes like any field.
  if (said === undefined || !/^\d+$/.test(said)) return head;
  const left = Math.min(Number(said), HOPS_MAX);
  if (left === 0) return undefined;
  const counted = parseRequestHead(head.text.replace(FIELD, `$1${left - 1}`), CHECKED_BEFORE);
  return counted instanceof HttpProblem ? head : counted;
}

/** What we answer for ourselves. A request is not sent back by TRACE: it may hold what only the app is to see. */
export function lastHopAnswer(method: string): ResponseHead {
  const text =
    method === "TRACE"
      ? "HTTP/1.1 405 Method Not Allowed\r\nAllow: OPTIONS\r\nContent-Length: 0\r\n\r\n"
      : "HTTP/1.1 204 No Content\r\nAllow: OPTIONS\r\n\r\n";
  const head = parseResponseHead(text, method);
  if (head instanceof HttpProblem) throw head.toError();
  return head;
}

const HOPS_MAX = 1_000_000;
const FIELD = /(\r\nmax-forwards:[ \t]*)\d+/i;
const CHECKED_BEFORE = Object.freeze({
  targetBytesMax: Number.MAX_SAFE_INTEGER,
  fieldCountMax: Number.MAX_SAFE_INTEGER,
});
