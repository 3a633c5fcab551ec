/** A target whose streams an analyzer taps. */
import type { Analysis } from "../analyze/analysis.ts";
import type { ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Target } from "./target.ts";

export class AnalyzedTarget implements Target {
  readonly #target: Target;
  readonly #analysis: Analysis;

  constructor(target: Target, analysis: Analysis) {
    this.#target = target;
    this.#analysis = analysis;
  }

  get url(): string {
    return this.#target.url;
  }

  get active(): number {
    return this.#target.active;
  }

  accept(stream: ByteStream, client: string): void {
    this.#target.accept(this.#analysis.attach(stream), client);
  }

  sweep(now: number): void {
    this.#target.sweep(now);
  }

  close(error: PolarityError): void {
    this.#target.close(error);
  }
}
