/**
 * What an analyzer counts with: meters (a total and its rates), counters (a total) and durations, each under a name.
 *
 * All analyzers use these, so that rates are made in one way, everything shows up in statistics by itself, and totals and
 * windows survive a restart. Durations begin anew: a restart changes what they would be compared with.
 */
import { LatencyHistogram } from "../registry/latency-histogram.ts";
import { RateWindow } from "./rate-window.ts";
import { integerIn, recordOf } from "./saved-state.ts";

/** Numbers by name, at most one level deep; null where a number is not known. */
export type Statistics = Readonly<Record<string, Statistic | Readonly<Record<string, Statistic>>>>;
/** One figure; null where there is nothing to tell yet. */
export type Statistic = number | null;

/** What one analyzer may count apart: names may come from clients. */
const NAMES_MAX = 256;
const OTHER = "other";

export class Counter {
  total = 0;

  /** `now` as it was handed to the tap. */
  add(_now: number, events = 1): void {
    this.total += events;
  }
}

export class Meter extends Counter {
  readonly window = new RateWindow();

  override add(now: number, events = 1): void {
    this.total += events;
    this.window.add(now, events);
  }

  /** Events a second within the last `spanMs`, at most 10 s. */
  rate(spanMs: number, now: number): number {
    return this.window.rate(spanMs, now);
  }
}

/** What one analyzer counts: counters, meters and durations, each by its name, made when first asked for. */
export class Meters {
  readonly #counters = new Map<string, Counter>();
  readonly #durations = new Map<string, LatencyHistogram>();

  /** The meter of that name, made when it is first asked for: a total, and how often within the last 1 s and 10 s. */
  meter(name: string): Meter {
    const found = this.#counters.get(name);
    if (found instanceof Meter) return found;
    if (found !== undefined) throw new Error(`${name} is a counter, not a meter`);
    const meter = new Meter();
    this.#counters.set(name, meter);
    return meter;
  }

  /** A total alone. Names beyond the first 256 are counted together, as `other`. */
  counter(name: string): Counter {
    const found = this.#counters.get(name);
    if (found !== undefined) return found;
    if (this.#counters.size >= NAMES_MAX && name !== OTHER) return this.counter(OTHER);
    const counter = new Counter();
    this.#counters.set(name, counter);
    return counter;
  }

  /** Durations in milliseconds, as percentiles. */
  durations(name: string): LatencyHistogram {
    const found = this.#durations.get(name);
    if (found !== undefined) return found;
    const durations = new LatencyHistogram();
    this.#durations.set(name, durations);
    return durations;
  }

  /** Grows with each event, so that it can be seen whether anything happened. */
  get events(): number {
    let events = 0;
    for (const { total } of this.#counters.values()) events += total;
    return events;
  }

  statistics(now: number): Statistics {
    const statistics: Record<string, Statistic | Readonly<Record<string, Statistic>>> = {};
    for (const [name, counter] of this.#counters) {
      statistics[`${name}_total`] = counter.total;
      if (!(counter instanceof Meter)) continue;
      statistics[`${name}_rate_1s`] = counter.rate(1_000, now);
      statistics[`${name}_rate_10s`] = counter.rate(10_000, now);
    }
    for (const [name, durations] of this.#durations) statistics[`${name}_ms`] = percentiles(durations);
    return statistics;
  }

  save(now: number): Record<string, unknown> {
    const saved: Record<string, unknown> = {};
    for (const [name, counter] of this.#counters) {
      const window = counter instanceof Meter ? counter.window.save(now) : undefined;
      saved[name] = { total: counter.total, window };
    }
    return saved;
  }

  /** Before anything was counted. Throws where the state is not one that `save` gave; some of it may be taken then. */
  restore(state: unknown, ageMs: number, now: number): void {
    for (const [name, saved] of Object.entries(recordOf(state))) {
      const { total, window } = recordOf(saved);
      const counter = window === undefined ? this.counter(name) : this.meter(name);
      if (window === undefined && counter instanceof Meter) throw new Error(`${name} is a meter, not a counter`);
      // Of names that are too many, several are one.
      counter.total += integerIn(total, Number.MAX_SAFE_INTEGER);
      if (counter instanceof Meter && window !== undefined) counter.window.restore(window, ageMs, now);
    }
  }
}

/** Names and numbers, one after the other, as `answer_ms.p50`; without what is not known. */
export function flatStatistics(statistics: Statistics): [name: string, value: number][] {
  return Object.entries(statistics).flatMap(([name, value]): [string, number][] => {
    if (value === null) return [];
    if (typeof value === "number") return [[name, value]];
    return flatStatistics(value).map(([inner, number]) => [`${name}.${inner}`, number]);
  });
}

export function percentiles(durations: LatencyHistogram): Readonly<Record<string, Statistic>> {
  return {
    count: durations.count,
    sum: durations.sumMs,
    p50: durations.quantile(0.5) ?? null,
    p90: durations.quantile(0.9) ?? null,
    p99: durations.quantile(0.99) ?? null,
  };
}
