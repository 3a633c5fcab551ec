/**
 * Answers as an HTTP/2 client gets them: fields, the body without its chunks, trailers.
 *
 * The stream keeps what it cannot send yet, so lent chunks are copied once. An answer that breaks leaves by RST_STREAM and
 * never by a clean end.
 */
import type { ServerHttp2Stream } from "node:http2";
import { heldCopy } from "../base/held-copy.ts";
import { PolarityError } from "../base/errors.ts";
import { ChunkedDecoder } from "../http/body-framing.ts";
import { errorContent } from "../http/error-response.ts";
import { answerFields, responseFields, trailerFields } from "../http/http2-fields.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { ResponseHead } from "../http/response-head.ts";
import { dateLine } from "../socket/date-line.ts";
import type { ClientWriter } from "./client-writer.ts";
import type { AnswerReader } from "./reader-watch.ts";
import type { RequestHost } from "./request-host.ts";

// RFC 9113 §7.
const NO_ERROR = 0x0;
const INTERNAL_ERROR = 0x2;
/** Of interim heads of one answer that wait for a client that does not read: no window of HTTP/2 holds heads back. */
const INTERIM_BYTES_MAX = 64 * 1024;
/** What each costs besides its text. */
const INTERIM_BYTES_EACH = 256;

export class Http2Writer implements ClientWriter, AnswerReader {
  readonly #stream: ServerHttp2Stream;
  readonly #host: RequestHost;
  #decoder: ChunkedDecoder | undefined;
  #stops = false;
  #over = false;
  #interimBytes = 0;
  /** The client has not taken what was written; `drain` follows. */
  full = false;
  bytesOut = 0;
  requestId = "";

  constructor(stream: ServerHttp2Stream, host: RequestHost) {
    this.#stream = stream;
    this.#host = host;
  }

  get waiting(): boolean {
    return this.#stream.writableLength > 0;
  }

  get takenMark(): number {
    return this.bytesOut - this.#stream.writableLength;
  }

  interim(_request: RequestHead, head: ResponseHead): boolean {
    if (!this.#interimMayLeave(head)) return !this.full;
    try {
      this.#stream.additionalHeaders(asObject(this.#fields(head)));
    } catch {
      // Too late, or nothing that HTTP/2 knows: an interim head may be left out.
    }
    return !this.full;
  }

  response(request: RequestHead, head: ResponseHead, body: Buffer): boolean {
    if (request.upgrade !== "" && head.status < 300) {
      // RFC 8441: any 2xx would say that the websocket is there.
      const what = `the app answered a websocket request with status ${head.status}`;
      this.refuse(request, new PolarityError("TARGET_PROTOCOL", what));
      this.end();
      return true;
    }
    const { framing } = head;
    const ends = framing === "none" || (framing === "length" && head.bodyLength === 0);
    if (framing === "chunked") this.#decoder = new ChunkedDecoder("TARGET_PROTOCOL", true);
    // Where no length tells whether all is there, the last frame must not leave before all is.
    const room = this.#respond(this.#fields(head), ends, framing === "chunked" || framing === "close");
    return !room || ends || this.responseBody(body);
  }

  /** After a 101: bytes follow, both ways. */
  tunnel(head: ResponseHead, rest: Buffer): boolean {
    return !this.#respond(this.#fields(head), false, true) || this.responseBody(rest);
  }

  responseBody(chunk: Buffer): boolean {
    if (this.#decoder === undefined) {
      this.#write(chunk);
    } else {
      const payload: Buffer[] = [];
      this.#decoder.take(chunk, payload);
      for (const slice of payload) this.#write(slice);
    }
    return !this.full;
  }

  endTunnel(): void {
    this.end();
  }

  refuse(request: RequestHead | undefined, error: PolarityError): void {
    const answer = errorContent({
      code: error.code,
      message: error.message,
      accept: request?.header("accept") ?? "",
      contentType: request?.header("content-type") ?? "",
      requestId: this.requestId,
      retryAfterSeconds: error.retryAfterSeconds,
    });
    const body = Buffer.from(request?.method === "HEAD" ? "" : answer.body, "latin1");
    if (this.#respond(answerFields(answer, dateLine() + this.#host.responseLines), body.length === 0, false))
      this.#write(body);
  }

  /** The answer is whole. */
  end(): void {
    if (!this.#stream.writableEnded) this.#stream.end();
  }

  /** The rest of the request has no reader: the client is told to stop, behind the answer (RFC 9113 §8.1). */
  stopRequest(): void {
    this.#stops = true;
    this.#stream.once("finish", () => setImmediate(() => this.stopIfSent()));
  }

  /** A reset must not overtake the end of the answer, which waits for its client's credit. */
  stopIfSent(): void {
    if (this.#stops && !this.#stream.closed && this.#stream.state.localClose === 1) this.#stream.close(NO_ERROR);
  }

  /** Breaks the stream; its `close` follows. */
  cut(code: number = INTERNAL_ERROR): void {
    this.#over = true;
    // Closing ends the writing side first, which could leave as a clean end before the reset does.
    this.#stream._final = finishSilently;
    this.#stream.close(code);
  }

  /** False where so many wait that one more is left out. */
  #interimMayLeave({ text }: ResponseHead): boolean {
    if ((this.#stream.session?.state.outboundQueueSize ?? 0) === 0) this.#interimBytes = 0;
    if (this.#interimBytes > INTERIM_BYTES_MAX) return false;
    this.#interimBytes += text.length + INTERIM_BYTES_EACH;
    return true;
  }

  #fields(head: ResponseHead): string[] {
    const { via, responseLines } = this.#host;
    return responseFields(head, via, this.requestId, head.hasDate ? responseLines : dateLine() + responseLines);
  }

  /** False: the stream takes no head any more. */
  #respond(fields: string[], endStream: boolean, waitForTrailers: boolean): boolean {
    if (this.#over) return false;
    try {
      if (waitForTrailers) this.#stream.on("wantTrailers", () => this.#sendTrailers());
      const options = { endStream, waitForTrailers, sendDate: false };
      this.#stream.respond(sendable(fields), options);
      return true;
    } catch {
      // The exchange, in whose call this happens, hears of it when the stream has closed.
      this.cut();
      return false;
    }
  }

  #write(chunk: Buffer): void {
    if (chunk.length === 0 || this.#over || this.#stream.writableEnded || this.#stream.destroyed) return;
    this.bytesOut += chunk.length;
    if (!this.#stream.write(heldCopy(chunk))) this.full = true;
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(trailerFields(this.#decoder?.trailers ?? ""));
    } catch {
      this.cut();
      return;
    }
    // They leave in the next turn.
    if (this.#stops) setImmediate(() => setImmediate(() => this.stopIfSent()));
  }
}

/**
 * node:http2 refuses statuses above 599, though HTTP passes them on as they are. It judges their number and sends their text,
 * so that it is told that of another 5xx, which is what they count as (RFC 9110 §15).
 */
function sendable(fields: string[]): string[] {
  const status = fields[1] as string;
  if (status < "600") return fields;
  const said: unknown = { valueOf: () => 599, toString: () => status };
  return fields.with(1, said as string);
}

function asObject(fields: readonly string[]): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    const before = object[name];
    object[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return object;
}

function finishSilently(done: () => void): void {
  done();
}
