/** Streams that the program around this node opens to services: sessions whose client is an end of a pair in memory. */
import { createByteStreamPair } from "../base/byte-stream-pair.ts";
import { type ByteSink, type ByteStream, NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { StreamRequest } from "../base/upstream.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import type { SessionContext } from "../session/offer-seeker.ts";
import { StreamSession } from "../session/stream-session.ts";
import type { RelayOffers } from "./relay-offers.ts";

export class DialledStreams {
  readonly #context: SessionContext;
  readonly #relayOffers: RelayOffers;
  readonly #statistics = new ListenerStatistics();
  readonly #sessions = new Set<StreamSession>();

  constructor(context: SessionContext, relayOffers: RelayOffers) {
    this.#context = context;
    this.#relayOffers = relayOffers;
  }

  /** Sessions under way, those that wait for an offer included. */
  get active(): number {
    return this.#sessions.size;
  }

  /**
   * Opens a stream for `request`, which may be written to at once. `sink` hears of it, perhaps before this returns: `opened`
   * once somebody was found, or `reset` with why there is nobody.
   */
  open(request: StreamRequest, sink: ByteSink): ByteStream {
    const [near, far] = createByteStreamPair();
    near.sink = sink;
    const { service, protocol, node, waitMs } = request;
    const wish = { service, protocol };
    this.#relayOffers.want(wish);
    const session = new StreamSession(this.#context, far, request, node, waitMs, this.#statistics, {
      opened: () => sink.opened?.(),
      finished: () => {
        this.#sessions.delete(session);
        this.#relayOffers.unwant(wish);
      },
    });
    this.#sessions.add(session);
    session.start();
    return near;
  }

  /** Resolves with a stream once somebody was found; its user sets its sink in the same turn. */
  connect(request: StreamRequest): Promise<ByteStream> {
    const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
    // Somebody may be found within the call, when there is no stream to speak of yet.
    const opened = (): void => queueMicrotask(() => resolve(stream));
    const stream = this.open(request, { ...NO_SINK, reset: reject, opened });
    return promise;
  }

  /** An upstream fell silent: what may be asked elsewhere is. */
  upstreamSuspect(upstream: unknown): void {
    for (const session of this.#sessions) if (session.offer?.upstream === upstream) session.upstreamSuspect();
  }

  /** Ends everything now; returns how many sessions that cut off. */
  close(error: PolarityError): number {
    const cut = this.#sessions.size;
    for (const session of this.#sessions) session.abort(error);
    return cut;
  }
}
