/**
 * One HTTP request and its response, between a client's connection and whichever offer serves it.
 *
 * The request head is one string and travels with the stream's opening; bodies pass through as they come, with the credit
 * of whoever reads slower. Until the app says something, the request is kept (up to 64 KiB): an offer that never reached
 * its app is replaced by another, and so is any that breaks under a safe request (RFC 9110 §9.2.1). What else a route may
 * ask (see exchange-policy.ts) is kept in objects of its own, made only where it is asked.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import type { StreamRequest, Upstream } from "../base/upstream.ts";
import { BodyReader } from "../http/body-framing.ts";
import { HttpProblem } from "../http/http-problem.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { Offer } from "../registry/offer.ts";
import { AnswerHeads } from "./answer-heads.ts";
import { AnswerTimeout } from "./answer-timeout.ts";
import type { ExchangeContext, ExchangeHost, ExchangeRequest } from "./exchange-contract.ts";
import * as errors from "./exchange-errors.ts";
import { ExchangeSeeker } from "./exchange-seeker.ts";
import { Hedge, type HedgeAttempt, type Hedged } from "./hedge.ts";
import type { OfferSought } from "./offer-seeker.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import { type Stallable, StallWatch } from "./stall-watch.ts";
import { isSafeMethod, MAY_BREAK_UNDER_SAFE } from "./safe-requests.ts";

type Phase = "head" | "body" | "tunnel" | "over";

export class HttpExchange implements OfferSought, ByteSink, Hedged, Stallable, Holding {
  readonly request: ExchangeRequest;
  readonly #context: ExchangeContext;
  readonly #host: ExchangeHost;
  readonly #seeker: ExchangeSeeker;
  readonly #safe: boolean;
  readonly #heads: AnswerHeads;
  readonly #reader = new BodyReader("TARGET_PROTOCOL");
  #replay: ReplayBuffer | undefined;
  #stream: ByteStream | undefined;
  #phase: Phase = "head";
  #requestEnded = false;
  /** The request is complete, but its stream is kept open for what follows a 101. */
  #awaitsTunnel = false;
  /** After a 101: the app's direction has ended, the client's may go on. */
  #tunnelEnded = false;
  /** Bytes came back on the present stream: from then on nothing is tried again. */
  #answered = false;
  #interimPassed = false;
  #owedToStream = NOTHING_OWED;
  #status = 0;
  #timeout: AnswerTimeout | undefined;
  #hedge: Hedge | undefined;
  /** The request has a body. */
  #bodyBegun = false;
  #stallWatch: StallWatch | undefined;

  constructor(context: ExchangeContext, host: ExchangeHost, request: ExchangeRequest) {
    this.#context = context;
    this.#host = host;
    this.request = request;
    this.#safe = isSafeMethod(request.method);
    this.#heads = new AnswerHeads(request.responseHeadBytesMax);
    this.#seeker = new ExchangeSeeker(context, this, request);
  }

  /** Who serves it now. */
  get offer(): Offer | undefined {
    return this.#seeker.offer;
  }

  // ── Holding ──

  get client(): string {
    return this.request.stream.client;
  }

  get heldBytes(): number {
    return this.offer?.upstream.linked === true ? 0 : this.#owedToStream.bytes;
  }

  shed(error: PolarityError): void {
    if (this.#phase !== "over") this.#breakOff(error);
  }

  get over(): boolean {
    return this.#phase === "over";
  }

  /** Finds an offer and sends the head. The host may hear `failed` before this returns. */
  start(): void {
    const { timeoutMs, hedge } = this.request.policy;
    if (timeoutMs > 0) this.#timeout = new AnswerTimeout(this.#context, this, timeoutMs);
    if (hedge !== undefined && this.#safe && !this.request.upgrade) {
      this.#hedge = new Hedge(this.#context, this, this.request, hedge, this.#seeker);
    }
    this.#seeker.seek();
  }

  /** The next bytes of the request's body, or of the client's direction after a 101. False: wait for `requestDrained`. */
  requestBody(chunk: Buffer): boolean {
    if (this.#phase === "over") return true;
    this.#seeker.bytesIn(chunk.length);
    this.#bodyBegun = true;
    if (!this.#answered) {
      this.#replay ??= new ReplayBuffer();
      if (this.#stream === undefined) {
        this.#replay.pushUnsent(chunk);
        return false;
      }
      this.#replay.pushSent(chunk);
    }
    if (this.#stallWatch !== undefined) this.#stallWatch.moved = true;
    const room = this.#stream === undefined || this.#stream.write(chunk);
    this.#timeout?.uploaded(room);
    return room;
  }

  /** The request is complete; after a 101: the client's direction has ended. */
  requestEnd(): void {
    if (this.#requestEnded) return;
    if (this.request.upgrade && this.#phase === "head") {
      this.#awaitsTunnel = true;
      return;
    }
    this.#requestEnded = true;
    this.#stream?.end();
    if (this.#phase === "head") this.#timeout?.requestEnded();
    if (this.#tunnelEnded) this.#conclude(undefined);
  }

  /** The client took what `response` or `responseBody` returned false for. */
  responseDrained(): void {
    this.#owedToStream.settle();
  }

  /** The client is gone, or broke its request: the far side is told by a reset. The host hears nothing. */
  abort(error: PolarityError): void {
    if (this.#phase === "over") return;
    this.#stream?.reset(error);
    this.#conclude(error);
  }

  /** An upstream fell silent: a safe request of its that has no answer goes elsewhere, if there is an elsewhere. */
  upstreamSuspect(upstream: Upstream): void {
    this.#hedge?.upstreamSuspect(upstream);
    const { offer } = this;
    if (offer?.upstream !== upstream || !this.#safe || !this.#mayReplay()) return;
    if (this.#hedges() || this.#seeker.elsewhere()) this.#leave(errors.fellSilent(upstream));
  }

  /** The answer's time is up. */
  answerOverdue(timeoutMs: number): void {
    const who = this.offer === undefined && !this.#hedges() ? undefined : this.#who;
    this.#breakOff(errors.overdue(this.request.stream.service, who, timeoutMs));
  }

  // ── Stallable ──

  get heldByClient(): boolean {
    return this.#owedToStream.bytes > 0;
  }

  stalled(timeoutMs: number): void {
    this.#breakOff(errors.stalledFor(this.#who, timeoutMs));
  }

  // ── Hedged ──

  get mayHedge(): boolean {
    return this.#mayReplay() && this.asking && this.#requestEnded && !this.#bodyBegun;
  }

  get asking(): boolean {
    return this.#phase === "head" && this.#stream !== undefined;
  }

  unwanted(status: number): boolean {
    const { statuses } = this.request.policy.retries;
    return statuses !== undefined && statuses.includes(status) && this.#safe && !this.#bodyBegun;
  }

  hedgeAnswered({ stream, offer }: HedgeAttempt, head: ResponseHead, rest: Buffer): void {
    this.#stream?.reset(errors.answeredElsewhere());
    this.#seeker.adopt(offer);
    this.#stream = stream;
    if (stream !== undefined) stream.sink = this;
    this.#firstBytes();
    this.#begin(head, rest);
  }

  hedgeLost(error: PolarityError): void {
    if (this.#phase === "head") this.#seekOrFail(error, this.#mayFollow(error) && this.#seeker.mayTry);
  }

  // ── OfferSought ──

  tryOffer(offer: Offer): boolean {
    const stream = this.#seeker.open(offer, this);
    if (stream === undefined) return false;
    this.#stream = stream;
    this.#seeker.sent(offer);
    if (this.#replay !== undefined) {
      let room = true;
      for (const chunk of this.#replay.chunks) room = stream.write(chunk);
      this.#timeout?.uploaded(room);
      if (room) this.#host.requestDrained();
    }
    if (this.#requestEnded) stream.end();
    this.#hedge?.wait();
    return true;
  }

  get asked(): StreamRequest {
    return this.request.stream;
  }

  noOffer(error: PolarityError): void {
    this.#fail(error);
  }

  // ── ByteSink: what comes back ──

  data(chunk: Buffer): void {
    switch (this.#phase) {
      case "head":
        this.#headData(chunk);
        return;
      case "body":
      case "tunnel":
        this.#bodyData(chunk);
        return;
      case "over":
        this.#stream?.consumed(chunk.length);
        // More than the response: what the far side wants with it is its problem.
        this.#stream?.reset(new PolarityError("TARGET_PROTOCOL", "bytes after the end of the response"));
    }
  }

  end(): void {
    if (this.#phase === "over") return;
    if (this.#phase === "tunnel") {
      this.#tunnelEnded = true;
      if (this.#requestEnded) this.#conclude(undefined);
      this.#host.responseEnded();
    } else if (this.#phase === "head") {
      this.#headFailed(errors.endedWithout(this.#who));
    } else if (this.#reader.mayEnd) {
      this.#complete();
    } else {
      this.#breakOff(errors.endedMidway(this.#who));
    }
  }

  reset(error: PolarityError): void {
    if (this.#phase === "over") {
      this.#stream = undefined;
    } else if (this.#phase === "head" && this.#hedges()) {
      this.#leave(error);
    } else {
      const mayFollow = this.#mayFollow(error);
      this.#stream = undefined;
      this.#seekOrFail(error, mayFollow && this.#seeker.fail(error));
    }
  }

  drain(): void {
    this.#timeout?.drained();
    this.#host.requestDrained();
  }

  // ── inside ──

  get #who(): string {
    return errors.whoServes(this.offer);
  }

  /** Other offers have been asked besides. */
  #hedges(): boolean {
    return this.#hedge !== undefined && this.#hedge.underWay;
  }

  #mayReplay(): boolean {
    return this.#phase === "head" && !this.#answered && (this.#replay === undefined || this.#replay.complete);
  }

  #headData(chunk: Buffer): void {
    if (!this.#answered) this.#firstBytes();
    const heads = this.#heads;
    let bytes = chunk;
    for (;;) {
      const head = heads.take(bytes, this.request);
      if (head instanceof HttpProblem) return this.#refuse(head);
      const { rest } = heads;
      const taken = head === undefined ? bytes.length : bytes.length - rest.length;
      if (head === undefined || !head.informational) {
        this.#stream?.consumed(taken);
        if (head !== undefined) this.#begin(head, rest);
        return;
      }
      heads.reset();
      // Which of several offers will serve is not known yet, so that none of them speaks to the client.
      if (!this.#hedges()) this.#interimPassed = true;
      // An app may send any number of these: a client that does not read must hold it back.
      this.#credit(this.#hedges() || this.#host.interim(head), taken);
      if (rest.length === 0 || this.over) return;
      bytes = rest;
    }
  }

  #begin(head: ResponseHead, rest: Buffer): void {
    const reader = this.#reader;
    if (this.request.policy.retries.statuses !== undefined && this.#givesUp(head.status)) return;
    this.#hedge?.stop();
    this.#timeout?.stop();
    this.#status = head.status;
    this.#phase = head.framing === "tunnel" ? "tunnel" : "body";
    reader.start(head.framing, head.bodyLength);
    const taken = reader.take(rest);
    if (reader.problem !== undefined) return this.#refuse(reader.problem);
    this.#passed(this.#host.response(head, reader.goingOn(rest)), taken);
    if (reader.done) this.#complete();
    else if (this.#phase === "body") this.#stallWatch = StallWatch.begin(this.#context.stallWatches, this);
  }

  /** True when another offer is asked instead of passing on an answer with this status. */
  #givesUp(status: number): boolean {
    if (this.#interimPassed || !this.#requestEnded || !this.unwanted(status)) return false;
    if (!this.#hedges() && !this.#seeker.elsewhere()) return false;
    this.#leave(errors.givenUp(this.#who, status));
    return true;
  }

  /** Gives up the present offer: for what the hedge asks, or else for the next one. */
  #leave(error: PolarityError): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#heads.reset();
    this.#answered = false;
    const mayTry = this.#seeker.fail(error);
    stream?.reset(error);
    if (!this.#hedges()) this.#seekOrFail(error, mayTry);
  }

  #mayFollow(error: PolarityError): boolean {
    return this.#mayReplay() && (error.retryable || (this.#safe && MAY_BREAK_UNDER_SAFE.has(error.code)));
  }

  #seekOrFail(error: PolarityError, mayTry: boolean): void {
    if (mayTry) this.#seeker.seek();
    else this.#fail(error);
  }

  /** From now on the present offer has the request, unless its answer is given up. */
  #firstBytes(): void {
    this.#answered = true;
    this.#replay = undefined;
    this.#seeker.heard();
  }

  #bodyData(chunk: Buffer): void {
    const reader = this.#reader;
    const taken = reader.take(chunk);
    if (reader.problem !== undefined) return this.#refuse(reader.problem);
    const body = reader.goingOn(chunk);
    this.#passed(body.length === 0 || this.#host.responseBody(body), taken);
    if (reader.done) this.#complete();
  }

  #passed(room: boolean, bytes: number): void {
    if (this.#stallWatch !== undefined) this.#stallWatch.moved = true;
    this.#seeker.bytesOut(bytes);
    this.#credit(room, bytes);
  }

  #credit(room: boolean, bytes: number): void {
    if (room) this.#stream?.consumed(bytes);
    else if (this.#stream !== undefined) this.#owedToStream = this.#owedToStream.plus(this.#stream, bytes);
  }

  #refuse(problem: HttpProblem): void {
    this.#headFailed(errors.refused(this.#who, problem));
  }

  /** Or what is behind it: then no other offer can help. */
  #headFailed(error: PolarityError): void {
    if (this.#phase === "head" && this.#hedges()) this.#leave(error);
    else this.#breakOff(error);
  }

  #complete(): void {
    // An answer that came before the request was complete: the rest of the request has no reader.
    if (this.#awaitsTunnel) this.#stream?.end();
    else if (!this.#requestEnded) this.#stream?.reset(new PolarityError("CLIENT_GONE", "the response is complete"));
    this.#conclude(undefined);
    this.#host.responseEnded();
  }

  #breakOff(error: PolarityError): void {
    this.#stream?.reset(error);
    this.#fail(error);
  }

  #fail(error: PolarityError): void {
    this.#conclude(error);
    this.#host.failed(error);
  }

  #conclude(error: PolarityError | undefined): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#replay = undefined;
    this.#hedge?.stop();
    this.#timeout?.stop();
    if (this.#stallWatch !== undefined) this.#context.stallWatches.delete(this.#stallWatch);
    this.#seeker.conclude(this.#status, error);
  }
}
