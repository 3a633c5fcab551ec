/**
 * One request's turn, from its head to the end of its answer, whichever version of HTTP brought it; then the next one's.
 *
 * Finds the route, waits for one that may still become known, runs the exchange and has what the client gets written, be
 * it the app's or ours. A response that has begun is never padded out or mended: if it breaks, it is cut.
 */
import { PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import { forwardedEnding, forwardedStart, type ForwardingContext, rewritePath } from "../http/request-forwarding.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { OfferWaiter, WaitHandle } from "../registry/offer-waiters.ts";
import type { ExchangeHost } from "../session/exchange-contract.ts";
import { DEFAULT_POLICY } from "../session/exchange-policy.ts";
import { HttpExchange } from "../session/http-exchange.ts";
import type { SessionContext } from "../session/offer-seeker.ts";
import type { ClientWriter } from "./client-writer.ts";
import type { RequestHost } from "./request-host.ts";
import type { Resolution } from "./route-table.ts";

/** Where the requests come from, as the turn sees it. */
export interface TurnHost {
  /** The request's body is here whole. */
  readonly bodyComplete: boolean;
  /** The request is with a service, and its body still arriving. */
  readonly bodyArriving: boolean;
  /** The request waits for its service to become known. */
  waits(): void;
  /** The exchange is to be started. */
  begins(exchange: HttpExchange): void;
  /** A 101 comes: its head is to be written, then bytes pass both ways. */
  tunnelBegins(request: RequestHead, head: ResponseHead, rest: Buffer): boolean;
  /** Both directions of the tunnel have ended. */
  tunnelEnded(): void;
  /** The answer is written. */
  answered(): void;
  /** The answer broke in its middle. */
  cut(error: PolarityError): void;
  requestDrained(): void;
}

type Found = Extract<Resolution, { kind: "found" }>;
type NoRoute = Extract<Resolution, { kind: "none" }>;

export class RequestTurn implements ExchangeHost, OfferWaiter {
  readonly #connection: TurnHost;
  readonly #writer: ClientWriter;
  readonly #host: RequestHost;
  readonly #client: string;
  readonly #forwarding: ForwardingContext;
  #head: RequestHead | undefined;
  #startedAt = 0;
  #exchange: HttpExchange | undefined;
  #wait: WaitHandle | undefined;
  #streamRequest: StreamRequest | undefined;
  #responseBegun = false;
  #continued = false;
  #tunnel = false;

  /** `client`: its address, empty on a unix socket. */
  constructor(
    connection: TurnHost,
    writer: ClientWriter,
    host: RequestHost,
    client: string,
    forwarding: ForwardingContext,
  ) {
    this.#connection = connection;
    this.#writer = writer;
    this.#host = host;
    this.#client = client;
    this.#forwarding = forwarding;
  }

  get exchange(): HttpExchange | undefined {
    return this.#exchange;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  /** The service has begun to answer, or the client waits to be told to go on: either may be silent without fault. */
  get inTalk(): boolean {
    return this.#responseBegun || (this.#head !== undefined && this.#head.expectsContinue && !this.#continued);
  }

  /** The next request. `problem`: why its body cannot be taken. */
  start(head: RequestHead, problem: PolarityError | undefined): void {
    this.#head = head;
    this.#startedAt = this.#host.context.clock.now();
    this.#responseBegun = false;
    this.#continued = false;
    this.#tunnel = false;
    const { identity } = this.#host;
    if (identity !== undefined) this.#writer.requestId = identity.requestId(head, this.#forwarding.trusted);
    const { rates } = this.#host;
    const limited = rates === undefined ? undefined : rates.refusesRequest(head, this.#forwarding, this.#startedAt);
    if (limited !== undefined) {
      this.#host.statistics.countError(limited.code);
      this.#refuse(limited, !this.#connection.bodyComplete);
      return;
    }
    if (problem !== undefined) {
      this.#refuse(problem, true);
      return;
    }
    const resolution = this.#host.routes.resolve(head);
    if (resolution.kind === "found") this.#begin(head, resolution);
    else this.#waitForRoute(resolution);
  }

  /** There is no head to speak of: it is broken, or too slow. */
  refuseHead(error: PolarityError): void {
    this.#head = undefined;
    this.#refuse(error, true);
  }

  /** After a 101: the client's direction has ended. */
  endTunnel(): void {
    this.#exchange?.requestEnd();
    this.#concludeTunnel();
  }

  /** The connection is gone. */
  forget(): void {
    if (this.#wait !== undefined) this.#host.context.waiters.cancel(this.#wait);
    this.#wait = undefined;
    if (this.#exchange !== undefined) this.#release();
  }

  // ── ExchangeHost: the service ──

  interim(head: ResponseHead): boolean {
    if (head.status === 100) this.#continued = true;
    return this.#writer.interim(this.#head!, head);
  }

  response(head: ResponseHead, body: Buffer): boolean {
    const request = this.#head!;
    this.#responseBegun = true;
    this.#host.statistics.countStatus(head.status);
    if (head.framing === "tunnel") {
      this.#tunnel = true;
      return this.#connection.tunnelBegins(request, head, body);
    }
    const unasked = request.expectsContinue && !this.#continued && this.#connection.bodyArriving;
    return this.#writer.response(request, head, body, unasked);
  }

  responseBody(chunk: Buffer): boolean {
    return this.#writer.responseBody(chunk);
  }

  responseEnded(): void {
    if (this.#tunnel) {
      this.#writer.endTunnel();
      this.#concludeTunnel();
      return;
    }
    this.#release();
    this.#head = undefined;
    this.#connection.answered();
  }

  failed(error: PolarityError): void {
    this.#host.failed(this.#client, this.#streamRequest?.service ?? "", error);
    this.#release();
    this.#host.statistics.countError(error.code);
    if (this.#responseBegun) this.#connection.cut(error);
    else this.#refuse(error, this.#connection.bodyArriving);
  }

  requestDrained(): void {
    this.#connection.requestDrained();
  }

  // ── OfferWaiter: a service that is not known yet ──

  ready(): void {
    this.#wait = undefined;
    const resolution = this.#host.routes.resolve(this.#head!);
    if (resolution.kind === "found") this.#begin(this.#head!, resolution);
    else this.#waitForRoute(resolution);
  }

  timedOut(): void {
    this.#wait = undefined;
    const resolution = this.#host.routes.resolve(this.#head!);
    if (resolution.kind === "found") this.#begin(this.#head!, resolution);
    else this.#noRoute(resolution);
  }

  // ── inside ──

  #waitForRoute(none: NoRoute): void {
    const { routes, context, waitForOfferMs } = this.#host;
    const deadline = this.#startedAt + waitForOfferMs;
    // A node that has just started cannot know yet what its connectors will offer.
    const wait =
      routes.dependsOnOffers && context.mayStillLearn && context.clock.now() < deadline
        ? context.waiters.wait(undefined, deadline, this)
        : undefined;
    if (wait === undefined) {
      this.#noRoute(none);
      return;
    }
    this.#wait = wait;
    this.#connection.waits();
  }

  #noRoute({ tried, hostNotServed }: NoRoute): void {
    const error = noRouteError(tried, hostNotServed, this.#host.context);
    this.#host.statistics.countError(error.code);
    this.#refuse(error, !this.#connection.bodyComplete);
  }

  #begin(head: RequestHead, { service, node, stripPrefix }: Found): void {
    const { limits, context, waitForOfferMs, statistics, identity } = this.#host;
    if (this.#streamRequest?.service !== service || this.#streamRequest.node !== node) {
      this.#streamRequest = new StreamRequest(service, "http/1.1", this.#client, node, waitForOfferMs);
    }
    const path = stripPrefix === "" ? head.path : rewritePath(head.path, stripPrefix, "");
    const traceparent = identity === undefined ? "" : identity.traceparent(head, this.#forwarding.trusted);
    this.#exchange = new HttpExchange(context, this, {
      stream: this.#streamRequest,
      node,
      method: head.method,
      headStart: forwardedStart(head, this.#forwarding, path, this.#writer.requestId, traceparent),
      headEnding: forwardedEnding(head, this.#forwarding),
      upgrade: head.upgrade !== "",
      responseHeadBytesMax: limits.headBytesMax,
      offerDeadline: this.#startedAt + waitForOfferMs,
      startedAt: this.#startedAt,
      policy: DEFAULT_POLICY,
    });
    statistics.active++;
    this.#connection.begins(this.#exchange);
  }

  #concludeTunnel(): void {
    if (this.#exchange === undefined || !this.#exchange.over) return;
    this.#release();
    this.#connection.tunnelEnded();
  }

  #release(): void {
    this.#exchange = undefined;
    this.#host.statistics.active--;
  }

  /** Our own answer. `broken`: what follows on the connection cannot be understood. */
  #refuse(error: PolarityError, broken: boolean): void {
    this.#host.statistics.countStatus(error.status);
    this.#writer.refuse(this.#head, error, broken);
    this.#head = undefined;
    this.#connection.answered();
  }
}

function noRouteError(tried: readonly string[], hostNotServed: boolean, context: SessionContext): PolarityError {
  if (hostNotServed)
    return new PolarityError("HOST_NOT_SERVED", `no route of this listener is for ${tried.join(", ")}`);
  return context.noConnector
    ? new PolarityError("NO_CONNECTOR", "no connector has joined this router, so that no service is known yet")
    : new PolarityError("NO_ROUTE", `no service for this request; tried ${tried.join(", ")}`);
}
