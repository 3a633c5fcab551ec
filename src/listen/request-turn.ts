/**
 * One request's turn, from its head to the end of its answer, whichever version of HTTP brought it; then the next one's.
 *
 * Finds the route, waits for one that may still become known, runs the exchange and has what the client gets written, be
 * it the app's or ours. A response that has begun is never padded out or mended: if it breaks, it is cut.
 */
import { PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import { ruledResponse } from "../http/header-rules.ts";
import { lastHopAnswer, mayCountHops, withHopCounted } from "../http/max-forwards.ts";
import { type Redirect, redirectLocation, redirectResponse } from "../http/redirect.ts";
import { forwardedEnding, forwardedStart, type ForwardingContext } from "../http/request-forwarding.ts";
import { trustedRequestId } from "../http/request-identity.ts";
import type { RequestHead } from "../http/request-head.ts";
import { type ResponseHead, withField } from "../http/response-head.ts";
import { ruledHead, ruledPath, type RouteRules } from "../http/route-rules.ts";
import type { OfferWaiter, WaitHandle } from "../registry/offer-waiters.ts";
import type { ExchangeHost } from "../session/exchange-contract.ts";
import type { StickyPolicy } from "../session/exchange-policy.ts";
import type { HttpExchange } from "../session/http-exchange.ts";
import { createExchange } from "../session/mirroring.ts";
import { type RecordSource, RequestRecord } from "./access-log.ts";
import type { ClientWriter } from "./client-writer.ts";
import type { RequestHost } from "./request-host.ts";
import { loopError, noRouteError } from "./request-refusals.ts";
import type { FoundRoute, Resolution } from "./route-table.ts";
import { affinityOf, chosenShare, stickyCookie } from "./stickiness.ts";

/** Where the requests come from, as the turn sees it. */
export interface TurnHost {
  /** The request's body is here whole. */
  readonly bodyComplete: boolean;
  /** The request is with a service, and its body still arriving. */
  readonly bodyArriving: boolean;
  /** The body of the present request, of which nothing was taken yet, has a limit of its own. Why it cannot be taken. */
  limitBody(bytesMax: number): PolarityError | undefined;
  /** When the first bytes of the head came, on the context's clock; 0: it came whole. */
  readonly headBeganAt: number;
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

type NoRoute = Extract<Resolution, { kind: "none" }>;

const EMPTY = Buffer.alloc(0);

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
  /** Of the present request's route. */
  #rules: RouteRules | undefined;
  /** What is noted of the present request; undefined where nothing is. */
  #record: RequestRecord | undefined;
  #responseBegun = false;
  #continued = false;
  #tunnel = false;
  /** Of the present request's route. */
  #sticky: StickyPolicy | undefined;

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
  start(received: RequestHead, problem: PolarityError | undefined): void {
    const counted = mayCountHops(received) ? withHopCounted(received) : received;
    const head = counted ?? received;
    this.#head = head;
    this.#startedAt = this.#host.context.clock.now();
    this.#responseBegun = false;
    this.#continued = false;
    this.#tunnel = false;
    this.#rules = undefined;
    const { identity } = this.#host;
    if (identity !== undefined) this.#writer.requestId = identity.requestId(head, this.#forwarding.trusted);
    const { rates, records } = this.#host;
    this.#record = records === undefined ? undefined : this.#newRecord(records, head);
    const limited = rates === undefined ? undefined : rates.refusesRequest(head, this.#forwarding, this.#startedAt);
    if (limited !== undefined) {
      this.#host.statistics.countError(limited.code);
      this.#refuse(limited, !this.#connection.bodyComplete);
      return;
    }
    if (counted === undefined) {
      this.#answer(head, lastHopAnswer(head.method));
      return;
    }
    const resolution = this.#host.routes.resolve(head);
    let refused = problem;
    if (resolution.kind === "found") {
      const bytesMax = resolution.rules?.bodyBytesMax;
      if (bytesMax !== undefined) refused = this.#connection.limitBody(bytesMax);
    }
    if (refused === undefined) this.#follow(head, resolution);
    else this.#refuse(refused, true);
  }

  /** There is no head to speak of: it is broken, or too slow. */
  refuseHead(error: PolarityError, method = ""): void {
    this.#head = undefined;
    const { records, context } = this.#host;
    this.#startedAt = context.clock.now();
    if (records !== undefined) this.#record = this.#newRecord(records, undefined);
    this.#refuse(error, true, method);
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
    if (this.#record !== undefined)
      this.#closeRecord(new PolarityError("CLIENT_GONE", "before its answer was complete"));
  }

  // ── ExchangeHost: the service ──

  interim(head: ResponseHead): boolean {
    if (head.status === 100) this.#continued = true;
    return this.#writer.interim(this.#head!, this.#ruled(head));
  }

  response(head: ResponseHead, body: Buffer): boolean {
    const request = this.#head!;
    this.#responseBegun = true;
    this.#host.statistics.countStatus(head.status);
    if (this.#record !== undefined) this.#record.status = head.status;
    const ruled = this.#ruled(head);
    const answer = this.#sticky === undefined ? ruled : this.#withCookie(request, ruled, this.#sticky);
    if (head.framing === "tunnel") {
      this.#tunnel = true;
      return this.#connection.tunnelBegins(request, answer, body);
    }
    const unasked = request.expectsContinue && !this.#continued && this.#connection.bodyArriving;
    return this.#writer.response(request, answer, body, unasked);
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
    if (this.#record !== undefined) this.#closeRecord(undefined);
    this.#head = undefined;
    this.#connection.answered();
  }

  failed(error: PolarityError): void {
    this.#host.failed(this.#client, this.#streamRequest?.service ?? "", error);
    this.#release();
    this.#host.statistics.countError(error.code);
    if (this.#responseBegun) {
      if (this.#record !== undefined) this.#closeRecord(error);
      this.#connection.cut(error);
    } else this.#refuse(error, this.#connection.bodyArriving);
  }

  requestDrained(): void {
    this.#connection.requestDrained();
  }

  // ── OfferWaiter: a service that is not known yet ──

  ready(): void {
    this.#wait = undefined;
    this.#follow(this.#head!, this.#host.routes.resolve(this.#head!));
  }

  timedOut(): void {
    this.#wait = undefined;
    const resolution = this.#host.routes.resolve(this.#head!);
    if (resolution.kind === "none") this.#noRoute(resolution);
    else this.#follow(this.#head!, resolution);
  }

  // ── inside ──

  #follow(head: RequestHead, resolution: Resolution): void {
    switch (resolution.kind) {
      case "found":
        this.#begin(head, resolution);
        return;
      case "none":
        this.#waitForRoute(resolution);
        return;
      case "ambiguous":
        this.#refuseRequest(new PolarityError("BAD_REQUEST", resolution.reason));
    }
  }

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
    this.#refuseRequest(noRouteError(tried, hostNotServed, this.#host.context));
  }

  /** Nobody was asked. */
  #refuseRequest(error: PolarityError): void {
    this.#host.statistics.countError(error.code);
    this.#refuse(error, !this.#connection.bodyComplete);
  }

  #begin(head: RequestHead, route: FoundRoute): void {
    const { service: only, node, split, rules, policy } = route;
    this.#rules = rules;
    if (rules?.redirect !== undefined && this.#redirected(head, route, rules, rules.redirect)) return;
    this.#sticky = policy.sticky;
    const affinity = policy.sticky === undefined ? undefined : affinityOf(head, policy.sticky);
    const { limits, context, waitForOfferMs, statistics, identity } = this.#host;
    const service = split === undefined ? only : chosenShare(split, affinity, this.#host.random);
    if (head.hasVia && this.#forwarding.knowsTurn(head, service)) {
      this.#refuseRequest(loopError(service));
      return;
    }
    if (this.#streamRequest?.service !== service || this.#streamRequest.node !== node) {
      this.#streamRequest = new StreamRequest(service, "http/1.1", this.#client, node, waitForOfferMs);
    }
    const { requestId } = this.#writer;
    const traceparent = identity === undefined ? "" : identity.traceparent(head, this.#forwarding.trusted);
    const ruled =
      rules === undefined ? undefined : ruledHead(head, this.#forwarding, rules, { service, requestId, traceparent });
    this.#exchange = createExchange(context, this, {
      stream: this.#streamRequest,
      node,
      method: head.method,
      headStart:
        ruled === undefined ? forwardedStart(head, this.#forwarding, head.path, requestId, traceparent) : ruled[0],
      headEnding: ruled === undefined ? forwardedEnding(head, this.#forwarding, service) : ruled[1],
      upgrade: head.upgrade !== "",
      responseHeadBytesMax: limits.headBytesMax,
      offerDeadline: this.#startedAt + waitForOfferMs,
      startedAt: this.#startedAt,
      policy,
      affinity,
      journal: this.#record,
    });
    if (this.#record !== undefined) this.#record.service = service;
    statistics.active++;
    this.#connection.begins(this.#exchange);
  }

  /** False: the request is the service's, since it came as the redirect would have it come. */
  #redirected(head: RequestHead, route: FoundRoute, rules: RouteRules, redirect: Redirect): boolean {
    if (redirect.toHttps && this.#forwarding.protoOf(head) === "https") {
      if (route.service !== "" || route.split !== undefined) return false;
      this.#refuseRequest(
        new PolarityError("NO_ROUTE", "the route redirects to https, and the request came so already"),
      );
      return true;
    }
    const location = redirectLocation(redirect, head.host, redirect.toHttps ? head.path : ruledPath(head, rules));
    if (location === "") {
      this.#refuseRequest(new PolarityError("BAD_REQUEST", "the request names no host to redirect it to"));
      return true;
    }
    this.#answer(head, this.#ruled(redirectResponse(redirect.status, location, head.method)));
    return true;
  }

  /** Nobody was asked, and nothing is wrong. */
  #answer(head: RequestHead, answer: ResponseHead): void {
    this.#host.statistics.countStatus(answer.status);
    // Whoever has not sent its body whole may go on sending it, and it must not be taken for the next request.
    this.#writer.response(head, answer, EMPTY, !this.#connection.bodyComplete);
    if (this.#record !== undefined) {
      this.#record.status = answer.status;
      this.#closeRecord(undefined);
    }
    this.#head = undefined;
    this.#connection.answered();
  }

  #ruled(head: ResponseHead): ResponseHead {
    const rules = this.#rules?.response;
    return rules === undefined ? head : ruledResponse(head, rules);
  }

  #withCookie(asked: RequestHead, head: ResponseHead, sticky: StickyPolicy): ResponseHead {
    const { offer, request } = this.#exchange!;
    if (offer === undefined) return head;
    const line = stickyCookie(sticky, request.affinity, offer, this.#forwarding.protoOf(asked) === "https");
    return line === "" ? head : withField(head, line);
  }

  #concludeTunnel(): void {
    if (this.#exchange === undefined || !this.#exchange.over) return;
    this.#release();
    if (this.#record !== undefined) this.#closeRecord(undefined);
    this.#connection.tunnelEnded();
  }

  #release(): void {
    this.#exchange = undefined;
    this.#host.statistics.active--;
  }

  #newRecord(records: RecordSource, head: RequestHead | undefined): RequestRecord {
    const beganAt = this.#connection.headBeganAt || this.#startedAt;
    const record = new RequestRecord(records, this.#forwarding, this.#client, head, beganAt, this.#startedAt);
    record.requestId = this.#writer.requestId;
    if (record.requestId === "" && head !== undefined && this.#forwarding.trusted)
      record.requestId = trustedRequestId(head);
    return record;
  }

  /** `error`: why there was no whole answer, unless the exchange knows better. */
  #closeRecord(error: PolarityError | undefined): void {
    const record = this.#record!;
    this.#record = undefined;
    record.error ??= error;
    record.finish(this.#host.context.clock.now());
  }

  /** Our own answer. `broken`: what follows on the connection cannot be understood. `method`: of a head that is broken. */
  #refuse(error: PolarityError, broken: boolean, method = ""): void {
    this.#host.statistics.countStatus(error.status);
    this.#writer.refuse(this.#head, error, broken, method);
    if (this.#record !== undefined) {
      this.#record.refused(error);
      this.#closeRecord(error);
    }
    this.#head = undefined;
    this.#connection.answered();
  }
}
