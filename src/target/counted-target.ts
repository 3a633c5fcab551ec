/** A target of which it is counted how often it is asked. */
import type { ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import type { AppTally } from "../registry/app-tally.ts";
import type { Target } from "./target.ts";

export class CountedTarget implements Target {
  readonly parts?: readonly Upstream[];
  readonly #target: Target;
  readonly #tally: () => AppTally;

  /** `tally` is looked up each time: the name's statistics may be forgotten, and begin again. */
  constructor(target: Target, tally: () => AppTally) {
    this.#target = target;
    if (target.parts !== undefined) this.parts = target.parts;
    this.#tally = tally;
  }

  get url(): string {
    return this.#target.url;
  }

  get active(): number {
    return this.#target.active;
  }

  accept(stream: ByteStream, client: string): void {
    this.#tally().asked++;
    this.#target.accept(stream, client);
  }

  sweep(now: number): void {
    this.#target.sweep(now);
  }

  drain(): void {
    this.#target.drain?.();
  }

  close(error: PolarityError): void {
    this.#target.close(error);
  }
}
