/** Finds the offers of one HTTP exchange, and keeps the service's account of it. */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Offer, Picked } from "../registry/offer.ts";
import type { ServiceStatistics } from "../registry/service-statistics.ts";
import type { ExchangeContext, ExchangeRequest } from "./exchange-contract.ts";
import { OfferSeeker, type OfferSought } from "./offer-seeker.ts";

/** A subclass rather than an owner, so that an exchange has one object less. */
export class ExchangeSeeker extends OfferSeeker {
  readonly #request: ExchangeRequest;
  #statistics: ServiceStatistics | undefined;
  #timed = false;

  constructor(context: ExchangeContext, session: OfferSought, request: ExchangeRequest) {
    const { stream, node, offerDeadline, policy } = request;
    super(context, session, stream.service, stream.protocol, node, offerDeadline, false, policy.retries);
    this.#request = request;
  }

  /** Sends the head. */
  open(offer: Offer, sink: ByteSink): ByteStream | undefined {
    const { stream, headStart, headEnding, policy } = this.#request;
    const fanOut = policy.fanOut === undefined ? offer.fanOut : policy.fanOut;
    if (!fanOut || offer.relay) return offer.upstream.open(stream, headStart, headEnding, sink);
    return this.context.fanOuts.open(offer, fanOut, stream, headStart, headEnding, sink)?.stream;
  }

  /** The request has gone out, to its first offer or a later one. */
  sent({ statistics, upstream }: Offer): void {
    const { journal } = this.#request;
    if (journal !== undefined) {
      journal.attempts++;
      journal.node = upstream.node;
      journal.sentAt = this.context.clock.now();
      journal.heardAt = -1;
    }
    if (this.#statistics !== undefined) return;
    this.#statistics = statistics;
    statistics.requests++;
    statistics.active++;
  }

  bytesIn(bytes: number): void {
    if (this.#statistics !== undefined) this.#statistics.bytesIn += bytes;
    if (this.#request.journal !== undefined) this.#request.journal.bytesIn += bytes;
  }

  bytesOut(bytes: number): void {
    if (this.#statistics !== undefined) this.#statistics.bytesOut += bytes;
    if (this.#request.journal !== undefined) this.#request.journal.bytesOut += bytes;
  }

  /** Something came back. */
  heard(): void {
    const { journal } = this.#request;
    if (journal !== undefined) {
      journal.heardAt = this.context.clock.now();
      journal.node = this.offer?.upstream.node ?? journal.node;
    }
    if (this.#timed) return;
    this.#timed = true;
    this.#statistics?.latency.record(this.context.clock.now() - this.#request.startedAt);
  }

  protected override pick(tried: readonly Offer[] | undefined): Picked {
    const { affinity, stream, node } = this.#request;
    if (affinity === undefined || node !== undefined) return super.pick(tried);
    const { service, protocol } = stream;
    return this.context.registry.pickNear(affinity, service, protocol, tried)?.picked ?? super.pick(tried);
  }

  /** It is over: with an answer of this status (0: none), and perhaps an error. */
  conclude(status: number, error: PolarityError | undefined): void {
    if (this.#request.journal !== undefined) this.#request.journal.error = error;
    if (this.#statistics !== undefined) {
      this.#statistics.active--;
      this.#statistics.countEnd(status, error);
    } else {
      const statistics = this.context.registry.statistics(this.#request.stream.service);
      if (statistics !== undefined) statistics.requests++;
      statistics?.countEnd(status, error);
    }
    this.finish(error !== undefined && error.fault !== "client");
  }
}
