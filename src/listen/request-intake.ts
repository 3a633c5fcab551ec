/**
 * What a client sends, taken apart: heads, bodies, bodies nobody wants, bytes of a tunnel, and what comes too early.
 *
 * Also returns the client's credit: for what was taken at once, for the rest when it is. Bytes that come before their
 * turn (pipelined requests) stay unconsumed, so the client is held back. Per chunk: no copy, unless it must be held.
 */
import type { ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import { BodyReader } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import type { RequestLimits } from "./request-host.ts";

/** What becomes of the next bytes. `hold`: they wait for another mode; `pass`: they are a tunnel's. */
export type IntakeMode = "head" | "body" | "discard" | "hold" | "pass" | "drop";

export interface IntakeHost {
  readonly limits: RequestLimits;
  /** The first bytes of a head are here. */
  headBegins(): void;
  /** `method`: HEAD, if that is how the head begins; else nothing is known of it. */
  headBroken(error: PolarityError, method: string): void;
  /** The client speaks HTTP/2. `rest`: what followed the first line of its preface. False: it may not. */
  http2Begins(rest: Buffer): boolean;
  request(head: RequestHead): void;
  /** Bytes of a body, or of a tunnel. False: they are owed for until `giveCredit`. */
  body(chunk: Buffer): boolean;
  bodyEnded(): void;
  bodyBroken(error: PolarityError): void;
  /** A body that is discarded has ended, or is too long or too broken to be read to its end. */
  discarded(complete: boolean): void;
}

/** The head that HTTP/2 begins with, so that servers of HTTP/1.1 refuse it (RFC 9113 §3.4); `SM` and frames follow. */
export const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n\r\n";
const EMPTY = Buffer.alloc(0);
/** How much of a body nobody reads is taken before the connection is closed instead. */
const DISCARD_BYTES_MAX = 256 * 1024;

export class RequestIntake {
  mode: IntakeMode = "head";
  readonly #host: IntakeHost;
  readonly #stream: ByteStream;
  readonly #collector: HeadCollector;
  readonly #reader: BodyReader;
  /** Bytes after the present request, kept in order until it is answered. */
  #held: Buffer[] | undefined;
  #processing = false;
  #owed = NOTHING_OWED;
  #discardedBytes = 0;

  constructor(host: IntakeHost, stream: ByteStream, limits: RequestLimits) {
    this.#host = host;
    this.#stream = stream;
    this.#collector = new HeadCollector(limits.headBytesMax, "request");
    this.#reader = new BodyReader("BAD_REQUEST", limits.bodyBytesMax);
  }

  /** In the middle of a head. */
  get headStarted(): boolean {
    return this.#collector.started;
  }

  /** The present request is here whole. */
  get bodyComplete(): boolean {
    return this.#reader.done;
  }

  /** Why the present request's body cannot be taken. */
  get bodyProblem(): HttpProblem | undefined {
    return this.#reader.problem;
  }

  /** The present request's body, of which nothing was taken yet, has a limit of its own. Why it cannot be taken. */
  limitBody(bytesMax: number): PolarityError | undefined {
    this.#reader.limit(bytesMax);
    return this.#reader.problem?.toError();
  }

  /** Whoever is inside `receive` goes on with the bytes at hand itself. */
  get processing(): boolean {
    return this.#processing;
  }

  get holding(): boolean {
    return this.#held !== undefined;
  }

  /** Bytes are with a service that has no room for more. */
  get owing(): boolean {
    return this.#owed.bytes > 0;
  }

  receive(chunk: Buffer): void {
    if (this.#held !== undefined) this.#held.push(Buffer.from(chunk));
    else this.#process(chunk);
  }

  /** Held bytes get their turn. False: they do already. */
  resume(): boolean {
    if (this.#processing) return false;
    const chunks = this.#held ?? [];
    this.#held = undefined;
    // A chunk may have to wait again; then the rest waits behind what is left of it.
    for (const chunk of chunks) this.receive(chunk);
    return true;
  }

  giveCredit(): void {
    this.#owed.settle();
  }

  /** Held bytes have no taker any more; their credit is owed. */
  dropHeld(): void {
    for (const chunk of this.#held ?? []) this.#owe(chunk.length);
    this.#held = undefined;
  }

  #process(chunk: Buffer): void {
    this.#processing = true;
    let rest = chunk;
    while (rest.length > 0) {
      switch (this.mode) {
        case "head":
          rest = this.#takeHead(rest);
          break;
        case "body":
          rest = this.#takeBody(rest);
          break;
        case "discard":
          rest = this.#discardBody(rest);
          break;
        case "hold":
          (this.#held ??= []).push(Buffer.from(rest));
          rest = EMPTY;
          break;
        case "pass":
          this.#pass(rest, rest.length);
          rest = EMPTY;
          break;
        case "drop":
          this.#stream.consumed(rest.length);
          rest = EMPTY;
      }
    }
    this.#processing = false;
  }

  #takeHead(chunk: Buffer): Buffer {
    const collector = this.#collector;
    const wasStarted = collector.started;
    if (!collector.push(chunk)) {
      if (!wasStarted && collector.started) this.#host.headBegins();
      this.#stream.consumed(chunk.length);
      return EMPTY;
    }
    const { problem, text, rest } = collector;
    const head = problem ?? parseRequestHead(text, this.#host.limits);
    collector.reset();
    if (head instanceof HttpProblem) {
      this.#stream.consumed(chunk.length);
      if (text === HTTP2_PREFACE && this.#host.http2Begins(rest)) return EMPTY;
      this.#host.headBroken(head.toError(), text.startsWith("HEAD ") ? "HEAD" : "");
      return EMPTY;
    }
    this.#stream.consumed(chunk.length - rest.length);
    this.#discardedBytes = 0;
    this.#reader.start(head.bodyKind, head.bodyLength);
    this.#host.request(head);
    return rest;
  }

  #takeBody(chunk: Buffer): Buffer {
    const reader = this.#reader;
    const taken = reader.take(chunk);
    const { problem } = reader;
    if (problem !== undefined) {
      this.#stream.consumed(chunk.length);
      this.#host.bodyBroken(problem.toError());
      return EMPTY;
    }
    if (taken > 0) this.#pass(reader.goingOn(chunk), taken);
    // The answer may have ended meanwhile, and the request with it.
    if (reader.done && this.mode === "body") this.#host.bodyEnded();
    return taken === chunk.length ? EMPTY : chunk.subarray(taken);
  }

  #discardBody(chunk: Buffer): Buffer {
    const taken = this.#reader.take(chunk);
    this.#stream.consumed(taken);
    this.#discardedBytes += taken;
    if (this.#reader.problem !== undefined || this.#discardedBytes > DISCARD_BYTES_MAX) {
      this.#host.discarded(false);
      return EMPTY;
    }
    if (this.#reader.done) this.#host.discarded(true);
    return chunk.subarray(taken);
  }

  /** `bytes`: how many of the client's this settles, whether they go on now or are kept for the end of their line. */
  #pass(chunk: Buffer, bytes: number): void {
    if (chunk.length === 0 || this.#host.body(chunk)) this.#stream.consumed(bytes);
    else this.#owe(bytes);
  }

  #owe(bytes: number): void {
    this.#owed = this.#owed.plus(this.#stream, bytes);
  }
}
