/**
 * Copies of requests for another service: asked the same, their answers read and dropped.
 *
 * A copy is an exchange of its own whose client is nobody. It is told what the client sends after the request's own
 * exchange was, and never asked whether it takes it: what it cannot take it buffers, up to the route's bound, and beyond
 * that it is broken off. A copy has a minute, so that a service that hangs keeps few of them.
 */
import type { Timed } from "../base/deadlines.ts";
import { PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { Copy, ExchangeContext, ExchangeHost, ExchangeRequest } from "./exchange-contract.ts";
import { DEFAULT_POLICY, DEFAULT_RETRIES, type ExchangePolicy, type MirrorPolicy } from "./exchange-policy.ts";
import { HttpExchange } from "./http-exchange.ts";

/** At once, for a whole node. */
const COPIES_MAX = 1024;
const COPY_LIFE_MS = 60_000;
const MARK = "X-Polarity-Mirror: 1\r\n";
const COPY_POLICY: ExchangePolicy = Object.freeze({
  ...DEFAULT_POLICY,
  retries: Object.freeze({ ...DEFAULT_RETRIES, attemptsMax: 1 }),
});

/** The exchange for a request, with a copy beside it where its route wants one. */
export function createExchange(context: ExchangeContext, host: ExchangeHost, request: ExchangeRequest): HttpExchange {
  const { mirror } = request.policy;
  if (mirror === undefined || request.upgrade || context.random() * 100 >= mirror.percent) {
    return new HttpExchange(context, host, request);
  }
  return new MirroredExchange(context, host, request, mirror);
}

class MirroredExchange extends HttpExchange {
  readonly #copy: RequestCopy;

  constructor(context: ExchangeContext, host: ExchangeHost, request: ExchangeRequest, mirror: MirrorPolicy) {
    const copy = new RequestCopy(context, request, mirror);
    super(context, new MirroredHost(host, copy), request);
    this.#copy = copy;
  }

  override start(): void {
    super.start();
    if (!this.over) this.#copy.start();
  }

  override requestBody(chunk: Buffer): boolean {
    const room = super.requestBody(chunk);
    this.#copy.body(chunk);
    return room;
  }

  override requestEnd(): void {
    super.requestEnd();
    this.#copy.end();
  }

  override abort(error: PolarityError): void {
    super.abort(error);
    this.#copy.requestOver(error);
  }
}

/** The host, and the copy that has to hear when the request is over before all of it came. */
class MirroredHost implements ExchangeHost {
  readonly #host: ExchangeHost;
  readonly #copy: RequestCopy;

  constructor(host: ExchangeHost, copy: RequestCopy) {
    this.#host = host;
    this.#copy = copy;
  }

  interim(head: ResponseHead): boolean {
    return this.#host.interim(head);
  }

  response(head: ResponseHead, body: Buffer): boolean {
    return this.#host.response(head, body);
  }

  responseBody(chunk: Buffer): boolean {
    return this.#host.responseBody(chunk);
  }

  responseEnded(): void {
    this.#copy.requestOver(ANSWERED_EARLY);
    this.#host.responseEnded();
  }

  failed(error: PolarityError): void {
    this.#copy.requestOver(error);
    this.#host.failed(error);
  }

  requestDrained(): void {
    this.#host.requestDrained();
  }
}

const ANSWERED_EARLY = new PolarityError("CLIENT_GONE", "the request was answered before all of it came");

class RequestCopy implements ExchangeHost, Copy, Timed {
  denseIndex = -1;
  deadlineIndex = -1;
  deadline = 0;
  readonly #context: ExchangeContext;
  readonly #original: ExchangeRequest;
  readonly #bodyBytesMax: number;
  readonly #exchange: HttpExchange;
  #bodyBytes = 0;
  #ended = false;

  constructor(context: ExchangeContext, original: ExchangeRequest, mirror: MirrorPolicy) {
    this.#context = context;
    this.#original = original;
    this.#bodyBytesMax = mirror.bodyBytesMax;
    const { stream, headStart } = original;
    this.#exchange = new HttpExchange(context, this, {
      ...original,
      stream: new StreamRequest(mirror.service, "http/1.1", stream.client),
      node: undefined,
      headStart: headStart + MARK,
      // A copy is worth no wait.
      offerDeadline: original.startedAt,
      policy: COPY_POLICY,
      affinity: undefined,
      journal: undefined,
    });
  }

  start(): void {
    const { copies, deadlines, clock } = this.#context;
    if (copies.size >= COPIES_MAX) {
      this.#countDropped();
      this.#ended = true;
      return;
    }
    const statistics = this.#statistics;
    if (statistics !== undefined) statistics.mirrors++;
    copies.add(this);
    deadlines.set(this, clock.now() + COPY_LIFE_MS);
    this.#exchange.start();
  }

  body(chunk: Buffer): void {
    if (!this.#underWay || this.#ended) return;
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes <= this.#bodyBytesMax) this.#exchange.requestBody(chunk);
    else this.abort(new PolarityError("CLIENT_GONE", `a copied body may have ${this.#bodyBytesMax} bytes`));
  }

  end(): void {
    if (!this.#underWay) return;
    this.#ended = true;
    this.#exchange.requestEnd();
  }

  /** What the client did not send whole is not worth an answer; what it did is as good as with it. */
  requestOver(error: PolarityError): void {
    if (!this.#ended) this.abort(error);
  }

  abort(error: PolarityError): void {
    if (!this.#underWay) return;
    this.#countDropped();
    this.#exchange.abort(error);
    this.#over();
  }

  due(): void {
    this.abort(new PolarityError("CLIENT_GONE", `a copy has ${COPY_LIFE_MS} ms`));
  }

  // ── ExchangeHost: nobody listens ──

  interim(): boolean {
    return true;
  }

  response(): boolean {
    return true;
  }

  responseBody(): boolean {
    return true;
  }

  responseEnded(): void {
    this.#over();
  }

  failed(): void {
    this.#over();
  }

  requestDrained(): void {}

  get #underWay(): boolean {
    return this.denseIndex >= 0;
  }

  get #statistics() {
    return this.#context.registry.statistics(this.#original.stream.service);
  }

  #countDropped(): void {
    const statistics = this.#statistics;
    if (statistics !== undefined) statistics.mirrorsDropped++;
  }

  #over(): void {
    this.#context.copies.delete(this);
    this.#context.deadlines.clear(this);
  }
}
