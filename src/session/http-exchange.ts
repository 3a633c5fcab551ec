/**
 * One HTTP request and its response, between a client's connection and whichever offer serves it.
 *
 * The request head is one string and travels with the stream's opening; bodies pass through as they come, with the credit
 * of whoever reads slower. Until the app says something, the request is kept (up to 64 KiB): an offer that never reached
 * its app is replaced by another, and so is any that breaks under a safe request (RFC 9110 §9.2.1).
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { StreamRequest } from "../base/upstream.ts";
import { BodyReader } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseResponseHead, type ResponseHead } from "../http/response-head.ts";
import type { Offer } from "../registry/offer.ts";
import type { ServiceStatistics } from "../registry/service-statistics.ts";
import { OfferSeeker, type OfferSought, type SessionContext } from "./offer-seeker.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import { isSafeMethod, MAY_BREAK_UNDER_SAFE } from "./safe-requests.ts";

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
}

type Phase = "head" | "body" | "tunnel" | "over";

export class HttpExchange implements OfferSought, ByteSink {
  readonly request: ExchangeRequest;
  readonly #context: SessionContext;
  readonly #host: ExchangeHost;
  readonly #seeker: OfferSeeker;
  readonly #safe: boolean;
  readonly #collector: HeadCollector;
  readonly #reader = new BodyReader("TARGET_PROTOCOL");
  #replay: ReplayBuffer | undefined;
  #stream: ByteStream | undefined;
  #statistics: ServiceStatistics | undefined;
  #phase: Phase = "head";
  #requestEnded = false;
  /** The request is complete, but its stream is kept open for what follows a 101. */
  #awaitsTunnel = false;
  /** After a 101: the app's direction has ended, the client's may go on. */
  #tunnelEnded = false;
  /** Bytes came back on the present stream: from then on nothing is tried again. */
  #answered = false;
  #owedToStream = 0;
  #status = 0;

  constructor(context: SessionContext, host: ExchangeHost, request: ExchangeRequest) {
    this.#context = context;
    this.#host = host;
    this.request = request;
    this.#safe = isSafeMethod(request.method);
    this.#collector = new HeadCollector(request.responseHeadBytesMax, "response");
    const { service, protocol } = request.stream;
    this.#seeker = new OfferSeeker(context, this, service, protocol, request.node, request.offerDeadline);
  }

  /** Who serves it now. */
  get offer(): Offer | undefined {
    return this.#seeker.offer;
  }

  get over(): boolean {
    return this.#phase === "over";
  }

  /** Finds an offer and sends the head. The host may hear `failed` before this returns. */
  start(): void {
    this.#seeker.seek();
  }

  /** The next bytes of the request's body, or of the client's direction after a 101. False: wait for `requestDrained`. */
  requestBody(chunk: Buffer): boolean {
    if (this.#phase === "over") return true;
    if (!this.#answered) {
      this.#replay ??= new ReplayBuffer();
      if (this.#stream === undefined) {
        this.#replay.pushUnsent(chunk);
        return false;
      }
      this.#replay.pushSent(chunk);
    }
    if (this.#statistics !== undefined) this.#statistics.bytesIn += chunk.length;
    return this.#stream === undefined || this.#stream.write(chunk);
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
    if (this.#tunnelEnded) this.#conclude(undefined);
  }

  /** The client took what `response` or `responseBody` returned false for. */
  responseDrained(): void {
    const owed = this.#owedToStream;
    this.#owedToStream = 0;
    if (owed > 0) this.#stream?.consumed(owed);
  }

  /** The client is gone, or broke its request: the far side is told by a reset. The host hears nothing. */
  abort(error: PolarityError): void {
    if (this.#phase === "over") return;
    this.#stream?.reset(error);
    this.#conclude(error);
  }

  /** The upstream fell silent: a safe request without an answer goes elsewhere, if there is an elsewhere. */
  upstreamSuspect(): void {
    const { offer } = this;
    if (offer === undefined || !this.#safe || !this.#replayable) return;
    const { service, protocol } = this.request.stream;
    const other = this.#context.registry.pick(service, protocol, [offer], this.request.node);
    if (other.kind === "none") return;
    const error = new PolarityError("LINK_TIMEOUT", `node "${offer.upstream.node}" fell silent`);
    const stream = this.#stream;
    if (!this.#seeker.fail(error)) return;
    this.#stream = undefined;
    stream?.reset(error);
    this.#seeker.seek();
  }

  // ── OfferSought ──

  tryOffer(offer: Offer): boolean {
    const { request } = this;
    const stream = offer.upstream.open(request.stream, request.headStart, request.headEnding, this);
    if (stream === undefined) return false;
    this.#stream = stream;
    if (this.#statistics === undefined) {
      this.#statistics = offer.statistics;
      this.#statistics.requests++;
      this.#statistics.active++;
    }
    if (this.#replay !== undefined) {
      let room = true;
      for (const chunk of this.#replay.chunks) room = stream.write(chunk);
      if (room) this.#host.requestDrained();
    }
    if (this.#requestEnded) stream.end();
    return true;
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
      this.#stream?.reset(new PolarityError("TARGET_FAILED", "no response"));
      this.#fail(new PolarityError("TARGET_FAILED", `${this.#who} ended the stream without a response`));
    } else if (this.#reader.mayEnd) {
      this.#complete();
    } else {
      this.#stream?.reset(new PolarityError("TARGET_FAILED", "incomplete response"));
      this.#fail(new PolarityError("TARGET_FAILED", `${this.#who} ended the stream in the middle of the response`));
    }
  }

  reset(error: PolarityError): void {
    this.#stream = undefined;
    if (this.#phase === "over") return;
    const mayRetry = this.#replayable && (error.retryable || (this.#safe && MAY_BREAK_UNDER_SAFE.has(error.code)));
    if (mayRetry && this.#seeker.fail(error)) {
      this.#seeker.seek();
      return;
    }
    this.#fail(error);
  }

  drain(): void {
    this.#host.requestDrained();
  }

  // ── inside ──

  get #who(): string {
    const node = this.offer?.upstream.node;
    return node === undefined ? "the connector" : `node "${node}"`;
  }

  get #replayable(): boolean {
    return this.#phase === "head" && !this.#answered && (this.#replay === undefined || this.#replay.complete);
  }

  #headData(chunk: Buffer): void {
    if (!this.#answered) {
      this.#answered = true;
      this.#replay = undefined;
      this.#statistics?.latency.record(this.#context.clock.now() - this.request.startedAt);
    }
    const collector = this.#collector;
    let bytes = chunk;
    for (;;) {
      if (!collector.push(bytes)) {
        this.#stream?.consumed(bytes.length);
        return;
      }
      if (collector.problem !== undefined) return this.#refuse(collector.problem);
      const head = parseResponseHead(collector.text, this.request.method);
      if (head instanceof HttpProblem) return this.#refuse(head);
      const { rest } = collector;
      const taken = bytes.length - rest.length;
      if (!head.informational) {
        this.#stream?.consumed(taken);
        return this.#begin(head, rest);
      }
      collector.reset();
      // An app may send any number of these: a client that does not read must hold it back.
      if (this.#host.interim(head)) this.#stream?.consumed(taken);
      else this.#owedToStream += taken;
      if (rest.length === 0 || this.over) return;
      bytes = rest;
    }
  }

  #begin(head: ResponseHead, rest: Buffer): void {
    const reader = this.#reader;
    if (head.framing === "tunnel" && !this.request.upgrade) return this.#refuse(UNASKED_TUNNEL);
    this.#status = head.status;
    this.#phase = head.framing === "tunnel" ? "tunnel" : "body";
    reader.start(head.framing, head.bodyLength);
    const taken = reader.take(rest);
    if (reader.problem !== undefined) return this.#refuse(reader.problem);
    const body = taken === rest.length ? rest : rest.subarray(0, taken);
    this.#passed(this.#host.response(head, body), taken);
    if (reader.done) this.#complete();
  }

  #bodyData(chunk: Buffer): void {
    const reader = this.#reader;
    const taken = reader.take(chunk);
    if (reader.problem !== undefined) return this.#refuse(reader.problem);
    this.#passed(this.#host.responseBody(taken === chunk.length ? chunk : chunk.subarray(0, taken)), taken);
    if (reader.done) this.#complete();
  }

  #passed(room: boolean, bytes: number): void {
    if (this.#statistics !== undefined) this.#statistics.bytesOut += bytes;
    if (room) this.#stream?.consumed(bytes);
    else this.#owedToStream += bytes;
  }

  #refuse(problem: HttpProblem): void {
    const error = new PolarityError("TARGET_PROTOCOL", `the answer through ${this.#who} is refused: ${problem.reason}`);
    this.#stream?.reset(error);
    this.#fail(error);
  }

  #complete(): void {
    // An answer that came before the request was complete: the rest of the request has no reader.
    if (this.#awaitsTunnel) this.#stream?.end();
    else if (!this.#requestEnded) this.#stream?.reset(new PolarityError("CLIENT_GONE", "the response is complete"));
    this.#conclude(undefined);
    this.#host.responseEnded();
  }

  #fail(error: PolarityError): void {
    this.#conclude(error);
    this.#host.failed(error);
  }

  #conclude(error: PolarityError | undefined): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#replay = undefined;
    const statistics = this.#statistics ?? this.#context.registry.statistics(this.request.stream.service);
    if (this.#statistics === undefined && statistics !== undefined) statistics.requests++;
    if (this.#statistics !== undefined) this.#statistics.active--;
    if (statistics !== undefined) {
      if (this.#status > 0) statistics.countStatus(this.#status);
      else if (error !== undefined) statistics.countStatus(error.status);
      if (error !== undefined) statistics.countError(error.code);
    }
    this.#seeker.finish(error !== undefined && error.fault !== "client");
  }
}

const UNASKED_TUNNEL = new HttpProblem("TARGET_PROTOCOL", "the app's response has status 101, which nobody asked for");
