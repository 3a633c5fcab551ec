/**
 * One analyzer at one place of the configuration: it taps the connections there, and outlives what goes wrong in it.
 *
 * What throws is an analyzer's bug and never the connection's problem: the tap is detached, the failure counted, and the
 * first one reported.
 */
import type { ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import type { Analyzer, AnalyzerFactory, Tap } from "./analyzer.ts";
import { Meters, type Statistics } from "./meters.ts";
import { StreamTap, type TapOwner } from "./stream-tap.ts";
import { TappedStream } from "./tapped-stream.ts";

export interface AnalysisPlace {
  /** Of a listener or a service, for people. Unique within the node. */
  readonly name: string;
  readonly service: string;
  /** As the configuration names it. */
  readonly analyzer: string;
}

export interface AnalysisOptions {
  readonly place: AnalysisPlace;
  readonly create: AnalyzerFactory;
  readonly clock: Clock;
  /** Told of the first failure. */
  readonly failed: (error: unknown) => void;
}

const NOTHING: Statistics = Object.freeze({});

export class Analysis implements TapOwner {
  readonly place: AnalysisPlace;
  readonly meters = new Meters();
  readonly #clock: Clock;
  readonly #analyzer: Analyzer | undefined;
  readonly #failed: (error: unknown) => void;
  connectionsOpen = 0;
  connectionsTotal = 0;
  failures = 0;

  constructor({ place, create, clock, failed }: AnalysisOptions) {
    this.place = place;
    this.#clock = clock;
    this.#failed = failed;
    this.#analyzer = this.guarded(() => create(this.meters));
  }

  /** The connection's stream, with a tap: what its user reads from it came from the client. */
  attach(stream: ByteStream): TappedStream {
    return new TappedStream(stream, new StreamTap(this, this.#clock));
  }

  open(now: number): Tap | undefined {
    this.connectionsOpen++;
    this.connectionsTotal++;
    const analyzer = this.#analyzer;
    return analyzer === undefined ? undefined : this.guarded(() => analyzer.open(now));
  }

  closed(): void {
    this.connectionsOpen--;
  }

  statistics(): Statistics {
    const now = this.#clock.now();
    const analyzer = this.#analyzer;
    if (analyzer?.statistics === undefined) return this.meters.statistics(now);
    return this.guarded(() => analyzer.statistics!(now)) ?? NOTHING;
  }

  get events(): number {
    return this.connectionsTotal + this.meters.events;
  }

  save(): Record<string, unknown> {
    return { connections: this.connectionsTotal, meters: this.meters.save(this.#clock.now()) };
  }

  /** Before the first connection. Throws where the state is not one that `save` gave. */
  restore(state: Readonly<Record<string, unknown>>, ageMs: number): void {
    const { connections, meters } = state;
    this.meters.restore(meters, ageMs, this.#clock.now());
    if (typeof connections === "number") this.connectionsTotal += connections;
  }

  guarded<Value>(call: () => Value): Value | undefined {
    try {
      return call();
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  fail(error: unknown): void {
    if (this.failures++ === 0) this.#failed(error);
  }
}
