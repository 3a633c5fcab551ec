/**
 * The contract between the link driver and whatever carries a link's bytes: tcp, tls, ws, unix or memory.
 *
 * A transport is a pipe of bytes without message borders. It reads until paused, writes what it is given, and closes once.
 */

import type { WriteOutcome } from "../base/byte-stream.ts";

export interface TransportHandler {
  /** Bytes arrived. The chunk is only lent for the call. */
  received(chunk: Buffer): void;
  /** After `write` returned "full": writing may go on. */
  drained(): void;
  /** The transport is over, by either side; called exactly once, last. */
  closed(cause: Error | undefined): void;
}

export interface Transport {
  /** Set before anything else; the transport starts reading when it is set through `start`. */
  start(handler: TransportHandler): void;
  /** Nothing that was ever written is still in use; its buffers may be used again. */
  readonly settled: boolean;
  /** One or more buffers, sent in order, in one system call where possible. After `full`, `drained` follows. */
  write(buffers: readonly Buffer[]): WriteOutcome;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. Idempotent. */
  destroy(): void;
  /** `tcp`, `tls`, `ws`, `wss`, `unix` or `memory`. */
  readonly kind: string;
  /** The peer's address, for people. */
  readonly remoteAddress: string;
  /** The identity that the peer's verified certificate gives it, if any. */
  readonly certificateIdentity: string | undefined;
}
