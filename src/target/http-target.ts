/** Serves streams that carry one HTTP/1.1 exchange each, on keep-alive connections to an app. */
import type { TargetAddress } from "../base/address.ts";
import type { ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { HeadLimits } from "../http/head-limits.ts";
import { AppPool } from "./app-pool.ts";
import { HttpServing } from "./http-serving.ts";
import type { Target, TargetContext } from "./target.ts";

export interface HttpTargetOptions {
  readonly address: TargetAddress;
  readonly connectTimeoutMs: number;
  /** How long the app may take to begin its answer. */
  readonly responseTimeoutMs: number;
  readonly idleConnectionsMax: number;
  readonly idleMs: number;
  readonly headLimits: HeadLimits;
  readonly headBytesMax: number;
}

export class HttpTarget implements Target {
  readonly url: string;
  readonly context: TargetContext;
  readonly options: HttpTargetOptions;
  readonly pool: AppPool;
  readonly #serving = new Set<HttpServing>();

  constructor(context: TargetContext, options: HttpTargetOptions) {
    this.context = context;
    this.options = options;
    this.url = options.address.url;
    this.pool = new AppPool({
      place: options.address.place,
      who: `the app ${this.url}`,
      connectTimeoutMs: options.connectTimeoutMs,
      idleMax: options.idleConnectionsMax,
      idleMs: options.idleMs,
    });
  }

  get active(): number {
    return this.#serving.size;
  }

  accept(stream: ByteStream): void {
    this.#serving.add(new HttpServing(this, stream));
  }

  finished(serving: HttpServing): void {
    this.#serving.delete(serving);
  }

  sweep(now: number): void {
    this.pool.sweep(now);
    for (const serving of this.#serving) serving.sweep(now);
  }

  close(error: PolarityError): void {
    for (const serving of this.#serving) serving.abort(error);
    this.pool.close();
  }
}
