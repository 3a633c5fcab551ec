/**
 * One client's raw byte conversation with one service: mode `one` on a stream listener.
 *
 * Bytes pass through with the credit of whoever reads slower. Until the service says something, what the client sent is
 * kept (up to 64 KiB; of datagrams less), and an offer that fails without having reached its app is replaced by another.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import type { FanOutChoice } from "../base/fan-out-policy.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import type { StreamRequest } from "../base/upstream.ts";
import type { Offer } from "../registry/offer.ts";
import type { ListenerStatistics, ServiceStatistics } from "../registry/service-statistics.ts";
import type { ExchangeJournal } from "./exchange-journal.ts";
import type { FanOutSession } from "./fan-out-session.ts";
import type { FanOutSideView } from "./fan-out-side.ts";
import { OfferSeeker, type OfferSought, type SessionContext } from "./offer-seeker.ts";
import { REPLAYED_DATAGRAMS, ReplayBuffer } from "./replay-buffer.ts";
import { beginsSafely, MAY_BREAK_UNDER_SAFE } from "./safe-requests.ts";

export interface StreamSessionEvents {
  /** An offer was found and a stream opened on it, or a router says so where the request is to `confirm`; called once. */
  opened?(session: StreamSession): void;
  /** Both directions are over; called once. `error`: why, unless both ended in order. */
  finished(session: StreamSession, error: PolarityError | undefined): void;
}

let sessionsCreated = 0;

export class StreamSession implements OfferSought, Holding {
  readonly id = ++sessionsCreated;
  readonly request: StreamRequest;
  /** Where it is noted what becomes of it; undefined when nobody asks. */
  readonly journal: ExchangeJournal | undefined;
  readonly startedAt: number;
  readonly #context: SessionContext;
  readonly #node: string | undefined;
  readonly #client: ByteStream;
  readonly #events: StreamSessionEvents;
  readonly #seeker: OfferSeeker;
  readonly #listener: ListenerStatistics;
  readonly #replay: ReplayBuffer;
  readonly #fanOutChoice: FanOutChoice;
  #fanOut: FanOutSession | undefined;
  #service: ByteStream | undefined;
  #statistics: ServiceStatistics | undefined;
  #clientEnded = false;
  #serviceEnded = false;
  #answered = false;
  #finished = false;
  #opened = false;
  /** What the client had been sent when it was last looked at after it closed its side, and until when that may stay so. */
  #bytesOutSeen = -1;
  #stillUntil = 0;
  /** Credit owed to each side for bytes that the other has not taken yet. */
  #owedToClient = NOTHING_OWED;
  #owedToService = NOTHING_OWED;
  bytesIn = 0;
  bytesOut = 0;

  constructor(
    context: SessionContext,
    client: ByteStream,
    request: StreamRequest,
    node: string | undefined,
    waitForOfferMs: number,
    listener: ListenerStatistics,
    events: StreamSessionEvents,
    journal?: ExchangeJournal,
    fanOut?: FanOutChoice,
  ) {
    this.journal = journal;
    this.#fanOutChoice = fanOut;
    this.#context = context;
    this.#node = node;
    this.#client = client;
    this.request = request;
    this.#replay = new ReplayBuffer(request.protocol === "udp" ? REPLAYED_DATAGRAMS : undefined);
    this.#events = events;
    this.#listener = listener;
    this.startedAt = context.clock.now();
    this.#seeker = new OfferSeeker(
      context,
      this,
      request.service,
      request.protocol,
      node,
      this.startedAt + waitForOfferMs,
      request.relay === "done",
    );
    client.sink = new ClientSide(this);
  }

  /** The servers of a one-to-N session; undefined of any other. */
  get sides(): readonly FanOutSideView[] | undefined {
    return this.#fanOut?.sides;
  }

  /** Who serves it now. */
  get offer(): Offer | undefined {
    return this.#seeker.offer;
  }

  // ── Holding ──

  get client(): string {
    return this.request.client;
  }

  get payer(): string | undefined {
    return this.request.payer;
  }

  get heldBytes(): number {
    return this.offer?.upstream.linked === true ? 0 : this.#owedToService.bytes;
  }

  shed(error: PolarityError): void {
    this.abort(error);
  }

  start(): void {
    this.#listener.requests++;
    this.#listener.active++;
    this.#seeker.seek();
  }

  /** Ends it at once; both sides see a reset. */
  abort(error: PolarityError): void {
    if (this.#finished) return;
    this.#service?.reset(error);
    this.#client.reset(error);
    this.#finish(error);
  }

  /** Ends it when its client has closed its side, and what the service says has stood still for so long. */
  sweep(now: number, halfCloseTimeoutMs: number): void {
    if (!this.#clientEnded || this.#finished || this.#service === undefined) return;
    const waits = this.#owedToClient.bytes > 0 || this.#owedToService.bytes > 0;
    if (waits || this.bytesOut !== this.#bytesOutSeen) {
      this.#bytesOutSeen = this.bytesOut;
      this.#stillUntil = now + halfCloseTimeoutMs;
    } else if (now >= this.#stillUntil) {
      const why = `the client closed its side, and nothing came for it for ${halfCloseTimeoutMs} ms`;
      this.#service.reset(new PolarityError("CLIENT_GONE", why));
      this.#client.end();
      this.#finish(undefined);
    }
  }

  /** The upstream fell silent: what may be asked twice is asked elsewhere, if there is an elsewhere. */
  upstreamSuspect(): void {
    const { offer, request } = this;
    if (offer === undefined || this.#answered || !this.#safe) return;
    const { service, protocol, relay } = request;
    const other = this.#context.registry.pick(service, protocol, [offer], this.#node, relay === "done");
    if (other.kind === "none") return;
    const stream = this.#service;
    const error = new PolarityError("LINK_TIMEOUT", `node "${offer.upstream.node}" fell silent`);
    if (!this.#seeker.fail(error)) return;
    this.#service = undefined;
    stream?.reset(error);
    this.#seeker.seek();
  }

  // ── OfferSought ──

  tryOffer(offer: Offer): boolean {
    const service = this.#open(offer, new ServiceSide(this));
    if (service === undefined) return false;
    this.#service = service;
    if (this.journal !== undefined) {
      this.journal.attempts++;
      this.journal.node = offer.upstream.node;
      this.journal.sentAt = this.#context.clock.now();
    }
    if (this.#statistics === undefined) {
      const { statistics } = offer;
      this.#statistics = statistics;
      statistics.requests++;
      statistics.connections++;
      statistics.active++;
    }
    if (!this.request.confirm || offer.upstream.confirms !== true) this.serviceOpened();
    let room = true;
    for (const chunk of this.#replay.chunks) room = service.write(chunk);
    if (room) this.serviceDrained();
    if (this.#clientEnded) service.end();
    return true;
  }

  get asked(): StreamRequest {
    return this.request;
  }

  #open(offer: Offer, sink: ServiceSide): ByteStream | undefined {
    const policy = this.#fanOutChoice === undefined ? offer.fanOut : this.#fanOutChoice;
    if (!policy || offer.relay) return offer.upstream.open(this.request, "", "", sink);
    const opened = this.#context.fanOuts.open(offer, policy, this.request, "", "", sink);
    this.#fanOut = opened?.session;
    return opened?.stream;
  }

  noOffer(error: PolarityError): void {
    this.#client.reset(error);
    this.#finish(error);
  }

  // ── the client's side ──

  clientData(chunk: Buffer): void {
    this.#countIn(chunk.length);
    const service = this.#service;
    if (service === undefined) {
      this.#replay.pushUnsent(chunk);
      this.#owedToClient = this.#owedToClient.plus(this.#client, chunk.length);
      return;
    }
    if (!this.#answered) this.#replay.pushSent(chunk);
    if (service.write(chunk)) this.#client.consumed(chunk.length);
    else this.#owedToClient = this.#owedToClient.plus(this.#client, chunk.length);
  }

  clientEnded(): void {
    this.#clientEnded = true;
    this.#service?.end();
    this.#finishIfEnded();
  }

  clientReset(error: PolarityError): void {
    this.#service?.reset(error);
    this.#finish(error);
  }

  clientDrained(): void {
    this.#owedToService.settle();
  }

  // ── the service's side ──

  serviceOpened(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.#events.opened?.(this);
  }

  serviceData(chunk: Buffer): void {
    if (!this.#answered) this.#firstAnswer();
    this.#countOut(chunk.length);
    const room = this.#client.write(chunk);
    const service = this.#service;
    if (service === undefined) return;
    if (room) service.consumed(chunk.length);
    else this.#owedToService = this.#owedToService.plus(service, chunk.length);
  }

  serviceEnded(): void {
    if (!this.#answered) this.#firstAnswer();
    this.#serviceEnded = true;
    this.#client.end();
    this.#finishIfEnded();
  }

  serviceReset(error: PolarityError): void {
    this.#service = undefined;
    // An offer that never reached its app may be replaced, as long as all that the client sent is still here.
    const mayRetry = error.retryable || (MAY_BREAK_UNDER_SAFE.has(error.code) && this.#safe);
    if (!this.#answered && mayRetry && this.#replay.complete && this.#seeker.fail(error)) {
      this.#seeker.seek();
      return;
    }
    this.#client.reset(error);
    this.#finish(error);
  }

  serviceDrained(): void {
    this.#owedToClient.settle();
  }

  /** Raw bytes cannot be asked again. A relayed HTTP request can, if it is safe and all of it is here. */
  get #safe(): boolean {
    const [start] = this.#replay.chunks;
    return this.request.protocol === "http/1.1" && start !== undefined && beginsSafely(start);
  }

  #countIn(bytes: number): void {
    this.bytesIn += bytes;
    this.#listener.bytesIn += bytes;
    if (this.offer !== undefined) this.offer.statistics.bytesIn += bytes;
  }

  #countOut(bytes: number): void {
    this.bytesOut += bytes;
    this.#listener.bytesOut += bytes;
    if (this.offer !== undefined) this.offer.statistics.bytesOut += bytes;
  }

  #firstAnswer(): void {
    this.#answered = true;
    this.serviceOpened();
    if (this.journal !== undefined) this.journal.heardAt = this.#context.clock.now();
    this.#replay.giveUp();
    this.offer?.statistics.latency.record(this.#context.clock.now() - this.startedAt);
  }

  #finishIfEnded(): void {
    if (this.#clientEnded && this.#serviceEnded) this.#finish(undefined);
  }

  #finish(error: PolarityError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#statistics !== undefined) this.#statistics.active--;
    this.#listener.active--;
    if (error !== undefined) {
      this.#listener.countError(error.code);
      this.#statistics?.countError(error.code);
    }
    this.#seeker.finish(error !== undefined && error.code !== "CLIENT_GONE");
    this.#events.finished(this, error);
  }
}

class ClientSide implements ByteSink {
  readonly #session: StreamSession;
  constructor(session: StreamSession) {
    this.#session = session;
  }
  data(chunk: Buffer): void {
    this.#session.clientData(chunk);
  }
  end(): void {
    this.#session.clientEnded();
  }
  reset(error: PolarityError): void {
    this.#session.clientReset(error);
  }
  drain(): void {
    this.#session.clientDrained();
  }
}

class ServiceSide implements ByteSink {
  readonly #session: StreamSession;
  constructor(session: StreamSession) {
    this.#session = session;
  }
  data(chunk: Buffer): void {
    this.#session.serviceData(chunk);
  }
  end(): void {
    this.#session.serviceEnded();
  }
  reset(error: PolarityError): void {
    this.#session.serviceReset(error);
  }
  drain(): void {
    this.#session.serviceDrained();
  }
  opened(): void {
    this.#session.serviceOpened();
  }
}
