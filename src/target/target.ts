/** The contract of a target: what serves the streams that ask for one of this node's services. */
import type { ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import type { PolarityError } from "../base/errors.ts";

export interface TargetContext {
  /** This node, as its errors call it. */
  readonly node: string;
  readonly clock: Clock;
}

export interface Target {
  /** The URL, for people. */
  readonly url: string;
  /** Streams being served now. */
  readonly active: number;
  /** Serves a stream whose preamble has been read: sets its sink before returning. `client` may be empty. */
  accept(stream: ByteStream, client: string): void;
  /** Time passes: what took too long ends. Called a few times a second. */
  sweep(now: number): void;
  /** Ends idle connections, and what is under way with `error`. */
  close(error: PolarityError): void;
}
