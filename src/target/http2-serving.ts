/**
 * One HTTP exchange on a stream, served by an app that speaks HTTP/2.
 *
 * The request comes as HTTP/1.1 and is checked as strictly as at the listener; chunks come off and trailers stay, both
 * ways. A request that the app says it has not begun (RFC 9113 §8.7), or whose kept connection was gone, is asked again.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { DiscardSink } from "../base/byte-stream.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import { asChunk, BodyReader, ChunkedDecoder, lastChunk } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { requestFields, responseHeadText } from "../http/http2-app-heads.ts";
import { trailerFields } from "../http/http2-fields.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import { ReplayBuffer } from "../session/replay-buffer.ts";
import { isIdempotentMethod } from "../session/safe-requests.ts";
import { AppCall, type AppCallUser, CANCEL, REFUSED_STREAM } from "./http2-app-call.ts";
import type { HttpTargetOptions, HttpUnderWay } from "./http-serving-host.ts";
import type { Http2Sessions } from "./http2-sessions.ts";
import { type TargetContext, unreachable } from "./target.ts";

export interface Http2ServingHost {
  readonly url: string;
  readonly context: TargetContext;
  readonly options: HttpTargetOptions;
  readonly sessions: Http2Sessions;
  /** Called once an exchange. */
  finished(serving: HttpUnderWay): void;
}

/** How often one request is sent; an app that refuses and refuses is not asked for ever. */
const ATTEMPTS_MAX = 3;

export class Http2Serving implements ByteSink, HttpUnderWay, AppCallUser {
  denseIndex = -1;
  readonly #target: Http2ServingHost;
  readonly #stream: ByteStream;
  readonly #collector: HeadCollector;
  readonly #reader = new BodyReader("BAD_REQUEST");
  #decoder: ChunkedDecoder | undefined;
  #head: RequestHead | undefined;
  #call: AppCall | undefined;
  #attempts = 0;
  /** The body so far, while it may have to be sent again. */
  #replay: ReplayBuffer | undefined = new ReplayBuffer();
  #requestEnded = false;
  #streamEnded = false;
  #chunked = false;
  /** Of an answer with a length. */
  #remaining = 0;
  #trailers = "";
  #owedToStream = NOTHING_OWED;
  #over = false;
  #answered = false;
  #held = false;
  /** Body arrived since the last look at the deadline. */
  #moved = false;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(target: Http2ServingHost, stream: ByteStream) {
    this.#target = target;
    this.#stream = stream;
    this.#collector = new HeadCollector(target.options.headBytesMax, "request");
    stream.sink = this;
  }

  abort(error: PolarityError): void {
    this.#refuse(error);
  }

  sweep(now: number): void {
    if (now < this.#deadline) return;
    const { responseTimeoutMs, stallTimeoutMs } = this.#target.options;
    const moved = this.#moved;
    this.#moved = false;
    this.#deadline = now + (this.#answered ? stallTimeoutMs : responseTimeoutMs);
    // Whoever is held back by the other side is silent without fault.
    const excused = this.#answered ? this.#held : !this.#requestEnded && this.#owedToStream.bytes === 0;
    if (moved || excused) return;
    this.#refuse(
      this.#answered
        ? new PolarityError("TARGET_STALLED", `${this.#who} sent no more of its answer for ${stallTimeoutMs} ms`)
        : new PolarityError("TARGET_TIMEOUT", `${this.#who} did not answer within ${responseTimeoutMs} ms`),
    );
  }

  // ── ByteSink: the request ──

  data(chunk: Buffer): void {
    if (this.#head === undefined) this.#takeHead(chunk);
    else if (!this.#requestEnded) this.#takeBody(chunk);
    else this.#refuse(new PolarityError("BAD_REQUEST", "bytes after the end of the request"));
  }

  end(): void {
    this.#streamEnded = true;
    if (!this.#requestEnded)
      this.#refuse(new PolarityError("BAD_REQUEST", "the stream ended in the middle of the request"));
  }

  reset(): void {
    this.#conclude();
  }

  drain(): void {
    this.#held = false;
    this.#call?.resume();
  }

  #takeHead(chunk: Buffer): void {
    const collector = this.#collector;
    if (!collector.push(chunk)) {
      this.#stream.consumed(chunk.length);
      return;
    }
    const { problem, text, rest } = collector;
    const head = problem ?? parseRequestHead(text, this.#target.options.headLimits);
    this.#stream.consumed(chunk.length - rest.length);
    if (head instanceof HttpProblem) {
      this.#refuse(new PolarityError("BAD_REQUEST", `the request to ${this.#who} is refused: ${head.reason}`));
      return;
    }
    if (head.form === "absolute" || head.versionMinor !== 1) {
      this.#refuse(new PolarityError("BAD_REQUEST", "a request on a stream needs origin form and HTTP/1.1"));
      return;
    }
    if (head.upgrade !== "") {
      const what = `${this.#who} speaks HTTP/2, where there is no change to ${head.upgrade}`;
      this.#refuse(new PolarityError("TARGET_PROTOCOL", what));
      return;
    }
    this.#head = head;
    if (head.bodyKind === "chunked") this.#decoder = new ChunkedDecoder("BAD_REQUEST", true);
    else this.#reader.start(head.bodyKind, head.bodyLength);
    this.#requestEnded = this.#decoder === undefined && this.#reader.done;
    this.#deadline = this.#now + this.#target.options.responseTimeoutMs;
    this.#ask();
    if (rest.length > 0 && !this.#over) this.data(rest);
  }

  #takeBody(chunk: Buffer): void {
    const payload: Buffer[] = [];
    const source = this.#decoder ?? this.#reader;
    const taken = this.#decoder === undefined ? this.#reader.take(chunk) : this.#decoder.take(chunk, payload);
    if (source.problem !== undefined) {
      this.#refuse(source.problem.toError());
      return;
    }
    if (this.#decoder === undefined) payload.push(chunk.subarray(0, taken));
    this.#moved = true;
    let room = true;
    for (const slice of payload) {
      this.#replay?.pushSent(slice);
      room = this.#call?.write(slice) ?? true;
    }
    if (room) this.#stream.consumed(taken);
    else this.#owedToStream = this.#owedToStream.plus(this.#stream, taken);
    if (!source.done) return;
    this.#requestEnded = true;
    this.#deadline = this.#now + this.#target.options.responseTimeoutMs;
    this.#call?.end(trailerFields(this.#decoder?.trailers ?? ""));
    if (taken < chunk.length) this.data(chunk.subarray(taken));
  }

  #ask(): void {
    this.#attempts++;
    const head = this.#head!;
    const { sessions, options } = this.#target;
    const fields = requestFields(head, options.tls === undefined ? "http" : "https");
    const bodyless = head.bodyKind === "none";
    this.#call = new AppCall(this, sessions.take(), fields, bodyless, this.#decoder !== undefined);
    for (const chunk of this.#replay?.chunks ?? []) this.#call.write(chunk);
    if (this.#requestEnded && !bodyless) this.#call.end(trailerFields(this.#decoder?.trailers ?? ""));
  }

  // ── AppCallUser: the response ──

  callHead(fields: readonly string[], ends: boolean): void {
    if (this.#over) return;
    const head = responseHeadText(fields, ends, this.#head!.method);
    if (head instanceof HttpProblem) {
      this.#refuse(new PolarityError("TARGET_PROTOCOL", `the answer of ${this.#who} is refused: ${head.reason}`));
      return;
    }
    this.#replay = undefined;
    if (!head.informational) {
      this.#answered = true;
      this.#chunked = head.framing === "chunked";
      this.#remaining = head.bodyLength;
      this.#deadline = this.#now + this.#target.options.stallTimeoutMs;
    } else this.#deadline = this.#now + this.#target.options.responseTimeoutMs;
    this.#moved = false;
    if (!this.#stream.writeLatin1(head.text)) this.#hold();
  }

  callData(chunk: Buffer): void {
    if (this.#over) return;
    this.#moved = true;
    this.#remaining -= chunk.length;
    if (!this.#stream.write(this.#chunked ? asChunk(chunk) : chunk)) this.#hold();
  }

  callTrailers(lines: string): void {
    this.#trailers = lines;
  }

  callEnded(): void {
    if (this.#over) return;
    if (!this.#answered) {
      this.#refuse(new PolarityError("TARGET_FAILED", `${this.#who} ended its stream without an answer`));
      return;
    }
    if (this.#chunked) this.#stream.write(lastChunk(this.#trailers));
    this.#stream.end();
    // An early response: whatever is left of the request has no reader.
    if (!this.#streamEnded) this.#stream.sink = new DiscardSink(this.#stream);
    this.#conclude();
  }

  callDrained(): void {
    this.#owedToStream.settle();
  }

  callBroken(call: AppCall, code: number): void {
    if (this.#over || call !== this.#call) return;
    // Some servers reset a stream in place of its last, empty frame; nothing is missing where a length says so.
    if (this.#answered && !this.#chunked && this.#remaining === 0) {
      this.callEnded();
      return;
    }
    this.#target.sessions.give(call.session, this.#now);
    this.#call = undefined;
    const { session } = call;
    if (!session.connected) {
      const error = new PolarityError("TARGET_FAILED", messageOf(session.error ?? "no connection"), session.error);
      this.#refuse(unreachable(this.#target.url, error));
      return;
    }
    const unseen = code === REFUSED_STREAM || (call.reused && !session.usable && this.#repeatable);
    if (unseen && this.#replay?.complete === true && this.#attempts < ATTEMPTS_MAX) {
      session.usable = false;
      this.#ask();
      this.callDrained();
      return;
    }
    if (unseen && code === REFUSED_STREAM && !this.#answered) {
      this.#refuse(new PolarityError("TARGET_UNREACHABLE", `${this.#who} refused the request before it began it`));
      return;
    }
    const where = this.#answered ? "in the middle of its answer" : "without an answer";
    const why = session.error === undefined ? `it reset the stream with code ${code}` : messageOf(session.error);
    const failure = session.brokeProtocol ? "TARGET_PROTOCOL" : "TARGET_FAILED";
    this.#refuse(new PolarityError(failure, `${this.#who} broke off ${where}: ${why}`));
  }

  callFailed(error: PolarityError): void {
    this.#refuse(error);
  }

  // ── inside ──

  get #repeatable(): boolean {
    return isIdempotentMethod(this.#head!.method);
  }

  get #now(): number {
    return this.#target.context.clock.now();
  }

  get #who(): string {
    return `the app ${this.#target.url}`;
  }

  #hold(): void {
    this.#held = true;
    this.#call?.pause();
  }

  #refuse(error: PolarityError): void {
    if (this.#over) return;
    if (error.fault === "app") this.#target.context.failed(error);
    this.#stream.reset(error);
    this.#conclude();
  }

  #conclude(): void {
    if (this.#over) return;
    this.#over = true;
    this.#replay = undefined;
    // An early answer: what the app has not taken of the request has no reader, and the rest must come to be dropped.
    this.#owedToStream.settle();
    const call = this.#call;
    this.#call = undefined;
    if (call !== undefined) {
      call.close(CANCEL);
      this.#target.sessions.give(call.session, this.#now);
    }
    this.#target.finished(this);
  }
}
