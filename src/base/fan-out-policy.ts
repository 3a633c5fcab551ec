/** How one client's session meets several servers at once. Part of an offer, so it is told to peers, and checked from them. */

/**
 * - `half-duplex`: every server gets what the client sends; the first that answers keeps the session, the others are closed.
 * - `full-duplex`: every server gets what the client sends, and the client gets all their answers as they come.
 */
export type FanOutMode = "half-duplex" | "full-duplex";

export interface FanOutPolicy {
  readonly mode: FanOutMode;
  /** What happens when a server is further behind the fastest than the buffer holds. */
  readonly slowest: "wait" | "drop";
  /** How far servers may be apart, in bytes; and how much of a session is kept for servers that come later. */
  readonly bufferBytes: number;
  /** A server that comes while a session is open takes part in it. */
  readonly join: boolean;
}

/** A listener's word on it: a policy; null for one server whatever is offered; undefined to do as the offers say. */
export type FanOutChoice = FanOutPolicy | null | undefined;

export const FAN_OUT_MODES: readonly FanOutMode[] = ["half-duplex", "full-duplex"];

/** A session's buffer is this node's memory, whoever asks for it. */
export const FAN_OUT_BUFFER_BYTES_MAX = 64 * 1024 * 1024;

export const DEFAULT_FAN_OUT: Omit<FanOutPolicy, "mode"> = Object.freeze({
  slowest: "wait",
  bufferBytes: 1024 * 1024,
  join: false,
});

/** A datagram that is missed is no gap, and one that was not heard need not be made up for. */
export const DEFAULT_DATAGRAM_FAN_OUT: Omit<FanOutPolicy, "mode"> = Object.freeze({
  slowest: "drop",
  bufferBytes: 256 * 1024,
  join: true,
});
