/** What a link allows its peer above the mux's own limits. Each bound names the attack or fault that it stops. */

export interface LinkLimits {
  /** From the accepted connection, or from the first byte sent, to `welcome`. Stops: connections that never say anything. */
  readonly handshakeMs: number;
  /** Connections of one acceptor that have not finished the handshake. Stops: taking every descriptor without a token. */
  readonly joiningMax: number;
  /** Links that others may have open to one acceptor, one of them half. Stops: one token taking every descriptor. */
  readonly linksMax: number;
  /** One control line, without its newline. Stops: a line without end. */
  readonly controlLineBytesMax: number;
  /** Control lines that may come at once, and then each second. Stops: offers and withdrawals that only burn our CPU. */
  readonly controlLinesBurst: number;
  readonly controlLinesPerSecond: number;
  /** The first line of a stream, without its newline. Stops: a preamble without end. */
  readonly preambleBytesMax: number;
  /** Streams of the peer whose preamble is not complete. Stops: opening streams and leaving them at that. */
  readonly unacceptedStreamsMax: number;
  /** Services that one link may offer at a time. Stops: filling the registry. */
  readonly offersMax: number;
  /** One websocket message, which is held until it is complete. Stops: a message without end. */
  readonly websocketMessageBytesMax: number;
  /** How long the peer may take to answer `drain` before the link closes without its word. */
  readonly drainAnswerMs: number;
}

export const DEFAULT_LINK_LIMITS: LinkLimits = Object.freeze({
  handshakeMs: 10_000,
  joiningMax: 1_024,
  linksMax: 8_192,
  controlLineBytesMax: 64 * 1024,
  controlLinesBurst: 20_000,
  controlLinesPerSecond: 1_000,
  preambleBytesMax: 64 * 1024,
  unacceptedStreamsMax: 1_024,
  offersMax: 10_000,
  websocketMessageBytesMax: 1024 * 1024,
  drainAnswerMs: 5_000,
});

/** Bounds on what a control message may hold; the same for everyone, so that a peer can rely on them. */
export const NAME_LENGTH_MAX = 253;
export const TOKEN_LENGTH_MAX = 4_096;
export const MESSAGE_LENGTH_MAX = 1_024;
export const LABELS_MAX = 32;
export const LABEL_KEY_LENGTH_MAX = 64;
export const LABEL_VALUE_LENGTH_MAX = 256;
export const FEATURES_MAX = 64;
export const ROUTERS_MAX = 64;
export const URL_LENGTH_MAX = 2_048;
export const COST_MAX = 1_000_000;
export const WEIGHT_MAX = 1_000;
/** Nodes that a stream may pass, or an offer tell of. */
export const HOPS_MAX = 16;
