/** A target of which it is counted how often it is asked. */
import type { ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import type { AppTally } from "../registry/app-tally.ts";
import type { Target } from "./target.ts";

export class CountedTarget implements Target {
  readonly parts?: readonly Upstream[];
  readonly #target: Target;
  readonly #find: () => AppTally;
  #tally: AppTally | undefined;

  /** `find` is called with the first stream: by then the service is offered, and its statistics stay for as long as it is. */
  constructor(target: Target, find: () => AppTally) {
    this.#target = target;
    if (target.parts !== undefined) this.parts = target.parts;
    this.#find = find;
  }

  get url(): string {
    return this.#target.url;
  }

  get active(): number {
    return this.#target.active;
  }

  accept(stream: ByteStream, client: string): void {
    this.#tally ??= this.#find();
    this.#tally.asked++;
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
