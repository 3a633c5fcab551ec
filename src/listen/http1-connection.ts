/**
 * One client's HTTP/1.1 connection: requests in order, one exchange at a time.
 *
 * Bytes that come before their turn (pipelined requests) stay unconsumed, so the client is held back by its credit. A
 * response that has begun is never padded out or mended: if it breaks, the connection is cut.
 */
import type { ByteSink } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import { BodyReader, ChunkedDecoder } from "../http/body-framing.ts";
import { errorResponse } from "../http/error-response.ts";
import { HeadCollector } from "../http/head-collector.ts";
import type { HeadLimits } from "../http/head-limits.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { forwardedEnding, forwardedStart, type ForwardingContext, rewritePath } from "../http/request-forwarding.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import { endsByClose, needsDechunking, responseEnding, responseStart } from "../http/response-forwarding.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { WaitHandle } from "../registry/offer-waiters.ts";
import type { ListenerStatistics } from "../registry/service-statistics.ts";
import { type ExchangeHost, HttpExchange } from "../session/http-exchange.ts";
import type { SessionContext } from "../session/offer-seeker.ts";
import { QUIET_PROBE_MS, type SocketStream } from "../socket/socket-stream.ts";
import type { ClientAddress } from "./server-socket.ts";
import type { Resolution, RouteTable } from "./route-table.ts";

export interface Http1Limits extends HeadLimits {
  readonly headBytesMax: number;
  readonly bodyBytesMax: number;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** What the connections of one listener share. */
export interface Http1Host {
  readonly context: SessionContext;
  readonly routes: RouteTable;
  readonly limits: Http1Limits;
  readonly waitForOfferMs: number;
  readonly via: string;
  readonly statistics: ListenerStatistics;
  /** Connections end after the response under way. */
  readonly draining: boolean;
  closed(connection: Http1Connection): void;
  failed(connection: Http1Connection, error: PolarityError): void;
}

/**
 * - `head`: between requests, or in the middle of a head.
 * - `waiting`: the head is read, but its service is not known yet.
 * - `body`: the request's body is arriving.
 * - `response`: the request is complete, its response is not, or the client has yet to take it.
 * - `tunnel`: raw bytes both ways after a 101.
 * - `discard`: the response is complete, the rest of the request's body is read and dropped.
 * - `linger`: we said all; what the client still sends is dropped until it closes.
 * - `closing`: both sides said all; the last bytes are on their way out.
 */
type Phase = "head" | "waiting" | "body" | "response" | "tunnel" | "discard" | "linger" | "closing" | "closed";

type NoRoute = Extract<Resolution, { kind: "none" }>;

const EMPTY = Buffer.alloc(0);
/** How much of a body nobody reads is taken before the connection is closed instead. */
const DISCARD_BYTES_MAX = 256 * 1024;
const LINGER_MS = 2_000;
/** When a client that closed its side is asked whether it is still there; the system then asks each second. */
const PROBE_AFTER_MS = 10_000;

let connectionsCreated = 0;

export class Http1Connection implements ByteSink, ExchangeHost {
  readonly id = ++connectionsCreated;
  readonly client: ClientAddress;
  readonly startedAt: number;
  readonly #host: Http1Host;
  readonly #stream: SocketStream;
  readonly #forwarding: ForwardingContext;
  readonly #collector: HeadCollector;
  readonly #reader: BodyReader;
  #decoder: ChunkedDecoder | undefined;
  #phase: Phase = "head";
  #head: RequestHead | undefined;
  #exchange: HttpExchange | undefined;
  #wait: WaitHandle | undefined;
  #streamRequest: StreamRequest | undefined;
  /** Bytes after the present request, kept in order until it is answered. */
  #pending: Buffer[] | undefined;
  #processing = false;
  #responseBegun = false;
  #continued = false;
  #closeAfterResponse = false;
  #clientEnded = false;
  /** The next request waits until the client has taken enough of the answers before it. */
  #awaitsReader = false;
  #owedToClient = 0;
  #discardedBytes = 0;
  /** What had arrived when the body's progress was last looked at. */
  #bytesInSeen = 0;
  #requestStartedAt = 0;
  /** When `sweep` ends the connection, on the sessions' clock. */
  #deadline: number;

  constructor(host: Http1Host, stream: SocketStream, client: ClientAddress, forwarding: ForwardingContext) {
    this.#host = host;
    this.#stream = stream;
    this.client = client;
    this.#forwarding = forwarding;
    this.#collector = new HeadCollector(host.limits.headBytesMax, "request");
    this.#reader = new BodyReader("BAD_REQUEST", host.limits.bodyBytesMax);
    this.startedAt = host.context.clock.now();
    this.#deadline = this.startedAt + host.limits.idleTimeoutMs;
    stream.sink = this;
  }

  get exchange(): HttpExchange | undefined {
    return this.#exchange;
  }

  get bytesIn(): number {
    return this.#stream.bytesIn;
  }

  get bytesOut(): number {
    return this.#stream.bytesOut;
  }

  get busy(): boolean {
    return this.#exchange !== undefined || this.#phase === "waiting" || this.#collector.started;
  }

  /** An idle connection closes now; a busy one does when it has answered, as the host is draining. */
  closeIfIdle(): void {
    if (this.#phase === "head" && !this.#collector.started) this.#linger();
  }

  abort(error: PolarityError): void {
    this.#exchange?.abort(error);
    this.#stream.reset(error);
    this.#close();
  }

  sweep(now: number): void {
    if (now < this.#deadline) return;
    if (this.#phase === "head") {
      if (!this.#collector.started) this.#linger();
      else {
        const { headTimeoutMs } = this.#host.limits;
        this.#answer(new PolarityError("SLOW_HEAD", `the request head took longer than ${headTimeoutMs} ms`), true);
      }
    } else if (this.#phase === "body") {
      this.#sweepBody(now);
    } else if (this.#phase === "linger" || this.#phase === "discard" || this.#awaitsReader) {
      this.#closeAfterWrites();
    } else if (this.#phase === "closing" && this.#stream.gone) {
      this.#close();
    }
  }

  #sweepBody(now: number): void {
    const { idleTimeoutMs } = this.#host.limits;
    const { bytesIn } = this.#stream;
    // Where the answer has begun, the two may be talking: a client that says nothing for a while is no fault.
    const inTalk = this.#responseBegun || this.#owedToClient > 0 || (this.#head!.expectsContinue && !this.#continued);
    if (bytesIn === this.#bytesInSeen && !inTalk) {
      const error = new PolarityError("SLOW_BODY", `no byte of the request body arrived for ${idleTimeoutMs} ms`);
      this.#exchange?.abort(error);
      this.failed(error);
      return;
    }
    this.#bytesInSeen = bytesIn;
    this.#deadline = now + idleTimeoutMs;
  }

  // ── ByteSink: the client ──

  data(chunk: Buffer): void {
    this.#host.statistics.bytesIn += chunk.length;
    this.#receive(chunk);
  }

  end(): void {
    this.#clientEnded = true;
    switch (this.#phase) {
      case "tunnel":
        this.#exchange?.requestEnd();
        this.#closeIfTunnelEnded();
        return;
      case "waiting":
      case "response":
        // A client may close its side behind its requests and still read the answers; or it is gone, which probes tell.
        this.#stream.probeAfter(PROBE_AFTER_MS);
        return;
      default:
        this.#endOfRequests();
    }
  }

  reset(error: PolarityError): void {
    this.#exchange?.abort(error);
    this.#close();
  }

  drain(): void {
    this.#exchange?.responseDrained();
    if (!this.#awaitsReader || this.#phase !== "response") return;
    this.#awaitsReader = false;
    this.#nextRequest();
  }

  // ── ExchangeHost: the service ──

  interim(head: ResponseHead): boolean {
    if (head.status === 100) this.#continued = true;
    // RFC 9110 §15.2: HTTP/1.0 clients must not be sent any.
    if (this.#head?.versionMinor === 0) return true;
    return this.#writeHead(head, false, EMPTY);
  }

  response(head: ResponseHead, body: Buffer): boolean {
    const request = this.#head!;
    const clientMinor = request.versionMinor;
    this.#responseBegun = true;
    this.#host.statistics.countStatus(head.status);
    // A client that still waits for 100 may never send its body: what comes next on this connection would be a guess.
    const bodyInDoubt = this.#phase === "body" && request.expectsContinue && !this.#continued;
    if (!request.keepAlive || this.#host.draining || bodyInDoubt || endsByClose(head, clientMinor)) {
      this.#closeAfterResponse = true;
    }
    if (head.framing === "tunnel") return this.#beginTunnel(head, body);
    if (!needsDechunking(head, clientMinor)) return this.#writeHead(head, this.#closeAfterResponse, body);
    this.#decoder = new ChunkedDecoder("TARGET_PROTOCOL");
    const room = this.#writeHead(head, true, EMPTY);
    return this.responseBody(body) && room;
  }

  responseBody(chunk: Buffer): boolean {
    if (this.#decoder === undefined) {
      this.#host.statistics.bytesOut += chunk.length;
      return this.#stream.write(chunk);
    }
    const payload: Buffer[] = [];
    this.#decoder.take(chunk, payload);
    let room = true;
    for (const slice of payload) room = this.#write("", "", slice);
    return room;
  }

  responseEnded(): void {
    if (this.#phase === "tunnel") {
      this.#stream.end();
      this.#closeIfTunnelEnded();
      return;
    }
    this.#exchange = undefined;
    this.#host.statistics.active--;
    if (this.#closeAfterResponse) {
      this.#linger();
    } else if (this.#phase === "body") {
      this.#phase = "discard";
      this.#discardedBytes = 0;
      this.#deadline = this.#host.context.clock.now() + LINGER_MS;
      this.requestDrained();
      if (this.#reader.done) this.#nextRequest();
    } else {
      this.#nextRequest();
    }
  }

  failed(error: PolarityError): void {
    this.#host.failed(this, error);
    this.#exchange = undefined;
    this.#host.statistics.active--;
    this.#host.statistics.countError(error.code);
    if (this.#responseBegun) {
      this.#stream.reset(error);
      this.#close();
      return;
    }
    this.#answer(error, this.#phase === "body");
  }

  requestDrained(): void {
    const owed = this.#owedToClient;
    this.#owedToClient = 0;
    if (owed > 0) this.#stream.consumed(owed);
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

  // ── requests in ──

  #receive(chunk: Buffer): void {
    if (this.#pending !== undefined) this.#pending.push(Buffer.from(chunk));
    else this.#process(chunk);
  }

  #process(chunk: Buffer): void {
    this.#processing = true;
    let rest = chunk;
    while (rest.length > 0) {
      switch (this.#phase) {
        case "head":
          rest = this.#takeHead(rest);
          break;
        case "body":
          rest = this.#takeBody(rest);
          break;
        case "discard":
          rest = this.#discardBody(rest);
          break;
        case "waiting":
        case "response":
          (this.#pending ??= []).push(Buffer.from(rest));
          rest = EMPTY;
          break;
        case "tunnel":
          this.#toService(rest);
          rest = EMPTY;
          break;
        case "linger":
        case "closing":
        case "closed":
          this.#stream.consumed(rest.length);
          rest = EMPTY;
      }
    }
    this.#processing = false;
  }

  #takeHead(chunk: Buffer): Buffer {
    const collector = this.#collector;
    const wasStarted = collector.started;
    if (!collector.push(chunk)) {
      if (!wasStarted && collector.started) {
        this.#deadline = this.#host.context.clock.now() + this.#host.limits.headTimeoutMs;
      }
      this.#stream.consumed(chunk.length);
      return EMPTY;
    }
    const { problem, text, rest } = collector;
    const head = problem ?? parseRequestHead(text, this.#host.limits);
    collector.reset();
    if (head instanceof HttpProblem) {
      this.#stream.consumed(chunk.length);
      this.#head = undefined;
      this.#host.statistics.requests++;
      this.#answer(head.toError(), true);
      return EMPTY;
    }
    this.#stream.consumed(chunk.length - rest.length);
    this.#takeRequest(head);
    return rest;
  }

  #takeRequest(head: RequestHead): void {
    this.#head = head;
    this.#responseBegun = false;
    this.#continued = false;
    this.#decoder = undefined;
    this.#closeAfterResponse = false;
    this.#requestStartedAt = this.#host.context.clock.now();
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#host.statistics.requests++;
    this.#reader.start(head.bodyKind, head.bodyLength);
    if (this.#reader.problem !== undefined) {
      this.#answer(this.#reader.problem.toError(), true);
      return;
    }
    const resolution = this.#host.routes.resolve(head);
    if (resolution.kind === "found") this.#begin(head, resolution);
    else this.#waitForRoute(resolution);
  }

  #waitForRoute(none: NoRoute): void {
    const { routes, context, waitForOfferMs } = this.#host;
    const deadline = this.#requestStartedAt + waitForOfferMs;
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
    this.#phase = "waiting";
  }

  #noRoute({ tried, hostNotServed }: NoRoute): void {
    const error = noRouteError(tried, hostNotServed, this.#host.context);
    this.#host.statistics.countError(error.code);
    this.#answer(error, !this.#reader.done);
  }

  #begin(head: RequestHead, resolution: Extract<Resolution, { kind: "found" }>): void {
    const { limits, context, waitForOfferMs, statistics } = this.#host;
    const { service, node } = resolution;
    if (this.#streamRequest?.service !== service || this.#streamRequest.node !== node) {
      this.#streamRequest = new StreamRequest(service, "http/1.1", this.client.text, node, waitForOfferMs);
    }
    const path = resolution.stripPrefix === "" ? head.path : rewritePath(head.path, resolution.stripPrefix, "");
    const exchange = new HttpExchange(context, this, {
      stream: this.#streamRequest,
      node,
      method: head.method,
      headStart: forwardedStart(head, this.#forwarding, path),
      headEnding: forwardedEnding(head, this.#forwarding),
      upgrade: head.upgrade !== "",
      responseHeadBytesMax: limits.headBytesMax,
      offerDeadline: this.#requestStartedAt + waitForOfferMs,
      startedAt: this.#requestStartedAt,
    });
    this.#exchange = exchange;
    statistics.active++;
    const complete = this.#reader.done;
    this.#phase = complete ? "response" : "body";
    if (!complete) {
      this.#bytesInSeen = this.#stream.bytesIn;
      this.#deadline = this.#requestStartedAt + limits.idleTimeoutMs;
    }
    exchange.start();
    if (this.#exchange !== exchange) return;
    if (complete) exchange.requestEnd();
    else if (this.#pending !== undefined) this.#takePending();
  }

  #takeBody(chunk: Buffer): Buffer {
    const reader = this.#reader;
    const taken = reader.take(chunk);
    const { problem } = reader;
    if (problem !== undefined) {
      const error = problem.toError();
      this.#stream.consumed(chunk.length);
      this.#exchange?.abort(error);
      this.failed(error);
      return EMPTY;
    }
    if (taken > 0) this.#toService(taken === chunk.length ? chunk : chunk.subarray(0, taken));
    if (reader.done && this.#phase === "body") {
      this.#phase = "response";
      this.#deadline = Number.POSITIVE_INFINITY;
      this.#exchange?.requestEnd();
    }
    return taken === chunk.length ? EMPTY : chunk.subarray(taken);
  }

  #discardBody(chunk: Buffer): Buffer {
    const taken = this.#reader.take(chunk);
    this.#stream.consumed(taken);
    this.#discardedBytes += taken;
    if (this.#reader.problem !== undefined || this.#discardedBytes > DISCARD_BYTES_MAX) {
      this.#linger();
      return EMPTY;
    }
    if (this.#reader.done) this.#nextRequest();
    return chunk.subarray(taken);
  }

  #toService(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.requestBody(chunk)) this.#stream.consumed(chunk.length);
    else this.#owedToClient += chunk.length;
  }

  #nextRequest(): void {
    this.#head = undefined;
    this.#deadline = this.#host.context.clock.now() + this.#host.limits.idleTimeoutMs;
    // Whoever asks without reading the answers would otherwise have all of them kept here.
    this.#awaitsReader = this.#stream.full;
    if (this.#awaitsReader) {
      this.#phase = "response";
      return;
    }
    this.#phase = "head";
    if (this.#pending !== undefined) this.#takePending();
    else if (this.#host.draining || (this.#clientEnded && !this.#processing)) this.#linger();
  }

  /** Bytes that came early get their turn; whoever is inside `#process` already goes on with them itself. */
  #takePending(): void {
    if (this.#processing) return;
    const chunks = this.#pending ?? [];
    this.#pending = undefined;
    // A chunk may have to wait again; then the rest waits behind what is left of it.
    for (const chunk of chunks) this.#receive(chunk);
    if (this.#clientEnded) this.#endOfRequests();
  }

  /** The client sends nothing more, and all that it sent has been looked at. */
  #endOfRequests(): void {
    switch (this.#phase) {
      case "head":
      case "discard":
      case "linger":
        this.#closeAfterWrites();
        return;
      case "body":
        this.abort(new PolarityError("CLIENT_GONE", `${this.#who} closed in the middle of its request`));
        return;
      case "waiting":
      case "response":
      case "tunnel":
      case "closing":
      case "closed":
    }
  }

  // ── responses out ──

  #beginTunnel(head: ResponseHead, rest: Buffer): boolean {
    this.#phase = "tunnel";
    this.#stream.probeAfter(QUIET_PROBE_MS);
    const room = this.#writeHead(head, false, rest);
    if (this.#pending !== undefined) this.#takePending();
    if (this.#clientEnded) this.#exchange?.requestEnd();
    return room;
  }

  #closeIfTunnelEnded(): void {
    if (this.#exchange === undefined || !this.#exchange.over) return;
    this.#exchange = undefined;
    this.#host.statistics.active--;
    this.#closeAfterWrites();
  }

  #writeHead(head: ResponseHead, closeConnection: boolean, body: Buffer): boolean {
    const { versionMinor } = this.#head!;
    const options = { via: this.#host.via, clientVersionMinor: versionMinor, closeConnection, extraLines: "" };
    return this.#write(responseStart(head, options), responseEnding(head, options), body);
  }

  /** Our own answer. `close`: what follows on the connection cannot be understood. */
  #answer(error: PolarityError, close: boolean): void {
    const head = this.#head;
    const closeConnection =
      close || head === undefined || !head.keepAlive || this.#host.draining || this.#closeAfterResponse;
    this.#host.statistics.countStatus(error.status);
    this.#write(
      errorResponse({
        code: error.code,
        message: error.message,
        method: head?.method ?? "",
        accept: head?.header("accept") ?? "",
        closeConnection,
        versionMinor: head?.versionMinor ?? 1,
      }),
      "",
      EMPTY,
    );
    if (closeConnection) this.#linger();
    else this.#nextRequest();
  }

  #write(start: string, ending: string, chunk: Buffer): boolean {
    this.#host.statistics.bytesOut += start.length + ending.length + chunk.length;
    return this.#stream.writeMessage(start, ending, chunk);
  }

  /**
   * Says that we are done and reads on until the client is, for a while: closing with unread bytes would reset the
   * connection and could take our last answer with it.
   */
  #linger(): void {
    this.#phase = "linger";
    // What was held back has no taker any more, and the client must be read to its end.
    this.requestDrained();
    const pending = this.#pending ?? [];
    this.#pending = undefined;
    for (const chunk of pending) this.#stream.consumed(chunk.length);
    if (this.#clientEnded) {
      this.#closeAfterWrites();
      return;
    }
    this.#stream.end();
    this.#deadline = this.#host.context.clock.now() + LINGER_MS;
  }

  /** The last bytes leave, however slowly the client takes them; the connection counts until they have. */
  #closeAfterWrites(): void {
    this.#phase = "closing";
    this.#pending = undefined;
    this.#deadline = 0;
    this.#stream.closeAfterWrites();
  }

  #close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#pending = undefined;
    if (this.#wait !== undefined) this.#host.context.waiters.cancel(this.#wait);
    if (this.#exchange !== undefined) {
      this.#exchange = undefined;
      this.#host.statistics.active--;
    }
    this.#host.closed(this);
  }

  get #who(): string {
    return this.client.text === "" ? "the client" : `the client ${this.client.text}`;
  }
}

function noRouteError(tried: readonly string[], hostNotServed: boolean, context: SessionContext): PolarityError {
  if (hostNotServed)
    return new PolarityError("HOST_NOT_SERVED", `no route of this listener is for ${tried.join(", ")}`);
  return context.noConnector
    ? new PolarityError("NO_CONNECTOR", "no connector has joined this router, so that no service is known yet")
    : new PolarityError("NO_ROUTE", `no service for this request; tried ${tried.join(", ")}`);
}
