/** Serves streams that carry one HTTP/1.1 exchange each, on keep-alive connections to an app. */
import type { ByteStream } from "../base/byte-stream.ts";
import { DenseSet } from "../base/dense-set.ts";
import type { PolarityError } from "../base/errors.ts";
import { sweepOne } from "../base/internal-error.ts";
import { AppPool } from "./app-pool.ts";
import { HttpServing } from "./http-serving.ts";
import type { HttpServingHost, HttpTargetOptions, HttpUnderWay } from "./http-serving-host.ts";
import type { Target, TargetContext } from "./target.ts";

export class HttpTarget implements Target, HttpServingHost {
  readonly url: string;
  readonly context: TargetContext;
  readonly options: HttpTargetOptions;
  readonly pool: AppPool;
  readonly #serving = new DenseSet<HttpUnderWay>();

  constructor(context: TargetContext, options: HttpTargetOptions) {
    this.context = context;
    this.options = options;
    this.url = options.address.url;
    this.pool = new AppPool({
      app: { place: options.address.place, tls: options.tls, names: context.names },
      who: `the app ${this.url}`,
      connectTimeoutMs: options.connectTimeoutMs,
      idleMax: options.idleConnectionsMax,
      idleMs: options.idleMs,
      proxyProtocol: options.proxyProtocol,
    });
  }

  get active(): number {
    return this.#serving.size;
  }

  accept(stream: ByteStream, client: string): void {
    this.#serving.add(new HttpServing(this, stream, client));
  }

  finished(serving: HttpUnderWay): void {
    this.#serving.delete(serving);
  }

  sweep(now: number): void {
    this.pool.sweep(now);
    this.#serving.forEach((serving) => sweepOne(serving, now));
  }

  close(error: PolarityError): void {
    this.#serving.forEach((serving) => serving.abort(error));
    this.pool.close();
  }
}
