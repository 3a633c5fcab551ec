/**
 * Finds the messages of the Foo Protocol in one direction of a connection:
 *
 *     Msg  := Type ws Seq [ws Data] LF      Type := "REQ" | "ACK" | "NAK"      Seq := integer      Data := UTF-8 without LF
 *
 * Blanks are one or more of space, tab, vertical tab, form feed and carriage return; an integer may have a sign. A line that
 * is anything else is told as `other`. Of a line no byte is kept, only how far it has come: one of ten megabytes costs no
 * more memory than an empty one. Each byte is looked at once; long data is skipped natively, and so is that of lines which come
 * many at a time.
 */
import { isAscii } from "node:buffer";
import { Utf8Check } from "./utf8-check.ts";

export const REQ = 0;
export const ACK = 1;
export const NAK = 2;
export type FooType = typeof REQ | typeof ACK | typeof NAK;

export interface FooSink {
  /** `seq` is NaN where the number is too large to be told from its neighbours. */
  message(type: FooType, seq: number): void;
  /** A line that is no message. */
  other(): void;
}

const LF = 0x0a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
/** `REQ 1` and its line feed. */
const USUAL_BYTES_MIN = 6;
/** Beyond, a number may not be exact. */
const DIGITS_MAX = 15;

/** How far a line has come. The first three count the bytes of its type. */
const TYPE_BLANK = 3;
const SEQ_START = 4;
const SEQ_SIGNED = 5;
const SEQ = 6;
const DATA = 7;
const OTHER = 8;
type Phase =
  | 0
  | 1
  | 2
  | typeof TYPE_BLANK
  | typeof SEQ_START
  | typeof SEQ_SIGNED
  | typeof SEQ
  | typeof DATA
  | typeof OTHER;

const TYPES: readonly string[] = ["REQ", "ACK", "NAK"];
/** The bytes of the types, one after the other. */
const TYPE_BYTES = Buffer.from(TYPES.join(""), "latin1");
const TYPE_BYTES_EACH = 3;

/** With less to look at, to begin with text costs more than it saves. */
const TEXT_BYTES_MIN = 256;
/** So much is made text at a time. */
const TEXT_BYTES_MAX = 8 * 1024;

/** Data is searched in place up to here; beyond, a native search is cheaper than it costs to begin one. */
const NEAR_BYTES = 128;

export class FooScanner {
  readonly #sink: FooSink;
  readonly #utf8 = new Utf8Check();
  #phase: Phase = 0;
  #type: FooType = REQ;
  #seq = 0;
  #negative = false;

  constructor(sink: FooSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    // Once: where lines are odd, text would be made of what is behind each of them.
    let asText = end >= TEXT_BYTES_MIN;
    while (at < end) {
      if (this.#phase === 0) {
        if (asText) at = this.#text(chunk, at, end);
        asText = false;
        at = this.#usual(chunk, at, end);
        if (at >= end) return;
      }
      at = this.#phase < DATA ? this.#head(chunk, at, end) : this.#skip(chunk, at, end);
      if (at >= end) return;
      this.#line();
      at++;
    }
  }

  /** The peer says no more: what it began is no message. */
  end(): void {
    if (this.#phase !== 0) this.#sink.other();
    this.#begin();
  }

  /** As `#usual`, for many lines at once: in text their ends are found natively, and that all of it is plain is known before. */
  #text(chunk: Buffer, start: number, end: number): number {
    let at = start;
    while (end - at >= TEXT_BYTES_MIN) {
      const textEnd = Math.min(end, at + TEXT_BYTES_MAX);
      const bytes = at === 0 && textEnd === end ? chunk : chunk.subarray(at, textEnd);
      if (!isAscii(bytes)) return at;
      const stopped = this.#textLines(bytes, bytes.toString("latin1"));
      if (stopped === 0) return at;
      at += stopped;
    }
    return at;
  }

  /** Returns where the first line begins that is not a usual one, or not all there. `text` says the same as `bytes`. */
  #textLines(bytes: Buffer, text: string): number {
    const sink = this.#sink;
    for (let lineStart = 0; ;) {
      const lineEnd = text.indexOf("\n", lineStart);
      if (lineEnd - lineStart < USUAL_BYTES_MIN - 1) return lineStart;
      const type = typeAt(bytes, lineStart);
      if (type < 0) return lineStart;
      let at = lineStart + USUAL_BYTES_MIN - 2;
      const digitsStart = at;
      let seq = 0;
      let byte = bytes[at]!;
      while (byte >= ZERO && byte <= NINE) {
        seq = seq * 10 + (byte - ZERO);
        byte = bytes[++at]!;
      }
      const digits = at - digitsStart;
      if (digits === 0 || digits > DIGITS_MAX || (byte !== SPACE && byte !== LF)) return lineStart;
      sink.message(type as FooType, seq);
      lineStart = lineEnd + 1;
    }
  }

  /**
   * Whole lines of the form that nearly all have: type, one space, digits, and plain data that is not long. Returns where
   * the first line begins that is not such a one, or not all here.
   */
  #usual(chunk: Buffer, start: number, end: number): number {
    for (let lineStart = start; ;) {
      if (end - lineStart < USUAL_BYTES_MIN) return lineStart;
      const type = typeAt(chunk, lineStart);
      if (type < 0) return lineStart;
      let at = lineStart + USUAL_BYTES_MIN - 2;
      let seq = 0;
      let byte = chunk[at]!;
      const digitsStart = at;
      while (byte >= ZERO && byte <= NINE) {
        seq = seq * 10 + (byte - ZERO);
        byte = ++at < end ? chunk[at]! : 0;
      }
      const digits = at - digitsStart;
      if (digits === 0 || digits > DIGITS_MAX || at >= end) return lineStart;
      if (byte === SPACE) {
        const near = Math.min(end, at + NEAR_BYTES);
        do byte = ++at < near ? chunk[at]! : 0x80;
        while (byte < 0x80 && byte !== LF);
      }
      if (byte !== LF) return lineStart;
      this.#sink.message(type as FooType, seq);
      lineStart = at + 1;
    }
  }

  /** Through type and number, as far as they go. Returns where the line ends, or else where its data begins, or the chunk ends. */
  #head(chunk: Buffer, start: number, end: number): number {
    let phase: Phase = this.#phase;
    let at = start;
    for (; at < end; at++) {
      const byte = chunk[at]!;
      if (byte === LF) break;
      phase = this.#next(phase, byte);
      if (phase >= DATA) {
        this.#phase = phase;
        return this.#skip(chunk, at + 1, end);
      }
    }
    this.#phase = phase;
    return at;
  }

  #next(phase: Phase, byte: number): Phase {
    switch (phase) {
      case 0:
        this.#type = byte === 0x52 ? REQ : byte === 0x41 ? ACK : NAK;
        return byte === TYPE_BYTES[this.#type * TYPE_BYTES_EACH] ? 1 : OTHER;
      case 1:
        return byte === TYPE_BYTES[this.#type * TYPE_BYTES_EACH + 1] ? 2 : OTHER;
      case 2:
        return byte === TYPE_BYTES[this.#type * TYPE_BYTES_EACH + 2] ? TYPE_BLANK : OTHER;
      case TYPE_BLANK:
        return isBlank(byte) ? SEQ_START : OTHER;
      case SEQ_START:
        if (isBlank(byte)) return SEQ_START;
        this.#negative = byte === MINUS;
        if (byte === MINUS || byte === PLUS) return SEQ_SIGNED;
        return this.#digit(byte) ? SEQ : OTHER;
      case SEQ_SIGNED:
        return this.#digit(byte) ? SEQ : OTHER;
      case SEQ:
        if (isBlank(byte)) return DATA;
        return this.#digit(byte) ? SEQ : OTHER;
      default:
        return phase;
    }
  }

  #digit(byte: number): boolean {
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) return false;
    // Grows past what is exact, and to Infinity, without harm.
    this.#seq = this.#seq * 10 + digit;
    return true;
  }

  /** To the end of the line, or of the chunk. */
  #skip(chunk: Buffer, start: number, end: number): number {
    let at = start;
    if (!this.#utf8.split) {
      const near = Math.min(end, start + NEAR_BYTES);
      while (at < near) {
        const byte = chunk[at]!;
        if (byte === LF) return at;
        if (byte >= 0x80) break;
        at++;
      }
      if (at === end) return end;
    }
    const found = chunk.indexOf(LF, at);
    const lineEnd = found < 0 ? end : found;
    if (this.#phase === DATA) this.#utf8.push(chunk, at, lineEnd);
    return lineEnd;
  }

  #line(): void {
    const phase = this.#phase;
    if (phase === SEQ || (phase === DATA && this.#utf8.valid)) {
      const seq = this.#negative ? -this.#seq : this.#seq;
      this.#sink.message(this.#type, Number.isSafeInteger(seq) ? seq : Number.NaN);
    } else this.#sink.other();
    this.#begin();
  }

  #begin(): void {
    this.#phase = 0;
    this.#seq = 0;
    this.#negative = false;
    this.#utf8.reset();
  }
}

/** The type that stands here with a space behind it, or -1. */
function typeAt(chunk: Buffer, at: number): number {
  if (chunk[at + 3] !== SPACE) return -1;
  const first = chunk[at];
  const second = chunk[at + 1];
  const third = chunk[at + 2];
  if (first === 0x52) return second === 0x45 && third === 0x51 ? REQ : -1;
  if (first === 0x41) return second === 0x43 && third === 0x4b ? ACK : -1;
  return first === 0x4e && second === 0x41 && third === 0x4b ? NAK : -1;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== LF);
}
