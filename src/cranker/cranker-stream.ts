/**
 * One HTTP/1.1 exchange as a byte stream, the way it crosses a link, with a cranker connector at its far end.
 *
 * Both directions are taken apart and put together here, so that sessions need not know what a connector speaks. Nobody
 * hears of a refusal, or of the `100 Continue` that no connector can send, within the call that caused it.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import { guarded } from "../base/internal-error.ts";
import { HttpProblem } from "../http/http-problem.ts";
import type { RequestHead } from "../http/request-head.ts";
import { http } from "../socket/node-http.ts";
import type { CarrierUser, OpenCarrier } from "./carrier.ts";
import { RequestReader, type RequestEvents } from "./request-reader.ts";
import { requestText } from "./request-text.ts";
import { ResponseWriter, type ResponseEvents } from "./response-writer.ts";

export interface StreamHost {
  /** For errors: who is at the far end. */
  readonly who: string;
  readonly responseTimeoutMs: number;
  over(stream: CrankerStream): void;
}

const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

export class CrankerStream implements ByteStream, CarrierUser, RequestEvents, ResponseEvents {
  denseIndex = -1;
  sink: ByteSink;
  readonly #carrier: OpenCarrier;
  readonly #host: StreamHost;
  readonly #reader = new RequestReader(this);
  readonly #writer = new ResponseWriter(this, (status) => http.STATUS_CODES[status] ?? "");
  #method = "";
  #over = false;
  /** The connector does not take more of the request. */
  #full = false;
  /** Bytes that the sink was given and has not consumed. */
  #outstanding = 0;
  /** Of the answer's body: what came, and what the connector was told is consumed. */
  #payload = 0;
  #acknowledged = 0;
  /** Since when the connector has owed us something; negative: since the next sweep. */
  #owesSince = -1;

  constructor(carrier: OpenCarrier, sink: ByteSink, host: StreamHost) {
    this.#carrier = carrier;
    this.sink = sink;
    this.#host = host;
    carrier.use(this);
  }

  /** The head as the stream's opener has it. */
  begin(text: string): void {
    // A part of a head is for the collector, like whatever is not there in one piece.
    if (text.endsWith("\r\n\r\n")) this.#reader.takeHead(text);
    else this.#reader.take(Buffer.from(text, "latin1"));
  }

  /** Judges whether the connector takes too long to begin its answer. */
  sweep(now: number): void {
    if (this.#over || this.#writer.begun) return;
    // Until the request is whole it is the client that keeps us waiting, unless the connector takes nothing. For its head
    // nobody waits for long: it holds up a socket of 1.0.
    const waitsForClient = this.#method !== "" && !this.#reader.complete && !this.#full;
    if (this.#owesSince < 0 || waitsForClient) {
      this.#owesSince = now;
      return;
    }
    const { responseTimeoutMs, who } = this.#host;
    if (now - this.#owesSince < responseTimeoutMs) return;
    this.abort(
      new PolarityError("TARGET_TIMEOUT", `the app behind ${who} did not answer within ${responseTimeoutMs} ms`),
    );
  }

  /** Ends it from this side: connector and client are told. */
  abort(error: PolarityError): void {
    if (this.#over) return;
    this.#leave();
    this.#carrier.abort(error);
    this.sink.reset(error);
  }

  // ── ByteStream: what the client's side does ──

  write(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#reader.take(chunk);
    return !this.#full;
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    return this.write(Buffer.from(text + second + third, "latin1"));
  }

  end(): void {
    if (!this.#over) this.#reader.end();
  }

  reset(error: PolarityError): void {
    if (this.#over) return;
    this.#leave();
    this.#carrier.abort(error);
  }

  consumed(bytes: number): void {
    this.#outstanding -= bytes;
    if (this.#over) return;
    // Our own framing is among the bytes; what is outstanding may all be body, so no more is acknowledged than is sure.
    const sure = this.#payload - this.#outstanding;
    if (sure <= this.#acknowledged) return;
    const news = sure - this.#acknowledged;
    this.#acknowledged = sure;
    this.#carrier.consumed(news);
  }

  // ── RequestEvents ──

  head(head: RequestHead, hasBody: boolean): void {
    const text = requestText(head);
    if (text instanceof HttpProblem) return this.refused(text);
    const { headBytesMax } = this.#carrier;
    if (text.length > headBytesMax || Buffer.byteLength(text) > headBytesMax) {
      return this.refused(
        new HttpProblem("HEAD_TOO_LARGE", `the head has more than the ${headBytesMax} bytes that fit`),
      );
    }
    this.#method = head.method;
    this.#carrier.head(text, hasBody);
    if (hasBody && head.expectsContinue) queueMicrotask(() => guarded("cranker", () => this.#continue()));
  }

  body(chunk: Buffer): void {
    if (this.#over) return;
    this.#owesSince = -1;
    if (!this.#carrier.body(chunk)) this.#full = true;
  }

  bodyEnd(): void {
    if (this.#over) return;
    this.#owesSince = -1;
    this.#carrier.bodyEnd();
  }

  refused(problem: HttpProblem): void {
    queueMicrotask(() =>
      guarded("cranker", () => this.abort(new PolarityError(problem.code, `${problem.reason} (${this.#host.who})`))),
    );
  }

  // ── CarrierUser: what the connector does ──

  answerHead(text: string): void {
    this.#writer.head(text, this.#method);
  }

  answerBody(payload: Buffer): void {
    this.#payload += payload.length;
    this.#writer.body(payload);
  }

  answerEnd(): void {
    this.#writer.end();
  }

  failed(error: PolarityError): void {
    if (this.#over) return;
    this.#leave();
    this.sink.reset(error);
  }

  drained(): void {
    if (this.#over || !this.#full) return;
    this.#full = false;
    this.#owesSince = -1;
    this.sink.drain();
  }

  // ── ResponseEvents ──

  bytes(chunk: Buffer): void {
    if (this.#over) return;
    this.#outstanding += chunk.length;
    this.sink.data(chunk);
  }

  complete(): void {
    if (this.#over) return;
    this.#leave();
    if (this.#reader.complete) this.#carrier.finished();
    else this.#carrier.abort(new PolarityError("CLIENT_GONE", "the response is complete"));
    this.sink.end();
  }

  broken(problem: HttpProblem): void {
    this.abort(new PolarityError(problem.code, `the answer of ${this.#host.who} is refused: ${problem.reason}`));
  }

  // ── inside ──

  #continue(): void {
    if (!this.#writer.begun) this.bytes(CONTINUE);
  }

  #leave(): void {
    this.#over = true;
    this.#writer.stop();
    this.#host.over(this);
  }
}
