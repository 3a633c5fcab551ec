/** Serves streams that carry one HTTP/1.1 exchange each as requests on shared HTTP/2 connections to an app. */
import type { ByteStream } from "../base/byte-stream.ts";
import { DenseSet } from "../base/dense-set.ts";
import type { PolarityError } from "../base/errors.ts";
import { sweepOne } from "../base/internal-error.ts";
import type { HttpTargetOptions, HttpUnderWay } from "./http-serving-host.ts";
import { Http2Serving, type Http2ServingHost } from "./http2-serving.ts";
import { Http2Sessions } from "./http2-sessions.ts";
import type { Target, TargetContext } from "./target.ts";

export class Http2Target implements Target, Http2ServingHost {
  readonly url: string;
  readonly context: TargetContext;
  readonly options: HttpTargetOptions;
  readonly sessions: Http2Sessions;
  readonly #serving = new DenseSet<HttpUnderWay>();

  constructor(context: TargetContext, options: HttpTargetOptions) {
    this.context = context;
    this.options = options;
    this.url = options.address.url;
    this.sessions = new Http2Sessions({
      app: { place: options.address.place, tls: options.tls, names: context.names },
      connectTimeoutMs: options.connectTimeoutMs,
      idleMs: options.idleMs,
    });
  }

  get active(): number {
    return this.#serving.size;
  }

  accept(stream: ByteStream): void {
    this.#serving.add(new Http2Serving(this, stream));
  }

  finished(serving: HttpUnderWay): void {
    this.#serving.delete(serving);
  }

  sweep(now: number): void {
    this.sessions.sweep(now);
    this.#serving.forEach((serving) => sweepOne(serving, now));
  }

  close(error: PolarityError): void {
    this.#serving.forEach((serving) => serving.abort(error));
    this.sessions.close();
  }
}
