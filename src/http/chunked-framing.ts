/**
 * The chunked transfer coding (RFC 9112 §7.1) as a state machine over bytes, split anywhere.
 *
 * Chunk data is skipped in one step per slice; only sizes, extensions and trailers are looked at byte by byte. Everything
 * that parsers are known to read differently is refused: bare line ends, signs, prefixes, blanks beside the size, control
 * bytes in extensions, sizes beyond exact numbers, trailers that would change framing, routing or identity.
 *
 * A trailer line goes on only when it is here whole and may be one: who reads line ends or names in another way than we do
 * could otherwise take the first part of it for a message of its own. What is held of one is bounded with the section.
 */
import { isBlank, isTokenByte, plainName } from "./field-line.ts";
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
const COLON = 0x3a;

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
const TRAILER_FIRST = 13;
const TRAILER_NAME = 14;
const TRAILER_BLANK = 15;
const TRAILER_VALUE = 16;
const TRAILER_LF = 17;
const LAST_LF = 18;
const DONE = 19;

export class ChunkedFraming {
  /** The payload that the last `advance` went over: chunk[dataStart, dataEnd). */
  dataStart = 0;
  dataEnd = 0;
  /** What may go on of the present chunk: its bytes up to here, and then `tail`, which is latin1. */
  passEnd = 0;
  tail = "";
  /** Payload that the chunks so far announce: known before it arrives. */
  announcedBytes = 0;
  /** The trailer lines, each with its CRLF, once `done`; empty unless they are kept. */
  trailers = "";
  /** Why the coding is refused; empty while it is fine. */
  reason = "";
  #state: number = SIZE_FIRST;
  #size = 0;
  #extensionBytes = 0;
  /** The present trailer line as far as it came in chunks before this one, and where it begins in this one. */
  #line = "";
  #lineStart = 0;
  /** How long its name is, and the blanks before its colon. */
  #nameLength = 0;
  #blankLength = 0;
  #trailerBytes = 0;
  readonly #ofAnswer: boolean;
  readonly #keepsTrailers: boolean;

  /** `ofAnswer`: a blank before the colon of a trailer is taken out (RFC 9112 §5.1); in a request it is refused. */
  constructor(ofAnswer: boolean, keepsTrailers = false) {
    this.#ofAnswer = ofAnswer;
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
    this.#line = "";
    this.#trailerBytes = 0;
  }

  /** Another chunk begins. */
  open(): void {
    this.passEnd = 0;
    this.tail = "";
    this.#lineStart = 0;
  }

  /**
   * Goes on from chunk[at]: over framing, and at most one run of payload. Returns where it stopped; call again until the
   * chunk is used up, `done`, or there is a `reason`.
   */
  advance(chunk: Buffer, from: number): number {
    const end = chunk.length;
    let at = from;
    this.dataStart = this.dataEnd = at;
    while (at < end && this.reason === "" && this.#state !== DONE) {
      if (this.#state === DATA) {
        const taken = Math.min(this.#size, end - at);
        this.#size -= taken;
        if (this.#size === 0) this.#state = DATA_CR;
        this.dataStart = at;
        this.passEnd = this.dataEnd = at + taken;
        return at + taken;
      }
      if (this.#state >= TRAILER_FIRST) {
        at = this.#takeTrailers(chunk, at);
        continue;
      }
      if (!this.#step(chunk[at] as number)) return at;
      this.passEnd = ++at;
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
        return this.#go(this.#size === 0 ? TRAILER_FIRST : DATA);
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

  /** Goes over trailer lines, and lets go on those that are whole. What begins and is not whole by the end is kept. */
  #takeTrailers(chunk: Buffer, from: number): number {
    if (this.#state === TRAILER_FIRST) this.#lineStart = from;
    let at = from;
    while (at < chunk.length) {
      if (++this.#trailerBytes > TRAILER_BYTES_MAX) {
        this.#refuse(`a trailer section of more than ${TRAILER_BYTES_MAX} bytes`);
        return at;
      }
      const byte = chunk[at] as number;
      if (!this.#stepTrailer(byte)) return at;
      at++;
      if (byte !== LF) continue;
      this.#endLine(chunk, at);
      if (this.reason !== "" || this.#state === DONE) return at;
    }
    this.#line += chunk.toString("latin1", this.#lineStart, at);
    return at;
  }

  /** One byte of the trailer section. False: refused. */
  #stepTrailer(byte: number): boolean {
    switch (this.#state) {
      case TRAILER_FIRST:
        if (byte === CR) return this.#go(LAST_LF);
        this.#nameLength = 0;
        this.#blankLength = 0;
        this.#state = TRAILER_NAME;
        if (isBlank(byte)) return this.#refuse("a folded field line in the trailer section");
        if (byte === COLON) return this.#refuse("a field without a name in the trailer section");
        return this.#stepName(byte);
      case TRAILER_NAME:
        return this.#stepName(byte);
      case TRAILER_BLANK:
        if (byte === COLON) return this.#go(TRAILER_VALUE);
        this.#blankLength++;
        return isBlank(byte) || this.#refuseTrailer(byte);
      case TRAILER_VALUE:
        if (byte === CR) return this.#go(TRAILER_LF);
        return isText(byte) || this.#refuseTrailer(byte);
      default:
        return byte === LF || this.#refuse(`${describeByte(byte)} after a carriage return in the trailer section`);
    }
  }

  #stepName(byte: number): boolean {
    if (byte === COLON) return this.#go(TRAILER_VALUE);
    if (isBlank(byte) && this.#ofAnswer) {
      this.#blankLength = 1;
      return this.#go(TRAILER_BLANK);
    }
    this.#nameLength++;
    return isTokenByte(byte) || this.#refuse(`${describeByte(byte)} in the name of a field in the trailer section`);
  }

  /** The line that ends before chunk[end] is whole. */
  #endLine(chunk: Buffer, end: number): void {
    const began = this.#line;
    const text = began + chunk.toString("latin1", this.#lineStart, end);
    const from = this.#lineStart;
    this.#line = "";
    this.#lineStart = end;
    if (this.#state === LAST_LF) {
      this.#state = DONE;
      this.#pass(text, began === "" && this.passEnd === from, end);
      return;
    }
    this.#state = TRAILER_FIRST;
    const name = text.slice(0, this.#nameLength);
    if (isForbiddenTrailer(name)) {
      this.#refuse(`the trailer field "${name}"`);
      return;
    }
    const mended = this.#blankLength === 0 ? text : name + text.slice(this.#nameLength + this.#blankLength);
    if (this.#keepsTrailers) this.trailers += mended;
    this.#pass(mended, began === "" && mended === text && this.passEnd === from, end);
  }

  /** `verbatim`: the line stands in the chunk as it goes on, right behind what else goes on of it. */
  #pass(line: string, verbatim: boolean, end: number): void {
    if (verbatim) this.passEnd = end;
    else this.tail += line;
  }

  #go(state: number): boolean {
    this.#state = state;
    return true;
  }

  #refuse(reason: string): boolean {
    this.reason = reason;
    return false;
  }

  #refuseTrailer(byte: number): boolean {
    return this.#refuse(`${describeByte(byte)} in the trailer section`);
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
