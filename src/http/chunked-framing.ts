/**
 * The chunked transfer coding (RFC 9112 §7.1) as a state machine over bytes, split anywhere.
 *
 * Chunk data is skipped in one step per slice; only sizes, extensions and trailers are looked at byte by byte. Everything
 * that parsers are known to read differently is refused: bare line ends, signs, prefixes, blanks beside the size, control
 * bytes in extensions, sizes beyond exact numbers, trailers that would change framing, routing or identity.
 */
import { FieldLine, isTokenByte, plainName } from "./field-line.ts";
import { HeadLines } from "./head-lines.ts";
import { describeByte } from "./http-problem.ts";

/** Extensions of one chunk: nobody uses them, but each byte of them is scanned for no payload. */
const EXTENSION_BYTES_MAX = 256;
const TRAILER_BYTES_MAX = 8 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

// The states: where in the coding the next byte stands.
const SIZE_FIRST = 0;
const SIZE = 1;
const EXTENSION_NAME_FIRST = 2;
const EXTENSION_NAME = 3;
const EXTENSION_VALUE_FIRST = 4;
const EXTENSION_TOKEN = 5;
const EXTENSION_QUOTED = 6;
const EXTENSION_ESCAPED = 7;
const EXTENSION_QUOTE_END = 8;
const SIZE_LF = 9;
const DATA = 10;
const DATA_CR = 11;
const DATA_LF = 12;
const TRAILER = 13;
const DONE = 14;

const lines = new HeadLines();

export class ChunkedFraming {
  /** The payload that the last `advance` went over: chunk[dataStart, dataEnd). */
  dataStart = 0;
  dataEnd = 0;
  /** Payload that the chunks so far announce: known before it arrives. */
  announcedBytes = 0;
  /** The trailer lines, each with its CRLF, once `done`; empty unless they are kept. */
  trailers = "";
  /** Why the coding is refused; empty while it is fine. */
  reason = "";
  #state: number = SIZE_FIRST;
  #size = 0;
  #extensionBytes = 0;
  #trailer = "";
  #trailerBytes = 0;
  readonly #keepsTrailers: boolean;
  readonly #line = new FieldLine();

  constructor(keepsTrailers = false) {
    this.#keepsTrailers = keepsTrailers;
  }

  get done(): boolean {
    return this.#state === DONE;
  }

  reset(): void {
    this.announcedBytes = 0;
    this.reason = "";
    this.trailers = "";
    this.#state = SIZE_FIRST;
    this.#trailer = "";
    this.#trailerBytes = 0;
  }

  /**
   * Goes on from chunk[at]: over framing, and at most one run of payload. Returns where it stopped; call again until the
   * chunk is used up, `done`, or there is a `reason`.
   */
  advance(chunk: Buffer, from: number): number {
    const end = chunk.length;
    let at = from;
    this.dataStart = this.dataEnd = at;
    while (at < end) {
      if (this.#state === DATA) {
        const taken = Math.min(this.#size, end - at);
        this.#size -= taken;
        if (this.#size === 0) this.#state = DATA_CR;
        this.dataStart = at;
        this.dataEnd = at + taken;
        return at + taken;
      }
      if (this.#state === TRAILER) {
        at = this.#takeTrailer(chunk, at);
        if (this.reason !== "" || this.done) return at;
        continue;
      }
      if (!this.#step(chunk[at] as number)) return at;
      at++;
    }
    return at;
  }

  /** One byte of framing. False: refused. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE_FIRST:
        this.#size = 0;
        this.#extensionBytes = 0;
        this.#state = SIZE;
        return this.#addDigit(byte);
      case SIZE:
        if (byte === CR) return this.#go(SIZE_LF);
        if (byte === SEMICOLON) return this.#go(EXTENSION_NAME_FIRST);
        return this.#addDigit(byte);
      case SIZE_LF:
        if (byte !== LF) return this.#refuse(`${describeByte(byte)} after the carriage return of a chunk size`);
        this.announcedBytes += this.#size;
        return this.#go(this.#size === 0 ? TRAILER : DATA);
      case DATA_CR:
        if (byte !== CR) return this.#refuse(`${describeByte(byte)} after the data of a chunk`);
        return this.#go(DATA_LF);
      case DATA_LF:
        if (byte !== LF) return this.#refuse(`${describeByte(byte)} after the carriage return of a chunk`);
        return this.#go(SIZE_FIRST);
      default:
        return this.#stepExtension(byte);
    }
  }

  #addDigit(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit < 0) return this.#refuse(`${describeByte(byte)} in a chunk size`);
    // Leading zeros count too, so that a size cannot be endless.
    if (++this.#extensionBytes > 16) return this.#refuse("a chunk size of more than 16 digits");
    this.#size = this.#size * 16 + digit;
    if (this.#size > Number.MAX_SAFE_INTEGER) return this.#refuse("a chunk size beyond 2^53");
    return true;
  }

  #stepExtension(byte: number): boolean {
    if (++this.#extensionBytes > EXTENSION_BYTES_MAX) {
      return this.#refuse(`chunk extensions of more than ${EXTENSION_BYTES_MAX} bytes`);
    }
    const token = isTokenByte(byte);
    switch (this.#state) {
      case EXTENSION_NAME_FIRST:
        return token ? this.#go(EXTENSION_NAME) : this.#refuseExtension(byte);
      case EXTENSION_NAME:
        if (token) return true;
        return byte === EQUALS ? this.#go(EXTENSION_VALUE_FIRST) : this.#endExtension(byte);
      case EXTENSION_VALUE_FIRST:
        if (byte === QUOTE) return this.#go(EXTENSION_QUOTED);
        return token ? this.#go(EXTENSION_TOKEN) : this.#refuseExtension(byte);
      case EXTENSION_TOKEN:
        return token || this.#endExtension(byte);
      case EXTENSION_QUOTED:
        if (byte === QUOTE) return this.#go(EXTENSION_QUOTE_END);
        if (byte === BACKSLASH) return this.#go(EXTENSION_ESCAPED);
        return isText(byte) || this.#refuseExtension(byte);
      case EXTENSION_ESCAPED:
        return isText(byte) ? this.#go(EXTENSION_QUOTED) : this.#refuseExtension(byte);
      default:
        return this.#endExtension(byte);
    }
  }

  #endExtension(byte: number): boolean {
    if (byte === SEMICOLON) return this.#go(EXTENSION_NAME_FIRST);
    if (byte === CR) return this.#go(SIZE_LF);
    return this.#refuseExtension(byte);
  }

  /** Gathers trailer lines up to the empty one, and checks each as it ends. */
  #takeTrailer(chunk: Buffer, from: number): number {
    const found = chunk.indexOf(LF, from);
    const end = found < 0 ? chunk.length : found + 1;
    this.#trailerBytes += end - from;
    if (this.#trailerBytes > TRAILER_BYTES_MAX) {
      this.#refuse(`a trailer section of more than ${TRAILER_BYTES_MAX} bytes`);
      return from;
    }
    this.#trailer += chunk.toString("latin1", from, end);
    if (found < 0) return end;
    const text = this.#trailer;
    this.#trailer = "";
    if (text === "\r\n") {
      this.#state = DONE;
      return end;
    }
    let reason = lines.scan(text);
    if (reason === "") reason = this.#line.read(lines.bytes, 0, text.length);
    if (reason !== "") this.#refuse(`${reason} in the trailer section`);
    else if (isForbiddenTrailer(this.#line.name(text))) this.#refuse(`the trailer field "${this.#line.name(text)}"`);
    else if (this.#keepsTrailers) this.trailers += text;
    return end;
  }

  #go(state: number): boolean {
    this.#state = state;
    return true;
  }

  #refuse(reason: string): boolean {
    this.reason = reason;
    return false;
  }

  #refuseExtension(byte: number): boolean {
    return this.#refuse(`${describeByte(byte)} in a chunk extension`);
  }
}

/** Quoted text (RFC 9110 §5.6.4): anything visible, blanks, and bytes above ASCII. */
function isText(byte: number): boolean {
  return (byte >= 0x20 && byte !== 0x7f) || byte === 0x09;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Fields that would act on a message that has been acted on already (RFC 9110 §6.5.1). */
export function isForbiddenTrailer(name: string): boolean {
  const lower = plainName(name);
  return FORBIDDEN_TRAILERS.has(lower) || lower.startsWith("x-forwarded-") || lower.startsWith("proxy-");
}

const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "content-length",
  "content-encoding",
  "content-range",
  "content-type",
  "host",
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "authorization",
  "cookie",
  "set-cookie",
  "forwarded",
  "via",
  "x-real-ip",
  "x-service-id",
]);
