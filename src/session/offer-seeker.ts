/**
 * Finds an offer for one session: picks, waits for one while none is there, and leaves out those that failed before.
 *
 * One object per session; it asks the session back through `OfferSought`. At most one pick succeeds at a time: `fail` or
 * `finish` ends it before the next.
 */
import type { Clock } from "../base/clock.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import type { StreamProtocol, StreamRequest } from "../base/upstream.ts";
import type { Offer, Picked } from "../registry/offer.ts";
import type { OfferWaiters, WaitHandle } from "../registry/offer-waiters.ts";
import type { Registry } from "../registry/registry.ts";
import type { FanOutOffers } from "./fan-out-offers.ts";
import { DEFAULT_RETRIES, type RetryPolicy } from "./exchange-policy.ts";

/** What every session of a node shares. */
export interface SessionContext {
  readonly registry: Registry;
  readonly waiters: OfferWaiters;
  readonly clock: Clock;
  /** One-to-N sessions. */
  readonly fanOuts: FanOutOffers;
  /** Nothing offers anything here. */
  readonly noConnector: boolean;
  /** The node has just started, or nobody has joined it: what is unknown now may be known soon. */
  readonly mayStillLearn: boolean;
}

/** The session's side: exactly one of these follows each `seek`, perhaps before it returns. */
export interface OfferSought {
  /** Open a stream on `offer`; false if it could not, and another is looked for. */
  tryOffer(offer: Offer): boolean;
  /** What it says as it opens a stream. */
  readonly asked: StreamRequest;
  noOffer(error: PolarityError): void;
}

/** Nothing reached an app, and the offer that said so is about to go: to move on repeats no work. */
const FREE_MOVES: ReadonlySet<ErrorCode> = new Set(["LINK_DRAINING", "SERVICE_UNKNOWN", "NO_OFFER"]);
/** What a router says that was asked to relay and has nobody to relay to, now. */
const FOUND_NOBODY: ReadonlySet<ErrorCode> = new Set(["NO_OFFER", "SERVICE_UNKNOWN", "LINK_DRAINING"]);

/** The link broke or fell silent, and perhaps because its node did: then the node's other links are as dead. */
const LINK_FAILED: ReadonlySet<ErrorCode> = new Set(["LINK_LOST", "LINK_TIMEOUT"]);
/** Other links of such a node that are passed over, for one pick, before one of them is good enough. */
const PASSED_OVER_MAX = 32;

export class OfferSeeker {
  protected readonly context: SessionContext;
  readonly #session: OfferSought;
  readonly #service: string;
  readonly #protocol: StreamProtocol;
  readonly #node: string | undefined;
  /** Until when to wait for an offer, on the context's clock. */
  readonly #deadline: number;
  #tried: Offer[] | undefined;
  /** The node whose link failed last: others are asked before its other links. */
  #avoided: string | undefined;
  #wait: WaitHandle | undefined;
  #offer: Offer | undefined;
  #lastError: PolarityError | undefined;
  readonly #directOnly: boolean;
  readonly #retries: RetryPolicy;
  /** The next offer repeats work that the service's budget has to allow. */
  #owesBudget = false;
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
    retries = DEFAULT_RETRIES,
  ) {
    this.context = context;
    this.#session = session;
    this.#service = service;
    this.#protocol = protocol;
    this.#node = node;
    this.#deadline = deadline;
    this.#directOnly = directOnly;
    this.#retries = retries;
  }

  /** The offer that the session uses now. */
  get offer(): Offer | undefined {
    return this.#offer;
  }

  /** How many offers failed before the present one. */
  get failures(): number {
    return this.#tried === undefined ? 0 : this.#tried.length;
  }

  /** Fewer offers have failed than may be tried. */
  get mayTry(): boolean {
    return this.failures < this.#retries.attemptsMax;
  }

  seek(): void {
    for (;;) {
      const picked = this.#pickAgain();
      if (picked.kind === "none") {
        this.#none(picked);
        return;
      }
      const { offer } = picked;
      if (this.#owesBudget && !this.spend(offer)) {
        this.#session.noOffer(this.#lastError!);
        return;
      }
      this.#offer = offer;
      offer.begin();
      if (this.#tried !== undefined) offer.statistics.retries++;
      if (this.#session.tryOffer(offer)) return;
      this.#lastError = offer.upstream.refusal?.(this.#session.asked) ?? this.#lastError;
      this.#leave(true);
      this.exclude(offer);
    }
  }

  /** Whether another offer may take the place of the present one now; `fail` and `seek` then do it. */
  elsewhere(): boolean {
    const offer = this.#offer;
    if (offer === undefined || this.failures + 1 >= this.#retries.attemptsMax) return false;
    return this.beside([]) !== undefined && this.#mayRepeat(offer);
  }

  /** An offer that is neither the present one nor one of `others`, nor failed before; undefined without one. */
  beside(others: readonly Offer[]): Offer | undefined {
    const excluded = [...(this.#tried ?? []), ...others];
    if (this.#offer !== undefined) excluded.push(this.#offer);
    const { registry } = this.context;
    const picked = registry.pick(this.#service, this.#protocol, excluded, this.#node, this.#directOnly);
    return picked.kind === "picked" ? picked.offer : undefined;
  }

  /** Takes a piece of the budget that the service has for repeated work; false when it is used up. */
  spend(offer: Offer): boolean {
    this.#owesBudget = false;
    if (!this.#mayRepeat(offer)) return false;
    const { requests, retryBudget } = offer.statistics;
    retryBudget.spend(this.context.clock.now(), requests);
    return true;
  }

  /** `offer`, which somebody else has begun on, takes the place of the present one. `finish` and `fail` are for it then. */
  adopt(offer: Offer): void {
    this.#leave(false);
    this.#offer = offer;
  }

  /** Not to be tried again by this session. */
  exclude(offer: Offer): void {
    if (this.#tried === undefined) this.#tried = [offer];
    else this.#tried.push(offer);
  }

  /** The present offer failed; true if another may be tried, which `seek` then does. */
  fail(error: PolarityError): boolean {
    const offer = this.#offer;
    if (offer === undefined) return false;
    this.#lastError = error;
    if (offer.relay && FOUND_NOBODY.has(error.code)) this.#mayYetCome = true;
    this.#leave(true);
    this.exclude(offer);
    if (LINK_FAILED.has(error.code)) this.#avoided = offer.upstream.node;
    this.#owesBudget = !FREE_MOVES.has(error.code);
    // A router that found nobody has waited on our behalf.
    if (this.#mayYetCome && this.context.clock.now() >= this.#deadline) return false;
    return this.mayTry;
  }

  /** The session is over, or has no more use for offers. Idempotent. */
  finish(failed: boolean): void {
    this.#leave(failed);
    if (this.#wait === undefined) return;
    this.context.waiters.cancel(this.#wait);
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
    const picked = this.pick(this.#tried);
    const detail = picked.kind === "none" ? picked.detail : "one came too late";
    this.#session.noOffer(this.#lastError ?? this.#noOffer(detail));
  }

  protected pick(tried: readonly Offer[] | undefined): Picked {
    return this.context.registry.pick(this.#service, this.#protocol, tried, this.#node, this.#directOnly);
  }

  #pickAgain(): Picked {
    const node = this.#avoided;
    if (node === undefined) return this.pick(this.#tried);
    const excluded = [...(this.#tried ?? [])];
    for (let passed = 0; passed < PASSED_OVER_MAX; passed++) {
      const picked = this.pick(excluded);
      if (picked.kind === "none") break;
      if (picked.offer.upstream.node !== node) return picked;
      excluded.push(picked.offer);
    }
    return this.pick(this.#tried);
  }

  #none(picked: Extract<Picked, { kind: "none" }>): void {
    // What was tried and failed is worth another round only if something changes; the last failure says more than "none".
    const hopeless = picked.reason === "exhausted" && !this.#mayYetCome;
    if (hopeless || this.context.clock.now() >= this.#deadline) {
      this.#session.noOffer(this.#lastError ?? this.#noOffer(picked.detail));
      return;
    }
    const { waiters } = this.context;
    const { asked } = this.#session;
    this.#wait = waiters.wait(this.#service, this.#deadline, this, asked);
    if (this.#wait !== undefined) return;
    const used = waiters.usedShare(asked);
    const crowd = `${used?.streams ?? waiters.size} requests ${used === undefined ? "" : `for ${used.whose} `}wait for one already`;
    const code = used === undefined ? "OVERLOADED" : "SHARE_USED_UP";
    this.#session.noOffer(new PolarityError(code, `no offer for service "${this.#service}", and ${crowd}`));
  }

  #noOffer(detail: string): PolarityError {
    const where = this.#node === undefined ? "" : ` on node "${this.#node}"`;
    return new PolarityError("NO_OFFER", `no offer for service "${this.#service}"${where} (${detail})`);
  }

  #mayRepeat({ statistics }: Offer): boolean {
    const { requests, active, retryBudget } = statistics;
    const allowed = retryBudget.allows(this.context.clock.now(), requests, active, this.#retries);
    if (!allowed) statistics.retriesDenied++;
    return allowed;
  }

  #leave(failed: boolean): void {
    this.#offer?.finish(failed);
    this.#offer = undefined;
  }
}
