/** A websocket as the two versions of the protocol see it. */

export interface MessageSocket {
  /** The peer's address as `host:port`. */
  readonly address: string;
  /** Messages can be sent, and more are taken without waiting for `drained`. */
  readonly writable: boolean;
  sendText(text: string): void;
  /** The message becomes the socket's. */
  sendBinary(message: Buffer): void;
  /** Reads nothing until `resume`. */
  pause(): void;
  resume(): void;
  /** Says goodbye; whatever still comes is for nobody. Idempotent. */
  close(code: number, reason: string): void;
}

export interface MessageSocketUser {
  text(message: string): void;
  /** The message is the user's. */
  binary(message: Buffer): void;
  drained(): void;
  /** Once, last: what the peer said, or 1006 when the connection was lost. */
  closed(code: number, reason: string): void;
}

export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL_ERROR = 1002;
export const CLOSE_LOST = 1006;
export const CLOSE_POLICY = 1008;
export const CLOSE_FAILED = 1011;
