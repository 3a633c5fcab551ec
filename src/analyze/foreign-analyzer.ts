/**
 * An analyzer from a user's module, kept from doing what it may not: writing to bytes that are under way, holding up the
 * connection, or failing where nobody catches it.
 *
 * It gets copies, in memory that is used again. A call that takes longer than `CALL_MS_MAX` is a failure like one that
 * throws, since the whole node stood still for it: the tap is detached. So is one that answers later, with a promise.
 */
import type { Clock } from "../base/clock.ts";
import type { Analyzer, AnalyzerFactory, Tap } from "./analyzer.ts";
import type { Statistics } from "./meters.ts";

const CALL_MS_MAX = 50;

export function guardForeign(create: AnalyzerFactory, clock: Clock): AnalyzerFactory {
  const copies = new Copies();
  const timed = <Value>(what: string, call: () => Value): Value => {
    const begun = clock.now();
    const value: unknown = call();
    const tookMs = clock.now() - begun;
    if (value instanceof Promise) {
      value.catch(() => {});
      throw new Error(`${what} returned a promise; analyzers are synchronous`);
    }
    if (tookMs > CALL_MS_MAX) throw new Error(`${what} took ${Math.round(tookMs)} ms, more than ${CALL_MS_MAX}`);
    return value as Value;
  };
  return (meters) => {
    const analyzer: Analyzer = timed("createAnalyzer", () => create(meters));
    const statistics =
      analyzer.statistics === undefined
        ? {}
        : { statistics: (now: number) => plain(timed("statistics", () => analyzer.statistics!(now))) };
    return {
      ...statistics,
      open: (now) =>
        new ForeignTap(
          timed("open", () => analyzer.open(now)),
          copies,
          timed,
        ),
    };
  };
}

type Timed = <Value>(what: string, call: () => Value) => Value;

class ForeignTap implements Tap {
  readonly #tap: Tap;
  readonly #copies: Copies;
  readonly #timed: Timed;

  constructor(tap: Tap, copies: Copies, timed: Timed) {
    this.#tap = tap;
    this.#copies = copies;
    this.#timed = timed;
  }

  fromClient(bytes: Buffer, now: number): void {
    this.#timed("fromClient", () => this.#tap.fromClient(this.#copies.of(bytes), now));
  }

  fromServer(bytes: Buffer, now: number): void {
    this.#timed("fromServer", () => this.#tap.fromServer(this.#copies.of(bytes), now));
  }

  closed(now: number): void {
    this.#timed("closed", () => this.#tap.closed?.(now));
  }

  statistics(now: number): Statistics {
    return plain(this.#timed("statistics", () => this.#tap.statistics?.(now) ?? {}));
  }
}

/** One buffer for all: calls do not overlap. */
class Copies {
  #buffer = Buffer.alloc(0);

  of(bytes: Buffer): Buffer {
    if (this.#buffer.length < bytes.length) this.#buffer = Buffer.allocUnsafeSlow(Math.max(bytes.length, 64 * 1024));
    bytes.copy(this.#buffer);
    return this.#buffer.subarray(0, bytes.length);
  }
}

/** Numbers by name, one level deep, whatever was given. */
function plain(statistics: unknown, deep = false): Statistics {
  const kept: Record<string, Statistics[string]> = {};
  if (typeof statistics !== "object" || statistics === null) return kept;
  for (const [name, value] of Object.entries(statistics)) {
    if (typeof value === "number") kept[name] = Number.isFinite(value) ? value : null;
    else if (value === null) kept[name] = null;
    else if (typeof value === "object" && !deep)
      kept[name] = plain(value, true) as Readonly<Record<string, number | null>>;
  }
  return kept;
}
