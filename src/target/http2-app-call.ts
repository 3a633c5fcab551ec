/** One request on an HTTP/2 connection to an app, from its fields to the end of its answer, clean or not. */
import { heldCopy } from "../base/held-copy.ts";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { PolarityError } from "../base/errors.ts";
import { guarded, internalError } from "../base/internal-error.ts";
import { trailerLines } from "../http/http2-fields.ts";
import { HttpProblem } from "../http/http-problem.ts";
import type { AppSession } from "./http2-sessions.ts";

/** What the exchange hears of its request. After `callEnded` or `callBroken` nothing more. */
export interface AppCallUser {
  callHead(fields: readonly string[], ends: boolean): void;
  callData(chunk: Buffer): void;
  /** As lines, each with its end. */
  callTrailers(lines: string): void;
  callEnded(): void;
  /** After `write` returned false. */
  callDrained(): void;
  callBroken(call: AppCall, code: number): void;
  /** This node failed while it passed on what the app said. */
  callFailed(error: PolarityError): void;
}

// RFC 9113 §7.
export const REFUSED_STREAM = 0x7;
export const CANCEL = 0x8;
const INTERNAL_ERROR = 0x2;
const NO_ERROR = 0x0;
const END_STREAM = 0x1;

const CALL = Symbol("polarity.call");
type CallStream = ClientHttp2Stream & { [CALL]: AppCall };

export class AppCall {
  readonly session: AppSession;
  /** Its connection had served before. */
  readonly reused: boolean;
  readonly #user: AppCallUser;
  readonly #stream: ClientHttp2Stream | undefined;
  readonly #waitsForTrailers: boolean;
  #trailers: Record<string, string[]> = {};
  #sawEnd = false;
  #over = false;

  constructor(
    user: AppCallUser,
    session: AppSession,
    fields: readonly string[],
    bodyless: boolean,
    waitsForTrailers: boolean,
  ) {
    this.#user = user;
    this.session = session;
    this.reused = session.reused;
    this.#waitsForTrailers = waitsForTrailers;
    try {
      this.#stream = session.request(fields, bodyless, waitsForTrailers);
    } catch {
      // The connection is going: it has not been asked.
      setImmediate(() => {
        guarded(
          "http2",
          () => this.#broken(REFUSED_STREAM),
          (error) => this.#user.callFailed(error),
        );
      });
      return;
    }
    const stream = this.#stream;
    (stream as CallStream)[CALL] = this;
    // What ends the reading side of a stream is a clean end only while the stream is open: a reset ends it too.
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null && !stream.closed && !stream.destroyed) this.#sawEnd = true;
      return push(chunk, encoding);
    };
    stream.on("headers", onInterim);
    stream.on("response", onResponse);
    stream.on("trailers", onTrailers);
    stream.on("data", onData);
    stream.on("end", onEnd);
    stream.on("drain", onDrain);
    stream.on("error", onError);
    stream.on("close", onClose);
    if (waitsForTrailers) stream.on("wantTrailers", onWantTrailers);
  }

  /** False: the app takes no more for now. The chunk stays the caller's. */
  write(chunk: Buffer): boolean {
    if (chunk.length === 0 || this.#over || this.#stream === undefined) return true;
    return this.#stream.writableEnded || this.#stream.write(heldCopy(chunk));
  }

  end(trailers: Record<string, string[]>): void {
    this.#trailers = trailers;
    if (this.#stream?.writableEnded === false) this.#stream.end();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** The rest of it has no reader. */
  close(code: number): void {
    if (this.#over) return;
    this.#over = true;
    const stream = this.#stream;
    if (stream === undefined) return;
    // Whatever is left is dropped; a reset must not be preceded by a clean end.
    if (!stream.writableFinished) stream._final = finishSilently;
    const isWhole = this.#sawEnd && stream.writableFinished;
    if (!isWhole) this.session.tookBack();
    stream.close(isWhole ? NO_ERROR : code);
    stream.resume();
  }

  head(fields: readonly string[], ends: boolean): void {
    if (this.#over) return;
    if (ends) this.#sawEnd = true;
    this.#user.callHead(fields, ends);
  }

  data(chunk: Buffer): void {
    if (!this.#over) this.#user.callData(chunk);
  }

  trailers(fields: readonly string[]): void {
    this.#sawEnd = true;
    if (this.#over) return;
    const lines = trailerLines(fields);
    // Trailers that may not be any are left out: the answer itself is whole.
    if (!(lines instanceof HttpProblem)) this.#user.callTrailers(lines);
  }

  ended(): void {
    if (this.#over || !this.#sawEnd) return;
    this.#user.callEnded();
  }

  drained(): void {
    if (!this.#over) this.#user.callDrained();
  }

  closed(code: number): void {
    this.#broken(code === NO_ERROR ? INTERNAL_ERROR : code);
  }

  /** Something that nobody expected: only this request ends. */
  broke(thrown: unknown): void {
    const error = internalError("http2", thrown);
    if (this.#over) return;
    guarded(
      "http2",
      () => this.#user.callFailed(error),
      () => this.close(INTERNAL_ERROR),
    );
  }

  sendTrailers(): void {
    try {
      if (this.#waitsForTrailers) this.#stream?.sendTrailers(this.#trailers);
    } catch {
      this.#stream?.close(INTERNAL_ERROR);
    }
  }

  #broken(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#user.callBroken(this, code);
  }
}

/** Of the stream itself, `close` says all. */
function onError(this: ClientHttp2Stream, error: Error & { readonly code?: string }): void {
  if (error.code === "ERR_HTTP2_ERROR") (this as CallStream)[CALL].session.failed(error);
}

function finishSilently(done: () => void): void {
  done();
}

function onInterim(this: ClientHttp2Stream, _headers: IncomingHttpHeaders, _flags: number, fields: string[]): void {
  try {
    (this as CallStream)[CALL].head(fields, false);
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onResponse(this: ClientHttp2Stream, _headers: IncomingHttpHeaders, flags: number, fields: string[]): void {
  try {
    (this as CallStream)[CALL].head(fields, (flags & END_STREAM) !== 0);
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onTrailers(this: ClientHttp2Stream, _headers: IncomingHttpHeaders, _flags: number, fields: string[]): void {
  try {
    (this as CallStream)[CALL].trailers(fields);
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onData(this: ClientHttp2Stream, chunk: Buffer): void {
  try {
    (this as CallStream)[CALL].data(chunk);
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onEnd(this: ClientHttp2Stream): void {
  try {
    (this as CallStream)[CALL].ended();
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onDrain(this: ClientHttp2Stream): void {
  try {
    (this as CallStream)[CALL].drained();
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onClose(this: ClientHttp2Stream): void {
  try {
    (this as CallStream)[CALL].closed(this.rstCode);
  } catch (thrown) {
    (this as CallStream)[CALL].broke(thrown);
  }
}

function onWantTrailers(this: ClientHttp2Stream): void {
  (this as CallStream)[CALL].sendTrailers();
}
