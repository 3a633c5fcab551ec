/** What carries one request to a connector: a websocket of its own (1.0), or an id on a shared one (3.0). */
import type { PolarityError } from "../base/errors.ts";

export interface Carrier {
  /** How many bytes a head may have that it carries, as UTF-8. */
  readonly headBytesMax: number;
  /** `hasBody`: `body` and `bodyEnd` follow. */
  head(text: string, hasBody: boolean): void;
  /** The payload is lent for the call. False: it was taken, but wait for `drained`. */
  body(payload: Buffer): boolean;
  bodyEnd(): void;
  /** The client took so much of the answer's body. */
  consumed(payloadBytes: number): void;
  /** Nobody wants the answer. Called once, and nothing after it. */
  abort(error: PolarityError): void;
  /** Request and answer are whole. Called once, and nothing after it. */
  finished(): void;
}

/** Who hears of the answer. Nothing is called after `failed`, nor after the carrier's `abort` or `finished`. */
export interface CarrierUser {
  answerHead(text: string): void;
  /** The payload is lent for the call. */
  answerBody(payload: Buffer): void;
  answerEnd(): void;
  failed(error: PolarityError): void;
  drained(): void;
}

/** A carrier before it has a user. */
export interface OpenCarrier extends Carrier {
  use(user: CarrierUser): void;
}
