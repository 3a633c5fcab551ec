/**
 * The further offers that a silent exchange asks: whichever answers first serves, the others are reset.
 *
 * One per exchange whose route hedges, made when it starts. The exchange keeps its own stream; each further one is an
 * attempt here, until it has a whole final head and the exchange takes it over, or until it breaks. An attempt begins on
 * its offer once and finishes it once, unless the exchange adopts it and with it that duty.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Timed } from "../base/deadlines.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import { HttpProblem } from "../http/http-problem.ts";
import type { ResponseHead } from "../http/response-head.ts";
import { AnswerHeads } from "./answer-heads.ts";
import type { Offer } from "../registry/offer.ts";
import type { ExchangeContext, ExchangeRequest } from "./exchange-contract.ts";
import * as errors from "./exchange-errors.ts";
import type { HedgePolicy } from "./exchange-policy.ts";
import type { OfferSeeker } from "./offer-seeker.ts";

/** The exchange, as its hedge sees it. */
export interface Hedged {
  /** It is a whole, safe request without a body, asked of an offer that has not said a byte. */
  readonly mayHedge: boolean;
  /** Its own stream is still a hope. */
  readonly asking: boolean;
  /** An attempt has its final head: the exchange goes on with its stream. `rest` is lent, as in `ByteSink.data`. */
  hedgeAnswered(attempt: HedgeAttempt, head: ResponseHead, rest: Buffer): void;
  /** The last attempt broke. */
  hedgeLost(error: PolarityError): void;
  /** An answer with this status is given up as long as there is another hope. */
  unwanted(status: number): boolean;
}

export class Hedge implements Timed {
  deadlineIndex = -1;
  deadline = 0;
  readonly request: ExchangeRequest;
  readonly exchange: Hedged;
  readonly #context: ExchangeContext;
  readonly #policy: HedgePolicy;
  readonly #seeker: OfferSeeker;
  readonly #attempts: HedgeAttempt[] = [];
  /** Attempts that were begun, the exchange's own included. */
  #begun = 1;

  constructor(
    context: ExchangeContext,
    exchange: Hedged,
    request: ExchangeRequest,
    policy: HedgePolicy,
    seeker: OfferSeeker,
  ) {
    this.#context = context;
    this.exchange = exchange;
    this.request = request;
    this.#policy = policy;
    this.#seeker = seeker;
  }

  /** Further offers are being asked. */
  get underWay(): boolean {
    return this.#attempts.length > 0;
  }

  /** An offer was asked just now: it has so long to say something. */
  wait(): void {
    if (this.#begun < this.#policy.max) {
      this.#context.deadlines.set(this, this.#context.clock.now() + this.#policy.afterMs);
    }
  }

  due(): void {
    if (!this.exchange.mayHedge) return;
    for (;;) {
      const offer = this.#seeker.beside(this.#attempts.map((attempt) => attempt.offer));
      if (offer === undefined || !this.#seeker.spend(offer)) return;
      offer.begin();
      const attempt = new HedgeAttempt(this, offer);
      if (attempt.open()) {
        offer.statistics.hedges++;
        if (this.request.journal !== undefined) this.request.journal.attempts++;
        this.#begun++;
        this.#attempts.push(attempt);
        this.wait();
        return;
      }
      offer.finish(true);
      this.#seeker.exclude(offer);
    }
  }

  /** No further offer is asked, and those that were are reset. Idempotent. */
  stop(): void {
    this.#context.deadlines.clear(this);
    for (const attempt of this.#attempts.splice(0)) attempt.giveUp();
  }

  /** A node fell silent: an attempt there is given up, unless it is the last hope. */
  upstreamSuspect(upstream: Upstream): void {
    const silent = this.#attempts.find(({ offer }) => offer.upstream === upstream);
    if (silent === undefined) return;
    const hopeElsewhere = this.exchange.asking || this.#attempts.length > 1 || this.#anotherFor(silent);
    if (!hopeElsewhere) return;
    const error = errors.fellSilent(upstream);
    silent.stream?.reset(error);
    this.attemptBroke(silent, error);
  }

  #anotherFor(silent: HedgeAttempt): boolean {
    return this.#seeker.beside([silent.offer]) !== undefined;
  }

  // ── for attempts ──

  /** True while another than `attempt` may still answer. */
  hopeBeside(attempt: HedgeAttempt): boolean {
    return this.exchange.asking || this.#attempts.some((other) => other !== attempt);
  }

  attemptAnswered(attempt: HedgeAttempt, head: ResponseHead, rest: Buffer): void {
    this.#attempts.splice(this.#attempts.indexOf(attempt), 1);
    attempt.offer.statistics.hedgesWon++;
    this.exchange.hedgeAnswered(attempt, head, rest);
  }

  attemptBroke(attempt: HedgeAttempt, error: PolarityError): void {
    const index = this.#attempts.indexOf(attempt);
    if (index < 0) return;
    this.#attempts.splice(index, 1);
    attempt.offer.finish(true);
    this.#seeker.exclude(attempt.offer);
    if (this.#attempts.length === 0 && !this.exchange.asking) {
      this.#context.deadlines.clear(this);
      this.exchange.hedgeLost(error);
    }
  }
}

/** One further offer, asked the same. */
export class HedgeAttempt implements ByteSink {
  readonly offer: Offer;
  readonly #hedge: Hedge;
  readonly #heads: AnswerHeads;
  stream: ByteStream | undefined;

  constructor(hedge: Hedge, offer: Offer) {
    this.#hedge = hedge;
    this.offer = offer;
    this.#heads = new AnswerHeads(hedge.request.responseHeadBytesMax);
  }

  /** False: the offer takes no stream now. */
  open(): boolean {
    const { stream, headStart, headEnding } = this.#hedge.request;
    this.stream = this.offer.upstream.open(stream, headStart, headEnding, this);
    this.stream?.end();
    return this.stream !== undefined;
  }

  giveUp(): void {
    this.stream?.reset(errors.answeredElsewhere());
    this.offer.finish(false);
  }

  data(chunk: Buffer): void {
    const heads = this.#heads;
    let bytes = chunk;
    for (;;) {
      const head = heads.take(bytes, this.#hedge.request);
      if (head instanceof HttpProblem) return this.#broke(errors.refused(this.#who, head));
      if (head === undefined) {
        this.stream?.consumed(bytes.length);
        return;
      }
      const { rest } = heads;
      this.stream?.consumed(bytes.length - rest.length);
      if (!head.informational) {
        if (this.#hedge.exchange.unwanted(head.status) && this.#hedge.hopeBeside(this)) {
          return this.#broke(errors.givenUp(this.#who, head.status));
        }
        this.#hedge.attemptAnswered(this, head, rest);
        return;
      }
      // Which of several will serve is not known yet, so that none of them can speak to the client in the meantime.
      heads.reset();
      if (rest.length === 0) return;
      bytes = rest;
    }
  }

  end(): void {
    this.#broke(errors.endedWithout(this.#who));
  }

  reset(error: PolarityError): void {
    this.#hedge.attemptBroke(this, error);
  }

  drain(): void {}

  get #who(): string {
    return errors.whoServes(this.offer);
  }

  #broke(error: PolarityError): void {
    this.stream?.reset(error);
    this.#hedge.attemptBroke(this, error);
  }
}
