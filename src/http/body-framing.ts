/**
 * Where the body of a message ends: counts its bytes past, all of them verbatim but for trailers, which go on a line at a
 * time. One reader serves a connection, exchange after exchange. Lengths cost O(1) per slice; chunks as `ChunkedFraming` says.
 */
import type { ErrorCode } from "../base/errors.ts";
import { ChunkedFraming } from "./chunked-framing.ts";
import { HttpProblem } from "./http-problem.ts";

/** `close` and `tunnel` have no end of their own: the peer's FIN is it. */
export type BodyKind = "none" | "length" | "chunked" | "close" | "tunnel";

export class BodyReader {
  problem: HttpProblem | undefined;
  /** What of the last chunk that was taken may go on now: so many of its bytes, and behind them what was kept before. */
  #passed = 0;
  #tail = "";
  readonly #code: ErrorCode;
  readonly #payloadBytesByDefault: number;
  #payloadBytesMax: number;
  /** Made for the first chunked body: most messages have none. */
  #chunked: ChunkedFraming | undefined;
  #kind: BodyKind = "none";
  #remaining = 0;

  /** `code` is who broke the rules when the body does; a payload beyond `payloadBytesMax` is BODY_TOO_LARGE. */
  constructor(code: "BAD_REQUEST" | "TARGET_PROTOCOL", payloadBytesMax = Number.POSITIVE_INFINITY) {
    this.#code = code;
    this.#payloadBytesByDefault = payloadBytesMax;
    this.#payloadBytesMax = payloadBytesMax;
  }

  /** Begins a body. A length beyond the limit is a `problem` at once. */
  start(kind: BodyKind, length = 0): void {
    this.problem = undefined;
    this.#passed = 0;
    this.#tail = "";
    this.#payloadBytesMax = this.#payloadBytesByDefault;
    this.#kind = kind;
    this.#remaining = kind === "length" ? length : 0;
    if (kind === "chunked") {
      this.#chunked ??= new ChunkedFraming(this.#code === "TARGET_PROTOCOL");
      this.#chunked.reset();
    }
    if (this.#remaining > this.#payloadBytesMax) this.#refuseSize();
  }

  /** This body has a limit of its own: before anything of it is taken. */
  limit(payloadBytesMax: number): void {
    this.problem = undefined;
    this.#payloadBytesMax = payloadBytesMax;
    if (this.#remaining > payloadBytesMax) this.#refuseSize();
  }

  /** The last byte of the body has been taken. */
  get done(): boolean {
    if (this.#kind === "chunked") return this.#chunked!.done;
    return this.#remaining === 0 && this.#kind !== "close" && this.#kind !== "tunnel";
  }

  /** Whether the body is whole if the peer ends here. */
  get mayEnd(): boolean {
    return this.done || this.#kind === "close" || this.#kind === "tunnel";
  }

  /**
   * How many leading bytes of the chunk belong to this body; what follows is the next message's. Stops before the byte
   * that is a `problem`. Of what belongs to it `goingOn` tells what goes on; the rest is kept here until its line is whole.
   */
  take(chunk: Buffer): number {
    if (this.#kind === "chunked") return this.#takeChunked(chunk);
    // Without an end of its own, a body is whatever comes.
    const endless = this.#kind === "close" || this.#kind === "tunnel";
    const taken = endless ? chunk.length : Math.min(this.#remaining, chunk.length);
    if (!endless) this.#remaining -= taken;
    this.#passed = taken;
    return taken;
  }

  /** What goes on now that `take` took its part of this chunk; may be empty. */
  goingOn(chunk: Buffer): Buffer {
    const passed = this.#passed === chunk.length ? chunk : chunk.subarray(0, this.#passed);
    return this.#tail === "" ? passed : Buffer.concat([passed, Buffer.from(this.#tail, "latin1")]);
  }

  #takeChunked(chunk: Buffer): number {
    const framing = this.#chunked!;
    let at = 0;
    framing.open();
    while (at < chunk.length && !framing.done && this.problem === undefined) {
      at = framing.advance(chunk, at);
      if (framing.reason !== "") this.problem = new HttpProblem(this.#code, `the chunked body has ${framing.reason}`);
      else if (framing.announcedBytes > this.#payloadBytesMax) this.#refuseSize();
    }
    this.#passed = framing.passEnd;
    this.#tail = framing.tail;
    return at;
  }

  #refuseSize(): void {
    this.problem = new HttpProblem("BODY_TOO_LARGE", `the body is larger than ${this.#payloadBytesMax} bytes`);
  }
}

/** Bytes, of which there have to be some, as one chunk of a chunked body. */
export function asChunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`, "latin1"), bytes, CRLF]);
}

/** What ends a chunked body, with its trailer lines. */
export function lastChunk(trailers = ""): Buffer {
  return Buffer.from(`0\r\n${trailers}\r\n`, "latin1");
}

const CRLF = Buffer.from("\r\n", "latin1");

/** Takes the chunked coding off, for clients that do not know it. Trailers are kept if that is asked for. */
export class ChunkedDecoder {
  problem: HttpProblem | undefined;
  readonly #code: ErrorCode;
  readonly #framing: ChunkedFraming;

  constructor(code: "BAD_REQUEST" | "TARGET_PROTOCOL", keepsTrailers = false) {
    this.#code = code;
    this.#framing = new ChunkedFraming(code === "TARGET_PROTOCOL", keepsTrailers);
  }

  /** The trailer lines once `done`. */
  get trailers(): string {
    return this.#framing.trailers;
  }

  get done(): boolean {
    return this.#framing.done;
  }

  reset(): void {
    this.problem = undefined;
    this.#framing.reset();
  }

  /**
   * Appends the payload slices of `chunk` (views of it) to `payload`. Returns how many bytes of the chunk belong to the
   * body, as `BodyReader.take` does.
   */
  take(chunk: Buffer, payload: Buffer[]): number {
    const framing = this.#framing;
    let at = 0;
    framing.open();
    while (at < chunk.length && !framing.done && this.problem === undefined) {
      at = framing.advance(chunk, at);
      if (framing.dataEnd > framing.dataStart) payload.push(chunk.subarray(framing.dataStart, framing.dataEnd));
      if (framing.reason !== "") this.problem = new HttpProblem(this.#code, `the chunked body has ${framing.reason}`);
    }
    return at;
  }
}
