/** Answers as an HTTP/1.1 or HTTP/1.0 client gets them; also tells whether its connection ends with them. */
import type { PolarityError } from "../base/errors.ts";
import { asChunk, ChunkedDecoder, lastChunk } from "../http/body-framing.ts";
import { errorResponse } from "../http/error-response.ts";
import type { RequestHead } from "../http/request-head.ts";
import {
  endsByClose,
  needsChunks,
  needsDechunking,
  responseEnding,
  responseStart,
} from "../http/response-forwarding.ts";
import type { ResponseHead } from "../http/response-head.ts";
import { dateLine } from "../socket/date-line.ts";
import type { SocketStream } from "../socket/socket-stream.ts";
import type { ClientWriter } from "./client-writer.ts";
import type { RequestHost } from "./request-host.ts";

const EMPTY = Buffer.alloc(0);

export class Http1Writer implements ClientWriter {
  readonly #host: RequestHost;
  readonly #stream: SocketStream;
  #decoder: ChunkedDecoder | undefined;
  /** The app ends its answer by closing; the client gets it in chunks. */
  #chunks = false;
  /** The connection ends behind the present answer. */
  closes = false;
  requestId = "";

  constructor(host: RequestHost, stream: SocketStream) {
    this.#host = host;
    this.#stream = stream;
  }

  /** The answer is whole, and the next one belongs to another request. */
  finish(): void {
    if (this.#chunks) this.#write("", "", lastChunk());
    this.#chunks = false;
    this.closes = false;
    this.requestId = "";
    this.#decoder = undefined;
  }

  interim(request: RequestHead, head: ResponseHead): boolean {
    // RFC 9110 §15.2: HTTP/1.0 clients must not be sent any.
    return request.versionMinor === 0 || this.head(request, head, EMPTY);
  }

  response(request: RequestHead, head: ResponseHead, body: Buffer, unasked: boolean): boolean {
    const clientMinor = request.versionMinor;
    // A client that still waits for 100 may never send its body: what comes next on this connection would be a guess.
    if (!request.keepAlive || this.#host.draining || unasked || endsByClose(head, clientMinor)) this.closes = true;
    this.#chunks = needsChunks(head, clientMinor);
    if (!needsDechunking(head, clientMinor)) {
      return this.head(request, head, this.#chunks && body.length > 0 ? asChunk(body) : body);
    }
    this.#decoder = new ChunkedDecoder("TARGET_PROTOCOL");
    const room = this.head(request, head, EMPTY);
    return this.responseBody(body) && room;
  }

  responseBody(chunk: Buffer): boolean {
    if (this.#chunks) return chunk.length === 0 || this.#write("", "", asChunk(chunk));
    if (this.#decoder === undefined) {
      this.#host.statistics.bytesOut += chunk.length;
      return this.#stream.write(chunk);
    }
    const payload: Buffer[] = [];
    this.#decoder.take(chunk, payload);
    let room = true;
    for (const slice of payload) room = this.#write("", "", slice);
    return room;
  }

  endTunnel(): void {
    this.#stream.end();
  }

  refuse(request: RequestHead | undefined, error: PolarityError, broken: boolean, method: string): void {
    if (broken || request === undefined || !request.keepAlive || this.#host.draining) this.closes = true;
    const text = errorResponse({
      code: error.code,
      message: error.message,
      method: request?.method ?? method,
      accept: request?.header("accept") ?? "",
      contentType: request?.header("content-type") ?? "",
      closeConnection: this.closes,
      versionMinor: request?.versionMinor ?? 1,
      requestId: this.requestId,
      retryAfterSeconds: error.retryAfterSeconds,
      extraLines: dateLine() + this.#host.responseLines,
    });
    this.#write(text, "", EMPTY);
  }

  /** A head as it is, and what follows it. */
  head(request: RequestHead, head: ResponseHead, body: Buffer): boolean {
    const { responseLines } = this.#host;
    const options = {
      via: this.#host.via,
      clientVersionMinor: request.versionMinor,
      closeConnection: this.closes,
      requestId: head.informational ? "" : this.requestId,
      extraLines: head.status < 200 ? "" : head.hasDate ? responseLines : dateLine() + responseLines,
    };
    return this.#write(responseStart(head, options), responseEnding(head, options), body);
  }

  #write(start: string, ending: string, chunk: Buffer): boolean {
    this.#host.statistics.bytesOut += start.length + ending.length + chunk.length;
    return this.#stream.writeMessage(start, ending, chunk);
  }
}
