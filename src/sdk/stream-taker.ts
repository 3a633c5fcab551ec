/** What stands between a stream and the handler that serves it. */
import type { StreamDuplex, StreamInfo } from "./stream-duplex.ts";
import type { PolarityError } from "../base/errors.ts";

/** What a service of this program may be offered as: whole connections, or one HTTP/1.1 exchange a stream. */
export type HandlerProtocol = "tcp" | "http/1.1";

/** Tells the program that a handler failed; returns the error that it is told. */
export type HandlerFailed = (cause: unknown) => PolarityError;

/** Takes streams on behalf of a handler. */
export interface StreamTaker {
  /** As it is offered, unless options say otherwise. */
  readonly protocol: HandlerProtocol;
  /** A request may ask it for another protocol, such as a websocket. */
  readonly upgrades: boolean;
  /** Takes requests, whose end is known without the stream's. */
  readonly answersRequests: boolean;
  take(stream: StreamDuplex, info: StreamInfo, oneExchange: boolean): void;
  /** Ends what only the taker keeps. */
  close(): void;
}

/** What reading, writing and waiting fail with because the other side has gone. */
const GONE_CODES: ReadonlySet<unknown> = new Set([
  "ABORT_ERR",
  "CLIENT_GONE",
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_UNABLE_TO_PIPE",
]);

/** True for an error that is no failure of the handler: the stream was over, and this is how the handler noticed. */
export function isGone(stream: StreamDuplex, error: unknown): boolean {
  if (!stream.destroyed) return false;
  if (error === stream.errored) return true;
  if (!(error instanceof Error)) return false;
  return error.name === "AbortError" || GONE_CODES.has((error as { readonly code?: unknown }).code);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";
}
