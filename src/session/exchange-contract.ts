/** What an HTTP exchange is given and whom it talks to. */
import type { PolarityError } from "../base/errors.ts";
import type { DenseMember, DenseSet } from "../base/dense-set.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { StreamRequest } from "../base/upstream.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { Affinity } from "../registry/affinity.ts";
import type { ExchangeJournal } from "./exchange-journal.ts";
import type { ExchangePolicy } from "./exchange-policy.ts";
import type { SessionContext } from "./offer-seeker.ts";
import type { StallWatch } from "./stall-watch.ts";

/** What the exchanges of a node share. */
export interface ExchangeContext extends SessionContext {
  readonly deadlines: Deadlines;
  /** Answers whose body is under way; swept a few times a second. */
  readonly stallWatches: DenseSet<StallWatch>;
  /** Requests under way whose answers nobody gets. */
  readonly copies: DenseSet<Copy>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A copy of a request, for a service that mirrors another. */
export interface Copy extends DenseMember {
  abort(error: PolarityError): void;
}

/** The client's connection, as the exchange sees it. */
export interface ExchangeHost {
  /** A 1xx other than 101. False: wait for `responseDrained`. */
  interim(head: ResponseHead): boolean;
  /** The final head with the first body bytes (perhaps none). False: wait for `responseDrained`. */
  response(head: ResponseHead, body: Buffer): boolean;
  responseBody(chunk: Buffer): boolean;
  /** The response is complete; after a 101: the app's direction has ended. */
  responseEnded(): void;
  /** There will be no (further) response. */
  failed(error: PolarityError): void;
  /** After `requestBody` returned false: its bytes have been taken. */
  requestDrained(): void;
}

/** What the client asked, ready to be sent. */
export interface ExchangeRequest {
  readonly stream: StreamRequest;
  readonly node: string | undefined;
  readonly method: string;
  /** The head to forward, in two pieces, blank line included. */
  readonly headStart: string;
  readonly headEnding: string;
  /** The client asks to change protocols: a 101 may come, and bytes of the tunnel behind it. */
  readonly upgrade: boolean;
  readonly responseHeadBytesMax: number;
  /** Until when to wait for an offer, on the context's clock. */
  readonly offerDeadline: number;
  readonly startedAt: number;
  readonly policy: ExchangePolicy;
  /** Where it should go if that can be. */
  readonly affinity: Affinity | undefined;
  /** Where it is noted what becomes of it; undefined when nobody asks. */
  readonly journal: ExchangeJournal | undefined;
}
