/**
 * Finds an offer for one session: picks, waits for one while none is there, and leaves out those that failed before.
 *
 * One object per session; it asks the session back through `OfferSought`. At most one pick succeeds at a time: `fail` or
 * `finish` ends it before the next.
 */
import type { Clock } from "../base/clock.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import type { StreamProtocol } from "../base/upstream.ts";
import type { Offer, Picked } from "../registry/offer.ts";
import type { OfferWaiters, WaitHandle } from "../registry/offer-waiters.ts";
import type { Registry } from "../registry/registry.ts";

/** What every session of a node shares. */
export interface SessionContext {
  readonly registry: Registry;
  readonly waiters: OfferWaiters;
  readonly clock: Clock;
  /** Nothing offers anything here. */
  readonly noConnector: boolean;
  /** The node has just started, or nobody has joined it: what is unknown now may be known soon. */
  readonly mayStillLearn: boolean;
}

/** The session's side: exactly one of these follows each `seek`, perhaps before it returns. */
export interface OfferSought {
  /** Open a stream on `offer`; false if it could not, and another is looked for. */
  tryOffer(offer: Offer): boolean;
  noOffer(error: PolarityError): void;
}

/** Offers that one session tries before it gives up, so that a broken fleet costs each request a bounded time. */
const ATTEMPTS_MAX = 4;
/** What a router says that was asked to relay and has nobody to relay to, now. */
const FOUND_NOBODY: ReadonlySet<ErrorCode> = new Set(["NO_OFFER", "SERVICE_UNKNOWN", "LINK_DRAINING"]);

export class OfferSeeker {
  readonly #context: SessionContext;
  readonly #session: OfferSought;
  readonly #service: string;
  readonly #protocol: StreamProtocol;
  readonly #node: string | undefined;
  /** Until when to wait for an offer, on the context's clock. */
  readonly #deadline: number;
  #tried: Offer[] | undefined;
  #wait: WaitHandle | undefined;
  #offer: Offer | undefined;
  #lastError: PolarityError | undefined;
  readonly #directOnly: boolean;
  /** A router that was asked to relay found nobody, so somebody may yet come. */
  #mayYetCome = false;

  constructor(
    context: SessionContext,
    session: OfferSought,
    service: string,
    protocol: StreamProtocol,
    node: string | undefined,
    deadline: number,
    directOnly = false,
  ) {
    this.#context = context;
    this.#session = session;
    this.#service = service;
    this.#protocol = protocol;
    this.#node = node;
    this.#deadline = deadline;
    this.#directOnly = directOnly;
  }

  /** The offer that the session uses now. */
  get offer(): Offer | undefined {
    return this.#offer;
  }

  /** How many offers failed before the present one. */
  get failures(): number {
    return this.#tried === undefined ? 0 : this.#tried.length;
  }

  seek(): void {
    for (;;) {
      const picked = this.#pick();
      if (picked.kind === "none") {
        this.#none(picked);
        return;
      }
      const { offer } = picked;
      this.#offer = offer;
      offer.begin();
      if (this.#tried !== undefined) offer.statistics.retries++;
      if (this.#session.tryOffer(offer)) return;
      this.#leave(true);
      this.#exclude(offer);
    }
  }

  /** The present offer failed; true if another may be tried, which `seek` then does. */
  fail(error: PolarityError): boolean {
    const offer = this.#offer;
    if (offer === undefined) return false;
    this.#lastError = error;
    if (offer.relay && FOUND_NOBODY.has(error.code)) this.#mayYetCome = true;
    this.#leave(true);
    this.#exclude(offer);
    // A router that found nobody has waited on our behalf.
    if (this.#mayYetCome && this.#context.clock.now() >= this.#deadline) return false;
    return this.failures < ATTEMPTS_MAX;
  }

  /** The session is over, or has no more use for offers. Idempotent. */
  finish(failed: boolean): void {
    this.#leave(failed);
    if (this.#wait === undefined) return;
    this.#context.waiters.cancel(this.#wait);
    this.#wait = undefined;
  }

  /** OfferWaiter */
  ready(): void {
    this.#wait = undefined;
    this.seek();
  }

  /** OfferWaiter */
  timedOut(): void {
    this.#wait = undefined;
    const picked = this.#pick();
    const detail = picked.kind === "none" ? picked.detail : "one came too late";
    this.#session.noOffer(this.#lastError ?? this.#noOffer(detail));
  }

  #pick(): Picked {
    return this.#context.registry.pick(this.#service, this.#protocol, this.#tried, this.#node, this.#directOnly);
  }

  #none(picked: Extract<Picked, { kind: "none" }>): void {
    // What was tried and failed is worth another round only if something changes; the last failure says more than "none".
    const hopeless = picked.reason === "exhausted" && !this.#mayYetCome;
    if (hopeless || this.#context.clock.now() >= this.#deadline) {
      this.#session.noOffer(this.#lastError ?? this.#noOffer(picked.detail));
      return;
    }
    this.#wait = this.#context.waiters.wait(this.#service, this.#deadline, this);
    if (this.#wait !== undefined) return;
    const crowd = `${this.#context.waiters.size} requests wait for an offer already`;
    this.#session.noOffer(new PolarityError("OVERLOADED", `no offer for service "${this.#service}", and ${crowd}`));
  }

  #noOffer(detail: string): PolarityError {
    const where = this.#node === undefined ? "" : ` on node "${this.#node}"`;
    return new PolarityError("NO_OFFER", `no offer for service "${this.#service}"${where} (${detail})`);
  }

  #exclude(offer: Offer): void {
    if (this.#tried === undefined) this.#tried = [offer];
    else this.#tried.push(offer);
  }

  #leave(failed: boolean): void {
    this.#offer?.finish(failed);
    this.#offer = undefined;
  }
}
