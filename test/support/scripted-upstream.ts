/** A registry in virtual time and upstreams whose far side is the test, for whatever opens streams on offers. */
import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import type { StreamProtocol, StreamRequest, Upstream } from "../../src/base/upstream.ts";
import { Deadlines } from "../../src/base/deadlines.ts";
import { DenseSet } from "../../src/base/dense-set.ts";
import { OfferWaiters } from "../../src/registry/offer-waiters.ts";
import { Registry, REGISTRY_LIMITS } from "../../src/registry/registry.ts";
import type { Copy, ExchangeContext } from "../../src/session/exchange-contract.ts";
import { FanOutOffers } from "../../src/session/fan-out-offers.ts";
import type { StallWatch } from "../../src/session/stall-watch.ts";
import { RecordingStream } from "./recording-stream.ts";

export class ScriptedUpstream implements Upstream {
  readonly node: string;
  /** The streams that were opened, in order. */
  readonly streams: RecordingStream[] = [];
  /** It takes no new streams. */
  refuses = false;
  /** Whether new streams have room for more than their opening. */
  room = true;

  constructor(node: string) {
    this.node = node;
  }

  open(_request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined {
    if (this.refuses) return undefined;
    const stream = new RecordingStream(sink);
    stream.room = this.room;
    stream.writeLatin1(first, second);
    this.streams.push(stream);
    return stream;
  }

  /** The stream that was opened last. */
  get stream(): RecordingStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error(`no stream was opened on ${this.node}`);
    return stream;
  }
}

export class SessionWorld {
  now = 0;
  readonly registry: Registry;
  readonly waiters: OfferWaiters;
  readonly context: ExchangeContext;

  constructor() {
    const clock = { now: () => this.now };
    this.registry = new Registry({ random: () => 0, clock, limits: REGISTRY_LIMITS });
    this.waiters = new OfferWaiters(this.registry, 3);
    this.context = {
      registry: this.registry,
      waiters: this.waiters,
      clock,
      fanOuts: new FanOutOffers(this.registry, clock),
      noConnector: false,
      mayStillLearn: false,
      deadlines: new Deadlines(() => {}),
      stallWatches: new DenseSet<StallWatch>(),
      copies: new DenseSet<Copy>(),
      random: () => 0,
    };
    this.registry.declare("web");
  }

  /** An upstream that offers `web`. The first named is the cheapest, so that it is picked first. */
  offer(
    node: string,
    protocol: StreamProtocol = "http/1.1",
    upstream = new ScriptedUpstream(node),
    cost?: number,
  ): ScriptedUpstream {
    this.#offers++;
    this.registry.add(upstream, "anonymous", cost ?? this.#offers, {
      service: "web",
      weight: 1,
      protocol,
      labels: {},
      health: "up",
    });
    return upstream;
  }
  #offers = 0;

  /** Time passes, and who waited too long hears of it. */
  advance(ms: number): void {
    this.now += ms;
    this.registry.tick(this.now);
    this.context.deadlines.tick(this.now);
    this.context.stallWatches.forEach((watch) => watch.sweep(this.now));
    this.waiters.tick(this.now);
  }

  /** Streams under way by the registry's count. */
  get outstanding(): number {
    const offers = this.registry.services().flatMap((service) => service.offers);
    return offers.reduce((sum, offer) => sum + offer.outstanding, 0);
  }
}
