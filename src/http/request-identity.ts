/**
 * The names that a request goes by in logs and traces: its X-Request-Id and its traceparent.
 *
 * An id is a random start and a counter: unique, cheap, and no secret. Whoever is trusted may bring one.
 */
import type { RequestHead } from "./request-head.ts";
import { newTraceparent, traceparentOf } from "./trace-context.ts";

/**
 * - `pass`: a valid traceparent travels on, from whomever.
 * - `create`: requests without one get one.
 * - `restart`: and so do those of clients that are not trusted, whatever they brought.
 */
export type Tracing = "pass" | "create" | "restart";

export interface RequestIdentityOptions {
  /** Requests get an X-Request-Id, which their clients are told. */
  readonly requestId: boolean;
  readonly tracing: Tracing;
  /** From 0 to 1. */
  readonly random: () => number;
}

export class RequestIdentity {
  readonly #options: RequestIdentityOptions;
  readonly #prefix: string;
  #count = 0;

  constructor(options: RequestIdentityOptions) {
    this.#options = options;
    this.#prefix = `${part(options.random)}${part(options.random)}-`;
  }

  /** The id for a request, empty for none: what a trusted proxy said if it is fit to stand in heads and logs, else a new one. */
  requestId(head: RequestHead, trusted: boolean): string {
    if (!this.#options.requestId) return "";
    const theirs = trusted ? trustedRequestId(head) : "";
    return theirs === "" ? this.#prefix + (++this.#count).toString(36) : theirs;
  }

  /** A new traceparent for a request; empty when it keeps what it brought, or has none. */
  traceparent(head: RequestHead, trusted: boolean): string {
    const { tracing, random } = this.#options;
    if (tracing === "pass") return "";
    const kept = (trusted || tracing === "create") && traceparentOf(head) !== "";
    return kept ? "" : newTraceparent(random);
  }
}

/** The X-Request-Id that a request brought, if it is one word of usual characters and length; else empty. */
export function trustedRequestId(head: RequestHead): string {
  if (!head.hasRequestId) return "";
  const id = head.header("x-request-id") ?? "";
  return /^[0-9A-Za-z._~+/=:@-]{1,128}$/.test(id) ? id : "";
}

/** Six characters, some thirty bits of chance. */
function part(random: () => number): string {
  return Math.floor(random() * 36 ** 6)
    .toString(36)
    .padStart(6, "0");
}
