/**
 * Follows the values of the Redis protocol (RESP2 and RESP3) in one direction, and tells of each that is complete.
 *
 * Of a value it keeps its kind and, of the first text in it, up to 32 bytes: a command's name, or an error's. Text is
 * skipped by its length. Nesting is followed to a depth of 16, and a line up to 64 KiB; what goes beyond is `broken`.
 */
export interface RespSink {
  /** `kind`: its first byte; `name`: of the first text inside, in upper case. `inline`: a line without any form. */
  value(kind: string, name: string): void;
}

const CR = 0x0d;
const LF = 0x0a;
const DEPTH_MAX = 16;
const LINE_BYTES_MAX = 64 * 1024;
const NAME_BYTES_MAX = 32;
const PARTS_MAX = 2 ** 31;

export class RespReader {
  broken = false;
  readonly #sink: RespSink;
  readonly #takesInline: boolean;
  /** Values still to come at each level. */
  readonly #left: number[] = [];
  #line = "";
  #lineBytes = 0;
  /** Bytes of a text under way, its line end included. */
  #textBytes = 0;
  #kind = "";
  #name = "";
  #naming = false;

  /** A server may also be told a command as a plain line. */
  constructor(sink: RespSink, takesInline: boolean) {
    this.#sink = sink;
    this.#takesInline = takesInline;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.broken) {
      if (this.#textBytes > 0) at = this.#text(bytes, at);
      else at = this.#header(bytes, at);
    }
  }

  /** Through the text, of which the first bytes may be the name. */
  #text(bytes: Buffer, at: number): number {
    const taken = Math.min(this.#textBytes, bytes.length - at);
    // The last two bytes are the line end.
    const named = Math.min(taken, this.#textBytes - 2, NAME_BYTES_MAX - this.#name.length);
    if (this.#naming && named > 0) this.#name += bytes.toString("latin1", at, at + named);
    this.#textBytes -= taken;
    if (this.#textBytes === 0) {
      this.#naming = false;
      this.#complete();
    }
    return at + taken;
  }

  #header(bytes: Buffer, at: number): number {
    const found = bytes.indexOf(LF, at);
    const end = found < 0 ? bytes.length : found;
    const room = Math.min(end - at, NAME_BYTES_MAX + 1 - this.#line.length);
    if (room > 0) this.#line += bytes.toString("latin1", at, at + room);
    this.#lineBytes += end - at;
    if (this.#lineBytes > LINE_BYTES_MAX) this.broken = true;
    if (found < 0) return end;
    const line = this.#line.charCodeAt(this.#line.length - 1) === CR ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    this.#lineBytes = 0;
    this.#begin(line);
    return end + 1;
  }

  #begin(line: string): void {
    const kind = line.charAt(0);
    const atTop = this.#left.length === 0;
    if (atTop) {
      this.#kind = kind;
      this.#name = "";
    }
    switch (kind) {
      case "$":
      case "=":
      case "!":
        this.#beginText(line);
        return;
      case "*":
      case "~":
      case ">":
      case "%":
      case "|":
        this.#beginParts(kind, line);
        return;
      case "+":
      case "-":
      case ":":
      case "_":
      case "#":
      case ",":
      case "(":
        if (atTop && (kind === "-" || kind === "+")) this.#name = line.slice(1).split(" ", 1)[0]!;
        this.#complete();
        return;
      default:
        if (!atTop || !this.#takesInline) {
          this.broken = true;
          return;
        }
        this.#kind = "inline";
        this.#name = line.trim().split(/\s/, 1)[0]!.slice(0, NAME_BYTES_MAX);
        if (this.#name !== "") this.#complete();
    }
  }

  #beginText(line: string): void {
    const length = numberOf(line);
    if (length === -1) this.#complete();
    else if (length === undefined) this.broken = true;
    else {
      this.#naming = this.#name === "";
      this.#textBytes = length + 2;
    }
  }

  #beginParts(kind: string, line: string): void {
    const count = numberOf(line);
    if (count === undefined || this.#left.length >= DEPTH_MAX) {
      this.broken = true;
      return;
    }
    // A map has a key and a value in each part; attributes come before the value that they are of.
    const parts = kind === "%" || kind === "|" ? count * 2 : count;
    if (parts <= 0) {
      if (kind !== "|") this.#complete();
    } else this.#left.push(kind === "|" ? parts + 1 : parts);
  }

  /** A value is complete; with it those that it is the last part of. */
  #complete(): void {
    for (;;) {
      const level = this.#left.length - 1;
      if (level < 0) break;
      const left = this.#left[level]! - 1;
      this.#left[level] = left;
      if (left > 0) return;
      this.#left.pop();
    }
    this.#sink.value(this.#kind, this.#name.toUpperCase());
  }
}

function numberOf(line: string): number | undefined {
  const digits = line.slice(1);
  if (!/^-?[0-9]{1,10}$/.test(digits)) return undefined;
  const number = Number(digits);
  return number >= -1 && number <= PARTS_MAX ? number : undefined;
}
