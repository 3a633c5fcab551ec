/**
 * Sessions with every node that offers a service, where the offers or the listener ask for that.
 *
 * To whoever opens one it is a stream like any other. One node takes part once, however many links lead to it: by the
 * cheapest. What else this node's own offer stands for (several targets) takes part each for itself.
 */
import { createByteStreamPair } from "../base/byte-stream-pair.ts";
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import type { FanOutPolicy } from "../base/fan-out-policy.ts";
import type { StreamRequest } from "../base/upstream.ts";
import type { Offer } from "../registry/offer.ts";
import type { Registry } from "../registry/registry.ts";
import { FanOutSession } from "./fan-out-session.ts";

interface Open {
  readonly session: FanOutSession;
  readonly request: StreamRequest;
  readonly picked: Offer;
  /** Offers that took part; one that comes again is another, and a session may outlive any number of them. */
  readonly offers: WeakSet<Offer>;
  /** Any took part. */
  begun: boolean;
  /** Nodes that take part now. */
  readonly present: Set<string>;
}

export interface FanOutOpened {
  readonly stream: ByteStream;
  readonly session: FanOutSession;
}

export class FanOutOffers {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #open = new Set<Open>();
  /** Sessions that servers may join, by service. */
  readonly #joinable = new Map<string, Set<Open>>();

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
    registry.watch((service) => this.#changed(service));
  }

  /**
   * Opens a stream to every node that offers what `picked` does; as `Upstream.open`. `picked` has been begun on by the
   * caller, who finishes it; the others are begun on and finished here.
   */
  open(
    picked: Offer,
    policy: FanOutPolicy,
    request: StreamRequest,
    first: string,
    second: string,
    sink: ByteSink,
  ): FanOutOpened | undefined {
    const [near, far] = createByteStreamPair();
    const open: Open = {
      session: new FanOutSession({
        client: far,
        request,
        policy,
        clock: this.#clock,
        tallies: picked.statistics.servers,
        finished: () => this.#finished(open),
      }),
      request,
      picked,
      offers: new WeakSet(),
      begun: false,
      present: new Set(),
    };
    const { session } = open;
    for (const offer of this.#candidates(open)) this.#add(open, offer);
    if (!session.any) return undefined;
    near.sink = sink;
    this.#open.add(open);
    if (policy.join) this.#letJoin(open);
    if (first !== "") near.writeLatin1(first, second);
    session.begin();
    return { stream: near, session };
  }

  sweep(now: number): void {
    for (const { session } of this.#open) session.sweep(now);
  }

  /** One offer of each node that is not there yet. */
  #candidates({ picked, request, offers, present, begun }: Open): Offer[] {
    const { service, protocol, node, relay } = request;
    const found = new Map<string, Offer>();
    for (const offer of this.#registry.usableOffers(service, protocol, node, relay === "done")) {
      const origin = originOf(offer);
      if (offer.relay || present.has(origin) || offers.has(offer)) continue;
      const other = found.get(origin);
      if (other === undefined || isBetter(offer, other)) found.set(origin, offer);
    }
    if (found.size === 0 && !begun) return [picked];
    return [...found.values()];
  }

  #add(open: Open, offer: Offer): void {
    const { session, picked, offers, present, request } = open;
    const origin = originOf(offer);
    offers.add(offer);
    open.begun = true;
    const upstreams = offer.upstream.parts?.(request.service) ?? [offer.upstream];
    for (const upstream of upstreams) {
      const counted = offer !== picked;
      if (counted) offer.begin();
      let over = false;
      const left = (failed: boolean): void => {
        over = true;
        present.delete(origin);
        if (counted) offer.finish(failed);
      };
      if (!session.add({ name: upstream.node, upstream, left })) {
        if (counted) offer.finish(true);
      } else if (!over) present.add(origin);
    }
  }

  #letJoin(open: Open): void {
    const { service } = open.request;
    let joinable = this.#joinable.get(service);
    if (joinable === undefined) {
      joinable = new Set();
      this.#joinable.set(service, joinable);
    }
    joinable.add(open);
  }

  #changed(service: string): void {
    const joinable = this.#joinable.get(service);
    if (joinable === undefined) return;
    for (const open of joinable) {
      const { admission } = open.session;
      if (admission === "closed") this.#joinNoMore(open);
      else this.#offerToJoin(open, admission === "late");
    }
  }

  #offerToJoin(open: Open, late: boolean): void {
    for (const offer of this.#candidates(open)) {
      if (!late) this.#add(open, offer);
      else {
        open.offers.add(offer);
        offer.statistics.servers.late++;
      }
    }
  }

  #joinNoMore(open: Open): void {
    const { service } = open.request;
    const joinable = this.#joinable.get(service);
    joinable?.delete(open);
    if (joinable?.size === 0) this.#joinable.delete(service);
  }

  #finished(open: Open): void {
    this.#open.delete(open);
    this.#joinNoMore(open);
  }
}

/** The process that serves. */
function originOf({ path, upstream }: Offer): string {
  return path.at(-1)?.instance ?? `${upstream.node} itself`;
}

function isBetter(offer: Offer, other: Offer): boolean {
  return offer.cost < other.cost || (offer.cost === other.cost && offer.outstanding < other.outstanding);
}
