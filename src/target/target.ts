/** The contract of a target: what serves the streams that ask for one of this node's services. */
import type { ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { systemReason } from "../socket/system-reason.ts";

export interface TargetContext {
  readonly clock: Clock;
  /** Who finds out where apps are. */
  readonly names: NameResolver;
  /** The app failed a request; whose it was is told by other ways. */
  failed(error: PolarityError): void;
}

export interface Target {
  /** The URL, for people. */
  readonly url: string;
  /** What it is made of, where that is several. */
  readonly parts?: readonly Upstream[];
  /** Streams being served now. */
  readonly active: number;
  /** Serves a stream whose preamble has been read: sets its sink before returning. `client` may be empty. */
  accept(stream: ByteStream, client: string): void;
  /** Time passes: what took too long ends. Called a few times a second. */
  sweep(now: number): void;
  /** The node drains: what has no end of its own ends as soon as nothing passes. */
  drain?(): void;
  /** Ends idle connections, and what is under way with `error`. */
  close(error: PolarityError): void;
}

/** Why an app could not be connected to. Which node could not is said by the link that carries this. */
export function unreachable(url: string, error: PolarityError): PolarityError {
  return new PolarityError("TARGET_UNREACHABLE", `cannot reach ${url}: ${systemReason(error.cause ?? error)}`, error);
}
