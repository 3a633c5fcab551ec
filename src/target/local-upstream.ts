/** This node's own targets as an upstream: what a listener reaches here needs no link. */
import { createByteStreamPair } from "../base/byte-stream-pair.ts";
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { guarded } from "../base/internal-error.ts";
import type { StreamRequest, Upstream } from "../base/upstream.ts";
import type { Target } from "./target.ts";

export class LocalUpstream implements Upstream {
  readonly node: string;
  readonly #find: (service: string) => Target | undefined;

  constructor(node: string, find: (service: string) => Target | undefined) {
    this.node = node;
    this.#find = find;
  }

  parts(service: string): readonly Upstream[] | undefined {
    return this.#find(service)?.parts;
  }

  open(request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined {
    const target = this.#find(request.service);
    if (target === undefined) return undefined;
    const [stream, far] = createByteStreamPair();
    // A target may refuse the first bytes within this call, but an opener hears nothing before it has its stream.
    const early = new EarlyReset();
    stream.sink = early;
    target.accept(far, request.client);
    if (first !== "") stream.writeLatin1(first, second);
    stream.sink = sink;
    const { error } = early;
    if (error !== undefined) queueMicrotask(() => guarded("stream", () => sink.reset(error)));
    return stream;
  }
}

/** Targets answer from later turns; within the call they can only refuse. */
class EarlyReset implements ByteSink {
  error: PolarityError | undefined;
  data(): void {
    throw new Error("a target answered within the call that opened its stream");
  }
  end(): void {
    throw new Error("a target ended a stream within the call that opened it");
  }
  reset(error: PolarityError): void {
    this.error = error;
  }
  drain(): void {}
}
