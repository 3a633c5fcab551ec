/**
 * One request on a client's HTTP/2 connection: the stream that brings it, and its turn.
 *
 * Across the link it is HTTP/1.1 like any other, so its body gets chunks where it has no length, with its trailers behind
 * them. Bytes are taken from the client only as fast as the service takes them, and from the service as fast as the
 * client does.
 */
import type { ServerHttp2Stream } from "node:http2";
import { PolarityError } from "../base/errors.ts";
import { asChunk, lastChunk } from "../http/body-framing.ts";
import { guarded, internalError } from "../base/internal-error.ts";
import { trailerLines } from "../http/http2-fields.ts";
import { HttpProblem } from "../http/http-problem.ts";
import type { ForwardingContext } from "../http/request-forwarding.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { HttpExchange } from "../session/http-exchange.ts";
import { Http2Writer } from "./http2-writer.ts";
import { ReaderWatch } from "./reader-watch.ts";
import type { RequestHost } from "./request-host.ts";
import { RequestTurn, type TurnHost } from "./request-turn.ts";
import type { ClientAddress } from "./server-socket.ts";

/** The connection, as one request sees it. */
export interface Http2RequestHost {
  readonly host: RequestHost;
  readonly client: ClientAddress;
  readonly forwarding: ForwardingContext;
  /** Bytes of its body arrived. */
  moved(bytes: number): void;
  /** The client took its request back. */
  clientReset(): void;
  /** Nothing of it is left. `answered`: it got a whole answer. */
  closed(request: Http2Request, answered: boolean): void;
}

/** RFC 9113 §7. */
const CANCEL = 0x8;
/** For a client that holds more than its share. */
const ENHANCE_YOUR_CALM = 0xb;

const REQUEST = Symbol("polarity.request");
type RequestStream = ServerHttp2Stream & { [REQUEST]: Http2Request };

let requestsCreated = 0;

export class Http2Request implements TurnHost {
  readonly id = ++requestsCreated;
  /** The head comes whole. */
  readonly headBeganAt = 0;
  readonly #connection: Http2RequestHost;
  readonly #stream: ServerHttp2Stream;
  readonly #writer: Http2Writer;
  readonly #turn: RequestTurn;
  readonly #reader: ReaderWatch;
  #bodyBytesMax: number;
  #bodyLength = 0;
  /** The request's body needs chunks on its way. */
  #chunks = false;
  #requestEnded: boolean;
  /** We ended it before all of it was here: the rest may be on its way. */
  stopped = false;
  #trailers = "";
  #tunnel = false;
  #held = false;
  /** All of the answer is with the stream. */
  #answered = false;
  #over = false;
  #reading = false;
  bytesIn = 0;
  #bytesCounted = 0;
  #bytesSeen = 0;
  #deadline = Number.POSITIVE_INFINITY;

  /** `ends`: no body follows. */
  constructor(connection: Http2RequestHost, stream: ServerHttp2Stream, ends: boolean) {
    this.#connection = connection;
    this.#stream = stream;
    this.#requestEnded = ends;
    this.#writer = new Http2Writer(stream, connection.host);
    this.#reader = new ReaderWatch(this.#writer, connection.client.who);
    this.#bodyBytesMax = connection.host.limits.bodyBytesMax;
    this.#turn = new RequestTurn(this, this.#writer, connection.host, connection.client.text, connection.forwarding);
    (stream as RequestStream)[REQUEST] = this;
    stream.on("error", ignore);
    stream.on("aborted", onAborted);
    stream.on("close", onClose);
    stream.on("drain", onDrain);
    // A stream whose end nobody read would be reset behind its answer, or even before the answer's end.
    if (ends) stream.resume();
  }

  get bytesOut(): number {
    return this.#writer.bytesOut;
  }

  get exchange(): HttpExchange | undefined {
    return this.#turn.exchange;
  }

  start(head: RequestHead | HttpProblem): void {
    if (head instanceof HttpProblem) {
      this.#turn.refuseHead(head.toError());
      return;
    }
    this.#chunks = head.bodyKind === "chunked";
    // Who asks to change protocols says all that there is in its head.
    if (head.upgrade !== "") this.#requestEnded = true;
    this.#bodyLength = head.bodyLength;
    this.#turn.start(head, this.limitBody(this.#bodyBytesMax));
  }

  /** Bytes of its body that arrived since the last call, those too that the service keeps waiting. */
  takeUncounted(): number {
    const arrived = Math.max(this.bytesIn + this.#stream.readableLength, this.#bytesCounted);
    const bytes = arrived - this.#bytesCounted;
    this.#bytesCounted = arrived;
    return bytes;
  }

  // ── Holding: what waits of its body ──

  get client(): string {
    return this.#connection.client.text;
  }

  get heldBytes(): number {
    return this.#held ? this.#stream.readableLength : 0;
  }

  shed(error: PolarityError): void {
    if (!this.#over) this.#bodyBroken(error);
  }

  abort(error: PolarityError): void {
    this.exchange?.abort(error);
    this.#cut();
  }

  sweep(now: number): void {
    const { idleTimeoutMs, sendTimeoutMs } = this.#connection.host.limits;
    this.#writer.stopIfSent();
    // Bytes of a tunnel may wait: what they mean, and for how long, is between its ends.
    const stalled = this.#tunnel ? undefined : this.#reader.problem(now, sendTimeoutMs);
    if (stalled !== undefined) {
      if (this.#answered) this.#cut(CANCEL);
      else this.#bodyBroken(stalled);
    }
    if (now < this.#deadline || !this.bodyArriving) return;
    this.#deadline = now + idleTimeoutMs;
    const moved = this.bytesIn !== this.#bytesSeen;
    this.#bytesSeen = this.bytesIn;
    if (moved || this.#turn.inTalk || this.#held) return;
    this.#bodyBroken(new PolarityError("SLOW_BODY", `no byte of the request body arrived for ${idleTimeoutMs} ms`));
  }

  // ── TurnHost ──

  get bodyComplete(): boolean {
    return this.#requestEnded;
  }

  get bodyArriving(): boolean {
    return !this.#requestEnded && this.exchange !== undefined;
  }

  limitBody(bytesMax: number): PolarityError | undefined {
    this.#bodyBytesMax = bytesMax;
    return this.#bodyLength > bytesMax ? bodyTooLarge(bytesMax) : undefined;
  }

  waits(): void {}

  begins(exchange: HttpExchange): void {
    exchange.start();
    if (this.exchange !== exchange) return;
    if (this.#requestEnded) {
      exchange.requestEnd();
      return;
    }
    this.#bytesSeen = this.bytesIn;
    this.#deadline = this.#turn.startedAt + this.#connection.host.limits.idleTimeoutMs;
    this.#read();
  }

  tunnelBegins(_request: RequestHead, head: ResponseHead, rest: Buffer): boolean {
    this.#tunnel = true;
    this.#read();
    return this.#writer.tunnel(head, rest);
  }

  tunnelEnded(): void {
    this.#answered = true;
  }

  answered(): void {
    this.#answered = true;
    this.#writer.end();
    if (this.#requestEnded) return;
    this.stopped = true;
    this.#writer.stopRequest();
    // What was held back has no reader any more, and unread it would keep the stream for ever.
    this.requestDrained();
  }

  cut({ code }: PolarityError): void {
    this.#cut(code === "OVER_SHARE" ? ENHANCE_YOUR_CALM : undefined);
  }

  requestDrained(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#stream.resume();
  }

  // ── the stream ──

  /** Something that nobody expected: only this request ends. */
  broke(thrown: unknown): void {
    const error = internalError("http2", thrown);
    guarded("http2", () => this.abort(error));
  }

  aborted(): void {
    if (this.#over) return;
    this.#over = true;
    this.exchange?.abort(new PolarityError("CLIENT_GONE", `${this.#connection.client.who} reset its request`));
    this.#turn.forget();
    // What it had sent has no reader; held back it would keep the stream.
    this.#stream.resume();
    this.#connection.clientReset();
  }

  streamClosed(): void {
    const answered = this.#answered && !this.#over;
    this.#over = true;
    this.exchange?.abort(new PolarityError("CLIENT_GONE", `${this.#connection.client.who} is gone`));
    this.#turn.forget();
    this.#connection.closed(this, answered);
  }

  drained(): void {
    this.#writer.full = false;
    this.exchange?.responseDrained();
  }

  received(chunk: Buffer): void {
    this.bytesIn += chunk.length;
    this.#connection.moved(chunk.length);
    const { exchange } = this;
    if (exchange === undefined || this.#over) return;
    if (!this.#tunnel && this.bytesIn > this.#bodyBytesMax) {
      this.#bodyBroken(bodyTooLarge(this.#bodyBytesMax));
      return;
    }
    if (exchange.requestBody(this.#chunks ? asChunk(chunk) : chunk)) return;
    this.#held = true;
    this.#stream.pause();
  }

  receivedTrailers(fields: readonly string[]): void {
    // Behind a length there is no room for them in HTTP/1.1, and they may be dropped (RFC 9110 §6.5.1).
    if (!this.#chunks || this.#over) return;
    const lines = trailerLines(fields);
    if (lines instanceof HttpProblem) this.#bodyBroken(lines.toError());
    else this.#trailers = lines;
  }

  ended(): void {
    if (this.#over) return;
    const { exchange } = this;
    if (this.#tunnel) {
      this.#turn.endTunnel();
      return;
    }
    if (this.#requestEnded || exchange === undefined) return;
    this.#requestEnded = true;
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#chunks) exchange.requestBody(lastChunk(this.#trailers));
    exchange.requestEnd();
  }

  // ── inside ──

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    const stream = this.#stream;
    stream.on("trailers", onTrailers);
    stream.on("end", onEnd);
    stream.on("data", onData);
  }

  #bodyBroken(error: PolarityError): void {
    // What is behind an answer that came early breaks nothing.
    if (this.exchange === undefined) return;
    this.exchange.abort(error);
    this.#turn.failed(error);
  }

  /** Breaks the stream; its `close` follows. */
  #cut(code?: number): void {
    this.#over = true;
    this.stopped = !this.#requestEnded;
    this.#writer.cut(code);
  }
}

function bodyTooLarge(bytesMax: number): PolarityError {
  return new PolarityError("BODY_TOO_LARGE", `the body is larger than ${bytesMax} bytes`);
}

function ignore(): void {}

function onAborted(this: ServerHttp2Stream): void {
  try {
    (this as RequestStream)[REQUEST].aborted();
  } catch (thrown) {
    (this as RequestStream)[REQUEST].broke(thrown);
  }
}

function onClose(this: ServerHttp2Stream): void {
  try {
    (this as RequestStream)[REQUEST].streamClosed();
  } catch (thrown) {
    (this as RequestStream)[REQUEST].broke(thrown);
  }
}

function onDrain(this: ServerHttp2Stream): void {
  try {
    (this as RequestStream)[REQUEST].drained();
  } catch (thrown) {
    (this as RequestStream)[REQUEST].broke(thrown);
  }
}

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  try {
    (this as RequestStream)[REQUEST].received(chunk);
  } catch (thrown) {
    (this as RequestStream)[REQUEST].broke(thrown);
  }
}

function onEnd(this: ServerHttp2Stream): void {
  try {
    (this as RequestStream)[REQUEST].ended();
  } catch (thrown) {
    (this as RequestStream)[REQUEST].broke(thrown);
  }
}

function onTrailers(this: ServerHttp2Stream, _trailers: object, _flags: number, fields: string[]): void {
  try {
    (this as RequestStream)[REQUEST].receivedTrailers(fields);
  } catch (thrown) {
    (this as RequestStream)[REQUEST].broke(thrown);
  }
}
