/** A target within this program: each stream becomes a Duplex for the handler of its service. */
import type { ByteStream } from "../base/byte-stream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import type { Target } from "../target/target.ts";
import type { HandlerFailures } from "./handler-failures.ts";
import { RequestGuard } from "./request-guard.ts";
import type { HandlerProtocol, StreamTaker } from "./stream-taker.ts";
import { StreamDuplex } from "./stream-duplex.ts";

export interface HandlerTargetOptions {
  readonly service: string;
  readonly protocol: HandlerProtocol;
  readonly taker: StreamTaker;
  readonly failures: HandlerFailures;
  readonly now: () => number;
}

/** How long a request's head may take, on a stream that somebody opened for nothing else. */
const HEAD_TIMEOUT_MS = 60_000;

/** Whose fault a reset of the handler's is, for the code that the other side sees. */
const HANDLER_GONE: ErrorCode = "TARGET_FAILED";

interface Serving {
  readonly duplex: StreamDuplex;
  readonly guard: RequestGuard | undefined;
  readonly since: number;
}

export class HandlerTarget implements Target {
  readonly url: string;
  readonly #options: HandlerTargetOptions;
  readonly #serving = new Set<Serving>();

  constructor(options: HandlerTargetOptions) {
    this.#options = options;
    this.url = `handler of service "${options.service}"`;
  }

  get active(): number {
    return this.#serving.size;
  }

  accept(stream: ByteStream, client: string): void {
    const { service, protocol, taker, now } = this.#options;
    const destroyedAs = { code: HANDLER_GONE, message: `the ${this.url} reset the stream` };
    const holdsEnd = protocol === "http/1.1" && taker.answersRequests;
    const duplex = new StreamDuplex({ service, client, destroyedAs, holdsEnd }, stream);
    const guard = protocol === "http/1.1" ? new RequestGuard(() => taker.upgrades) : undefined;
    if (guard !== undefined) guardStream(stream, duplex, guard);
    const serving = { duplex, guard, since: now() };
    this.#serving.add(serving);
    duplex.once("close", () => this.#serving.delete(serving));
    // A target answers from later turns: its opener may not have its end of the stream yet.
    setImmediate(() => {
      stream.confirm?.();
      if (!duplex.destroyed) taker.take(duplex, { service, client }, protocol === "http/1.1");
    });
  }

  sweep(now: number): void {
    this.#options.failures.tick();
    for (const { duplex, guard, since } of this.#serving) {
      if (guard?.waitsForHead !== true || now - since < HEAD_TIMEOUT_MS) continue;
      duplex.destroy(new PolarityError("SLOW_HEAD", `no whole request head within ${HEAD_TIMEOUT_MS} ms`));
    }
  }

  close(error: PolarityError): void {
    for (const { duplex } of this.#serving) duplex.destroy(error);
    this.#options.taker.close();
    this.#options.failures.flush();
  }
}

/** Puts the guard between the stream and its duplex. */
function guardStream(stream: ByteStream, duplex: StreamDuplex, guard: RequestGuard): void {
  const { sink } = duplex;
  let heldBytes = 0;
  stream.sink = {
    data: (chunk) => {
      heldBytes += chunk.length;
      const problem = guard.push(chunk, (part) => {
        // The duplex returns the credit of what it gets.
        heldBytes -= part.length;
        sink.data(part);
      });
      if (problem === undefined) return;
      // What the guard kept never got to the duplex.
      stream.consumed(heldBytes);
      duplex.destroy(problem);
    },
    end: () => {
      if (!guard.isComplete) {
        duplex.destroy(new PolarityError("BAD_REQUEST", "the stream ended in the middle of the request"));
      } else sink.end();
    },
    reset: (error) => sink.reset(error),
    drain: () => sink.drain(),
  };
}
