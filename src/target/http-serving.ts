/**
 * One HTTP exchange on a stream, served by an app.
 *
 * The request head is checked as strictly as at the listener, since any peer may have written it, and sent on as it is; so
 * are both bodies and the response. Only their borders are watched, to know when the app's connection is free again.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { DiscardSink } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import { BodyReader } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import { parseResponseHead, type ResponseHead } from "../http/response-head.ts";
import { isAskedFor, UNASKED_TUNNEL } from "../http/upgrade.ts";
import { ReplayBuffer } from "../session/replay-buffer.ts";
import { isIdempotentMethod } from "../session/safe-requests.ts";
import type { AppConnection, AppUser } from "./app-connection.ts";
import type { HttpServingHost, HttpUnderWay } from "./http-serving-host.ts";
import { unreachable } from "./target.ts";

/** Connections idle for longer are not given a request that must not be sent twice. */
const FRESH_FOR_UNSAFE_MS = 1_000;

type RequestPhase = "head" | "body" | "complete" | "tunnel";
type ResponsePhase = "head" | "body" | "tunnel" | "over";

export class HttpServing implements ByteSink, AppUser, HttpUnderWay {
  denseIndex = -1;
  readonly #target: HttpServingHost;
  readonly #stream: ByteStream;
  readonly #client: string;
  readonly #requestCollector: HeadCollector;
  readonly #requestReader = new BodyReader("BAD_REQUEST");
  readonly #responseCollector: HeadCollector;
  readonly #responseReader = new BodyReader("TARGET_PROTOCOL");
  #request: RequestPhase = "head";
  #response: ResponsePhase = "head";
  #head: RequestHead | undefined;
  #responseHead: ResponseHead | undefined;
  #app: AppConnection | undefined;
  /** The body so far, while a connection that turns out closed may be replaced. */
  #replay: ReplayBuffer | undefined;
  #answered = false;
  #owedToStream = NOTHING_OWED;
  #owedToApp = NOTHING_OWED;
  #appEnded = false;
  #streamEnded = false;
  #deadline = Number.POSITIVE_INFINITY;
  /** Body arrived since the last look at the deadline. */
  #moved = false;
  /** The app was sent bytes of a tunnel that it may not agree to. */
  #tunnelBegunEarly = false;

  /** `client`: its address, as the stream's opener says; may be empty. */
  constructor(target: HttpServingHost, stream: ByteStream, client: string) {
    this.#target = target;
    this.#stream = stream;
    this.#client = client;
    const { headBytesMax } = target.options;
    this.#requestCollector = new HeadCollector(headBytesMax, "request");
    this.#responseCollector = new HeadCollector(headBytesMax, "response");
    stream.sink = this;
  }

  abort(error: PolarityError): void {
    this.#refuse(error);
  }

  sweep(now: number): void {
    if (now < this.#deadline) return;
    const { responseTimeoutMs, stallTimeoutMs } = this.#target.options;
    if (this.#response === "body") {
      // A client that does not read holds the app back, so that its silence is no fault.
      if (!this.#moved && this.#owedToApp.bytes === 0) {
        this.#refuse(
          new PolarityError("TARGET_STALLED", `${this.#who} sent no more of its answer for ${stallTimeoutMs} ms`),
        );
      }
      this.#moved = false;
      this.#deadline = now + stallTimeoutMs;
      return;
    }
    if (this.#response !== "head") return;
    if (this.#request === "body" && (this.#moved || this.#awaitsBody())) {
      this.#moved = false;
      this.#deadline = now + responseTimeoutMs;
      return;
    }
    this.#refuse(new PolarityError("TARGET_TIMEOUT", `${this.#who} did not answer within ${responseTimeoutMs} ms`));
  }

  // ── ByteSink: the request ──

  data(chunk: Buffer): void {
    switch (this.#request) {
      case "head":
        this.#takeHead(chunk);
        return;
      case "body":
        this.#takeBody(chunk);
        return;
      case "tunnel":
        this.#toApp(chunk);
        return;
      case "complete":
        // Bytes of a tunnel may come before its 101 is through.
        if (this.#head!.upgrade !== "" && this.#response === "head") {
          this.#tunnelBegunEarly = true;
          this.#toApp(chunk);
        } else this.#refuse(new PolarityError("BAD_REQUEST", "bytes after the end of the request"));
    }
  }

  end(): void {
    this.#streamEnded = true;
    switch (this.#request) {
      case "tunnel":
        this.#app?.stream.end();
        this.#finishTunnel();
        return;
      case "complete":
        return;
      case "head":
      case "body":
        this.#refuse(new PolarityError("BAD_REQUEST", "the stream ended in the middle of the request"));
    }
  }

  reset(): void {
    this.#conclude(false);
  }

  drain(): void {
    this.#owedToApp.settle();
  }

  // ── AppUser: the response ──

  appData(chunk: Buffer): void {
    switch (this.#response) {
      case "head":
        this.#responseHeadData(chunk);
        return;
      case "body":
        this.#responseBodyData(chunk);
        return;
      case "tunnel":
        this.#toStream(chunk, chunk.length);
        return;
      case "over":
        this.#app?.stream.consumed(chunk.length);
    }
  }

  appEnded(): void {
    this.#appEnded = true;
    if (this.#response === "tunnel") {
      this.#stream.end();
      this.#finishTunnel();
    } else if (this.#response === "body" && this.#responseReader.mayEnd) {
      this.#complete(false);
    } else {
      const where = this.#answered ? "in the middle of its answer" : `without an answer${this.#app?.history ?? ""}`;
      this.#appFailed(new PolarityError("TARGET_FAILED", `${this.#who} closed the connection ${where}`));
    }
  }

  appReset(error: PolarityError): void {
    this.#appFailed(error);
  }

  appDrained(): void {
    this.#owedToStream.settle();
  }

  // ── request in ──

  #takeHead(chunk: Buffer): void {
    const collector = this.#requestCollector;
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
    // The app must read the request as we did, so it gets it in the one form that leaves no choice.
    if (head.form === "absolute" || head.versionMinor !== 1) {
      this.#refuse(new PolarityError("BAD_REQUEST", "a request on a stream needs origin form and HTTP/1.1"));
      return;
    }
    this.#head = head;
    this.#requestReader.start(head.bodyKind, head.bodyLength);
    const now = this.#target.context.clock.now();
    this.#deadline = now + this.#target.options.responseTimeoutMs;
    const repeatable = isIdempotentMethod(head.method);
    const app = this.#target.pool.take(now, repeatable ? 0 : now - FRESH_FOR_UNSAFE_MS, this.#client);
    if (app.reused && repeatable) this.#replay = new ReplayBuffer();
    this.#use(app);
    app.stream.writeLatin1(text);
    this.#request = this.#requestReader.done ? "complete" : "body";
    if (rest.length > 0) this.data(rest);
  }

  #takeBody(chunk: Buffer): void {
    const reader = this.#requestReader;
    const taken = reader.take(chunk);
    if (reader.problem !== undefined) {
      this.#refuse(reader.problem.toError());
      return;
    }
    const body = reader.goingOn(chunk);
    if (body.length > 0) this.#replay?.pushSent(body);
    this.#toApp(body, taken);
    this.#moved = true;
    if (!reader.done) return;
    this.#request = "complete";
    // The app's time begins when it has been asked all.
    this.#deadline = this.#target.context.clock.now() + this.#target.options.responseTimeoutMs;
    if (taken < chunk.length) this.data(chunk.subarray(taken));
  }

  /** `bytes`: how many of the stream's this settles. */
  #toApp(chunk: Buffer, bytes = chunk.length): void {
    if (chunk.length === 0 || this.#app === undefined || this.#app.stream.write(chunk)) this.#stream.consumed(bytes);
    else this.#owedToStream = this.#owedToStream.plus(this.#stream, bytes);
  }

  #use(app: AppConnection): void {
    this.#app = app;
    app.user = this;
  }

  // ── response out ──

  #responseHeadData(chunk: Buffer): void {
    this.#answered = true;
    this.#replay = undefined;
    const collector = this.#responseCollector;
    let bytes = chunk;
    for (;;) {
      const split = collector.started;
      if (!collector.push(bytes)) {
        this.#app?.stream.consumed(bytes.length);
        return;
      }
      const head = collector.problem ?? parseResponseHead(collector.text, this.#head!.method);
      if (head instanceof HttpProblem) {
        this.#refuse(new PolarityError("TARGET_PROTOCOL", `the answer of ${this.#who} is refused: ${head.reason}`));
        return;
      }
      const { rest } = collector;
      if (!head.informational) {
        const asItCame = !split && head.text.length === collector.text.length;
        this.#beginResponse(head, asItCame ? "" : head.text, bytes, bytes.length - rest.length);
        return;
      }
      collector.reset();
      const taken = bytes.length - rest.length;
      this.#deadline = this.#target.context.clock.now() + this.#target.options.responseTimeoutMs;
      // An app may send any number of these: they are held back like a body.
      this.#passedToStream(this.#stream.writeLatin1(head.text), taken);
      if (rest.length === 0 || this.#response === "over") return;
      bytes = rest;
    }
  }

  /** `text` is the head if it does not stand in `bytes` as it goes on; `headBytes` of `bytes` belong to it. */
  #beginResponse(head: ResponseHead, text: string, bytes: Buffer, headBytes: number): void {
    if (head.framing === "tunnel" && !isAskedFor(head.upgrade, this.#head!.upgrade))
      return this.#refuseBody(UNASKED_TUNNEL);
    this.#responseHead = head;
    const reader = this.#responseReader;
    reader.start(head.framing, head.bodyLength);
    if (head.framing === "tunnel") {
      this.#response = "tunnel";
      this.#request = "tunnel";
    } else {
      this.#response = "body";
      this.#moved = false;
      this.#deadline = this.#target.context.clock.now() + this.#target.options.stallTimeoutMs;
    }
    const body = bytes.subarray(headBytes);
    const taken = reader.take(body);
    if (reader.problem !== undefined) return this.#refuseBody(reader.problem);
    const goingOn = reader.goingOn(body);
    // Head and body leave as they came, where nothing of the two is kept back.
    const whole = text === "" && goingOn.length === body.length;
    if (!whole) this.#stream.writeLatin1(text === "" ? bytes.toString("latin1", 0, headBytes) : text);
    this.#toStream(whole ? bytes : goingOn, headBytes + taken);
    if (head.framing === "tunnel" && this.#streamEnded) this.#app?.stream.end();
    if (reader.done) this.#complete(taken === body.length);
  }

  #responseBodyData(chunk: Buffer): void {
    this.#moved = true;
    const reader = this.#responseReader;
    const taken = reader.take(chunk);
    if (reader.problem !== undefined) return this.#refuseBody(reader.problem);
    this.#toStream(reader.goingOn(chunk), taken);
    if (reader.done) this.#complete(taken === chunk.length);
  }

  #refuseBody(problem: HttpProblem): void {
    this.#refuse(new PolarityError("TARGET_PROTOCOL", `the answer of ${this.#who} is refused: ${problem.reason}`));
  }

  #toStream(chunk: Buffer, bytes: number): void {
    this.#passedToStream(chunk.length === 0 || this.#stream.write(chunk), bytes);
  }

  #passedToStream(room: boolean, bytes: number): void {
    if (room) this.#app?.stream.consumed(bytes);
    else if (this.#app !== undefined) this.#owedToApp = this.#owedToApp.plus(this.#app.stream, bytes);
  }

  /** The response has been passed on whole. `clean`: nothing came behind it, so the connection can be trusted again. */
  #complete(clean: boolean): void {
    const asked = this.#request === "complete" && !this.#tunnelBegunEarly;
    // An app that answered before it has read all may never read the rest, nor a request behind it.
    const taken = asked && this.#app?.stream.waiting === false;
    const reusable = clean && taken && this.#responseHead!.keepAlive && !this.#appEnded;
    this.#stream.end();
    // An early response: whatever is left of the request has no reader.
    if (!this.#streamEnded) this.#stream.sink = new DiscardSink(this.#stream);
    this.#conclude(reusable);
  }

  #finishTunnel(): void {
    if (!this.#appEnded || !this.#streamEnded) return;
    this.#response = "over";
    const app = this.#app;
    this.#app = undefined;
    // Both ends were passed on; the socket closes by itself once its last bytes are out.
    app?.closeAfterWrites();
    this.#target.finished(this);
  }

  #appFailed(error: PolarityError): void {
    const app = this.#app;
    if (this.#response === "over") return;
    if (app !== undefined && !app.connected) {
      this.#refuse(unreachable(this.#target.url, error));
      return;
    }
    // A kept connection that ends without a byte was closed by the app before it saw the request.
    if (app?.reused === true && !this.#answered && this.#replay?.complete === true) {
      const { chunks } = this.#replay;
      this.#replay = undefined;
      app.destroy();
      this.#appEnded = false;
      this.#use(this.#target.pool.connect(this.#client));
      this.#app?.stream.writeLatin1(this.#head!.text);
      for (const chunk of chunks) this.#app?.stream.write(chunk);
      this.appDrained();
      return;
    }
    this.#refuse(error);
  }

  #refuse(error: PolarityError): void {
    if (this.#response === "over") return;
    if (error.fault === "app") this.#target.context.failed(error);
    this.#stream.reset(error);
    this.#conclude(false);
  }

  #conclude(reusable: boolean): void {
    if (this.#response === "over") return;
    this.#response = "over";
    this.#replay = undefined;
    // What the opener has not taken waits in its own stream, and what the app has not taken of the request has no reader.
    this.#owedToApp.settle();
    this.#owedToStream.settle();
    const app = this.#app;
    this.#app = undefined;
    if (app !== undefined) {
      if (reusable)
        this.#target.pool.give(app, this.#target.context.clock.now(), this.#responseHead!.keepAliveTimeoutMs);
      else app.destroy();
    }
    this.#target.finished(this);
  }

  /** It is the client that keeps us waiting, not the app. */
  #awaitsBody(): boolean {
    return this.#owedToStream.bytes === 0 && !this.#head!.expectsContinue;
  }

  get #who(): string {
    return `the app ${this.#target.url}`;
  }
}
