/**
 * Follows the values of the Redis protocol (RESP2 and RESP3) in one direction, and tells of each that is complete, and of each
 * error, which may stand inside of a value as in the answer to a transaction.
 *
 * Of a value it keeps its kind and, of the first two texts in it, up to 32 bytes: a command's name and what it is to do. Other
 * text is skipped by its length. Nesting is followed to a depth of 16, and a line up to 64 KiB; what goes beyond is `broken`.
 */
export interface RespSink {
  /**
   * `kind`: its first byte, or `inline` for a line without any form; `name` and `second`: the first two texts inside, in upper
   * case.
   */
  value(kind: string, name: string, second: string): void;
  error(name: string): void;
}

const CR = 0x0d;
const LF = 0x0a;
const DEPTH_MAX = 16;
const LINE_BYTES_MAX = 64 * 1024;
const NAME_BYTES_MAX = 32;
/** Of each value that many texts are kept. */
const NAMES = 2;
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
  readonly #names: string[] = [];
  /** Where the text under way is kept; undefined: it is skipped. */
  #naming: "name" | "error" | undefined;
  #text = "";

  /** A server may also be told a command as a plain line. */
  constructor(sink: RespSink, takesInline: boolean) {
    this.#sink = sink;
    this.#takesInline = takesInline;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.broken) {
      if (this.#textBytes > 0) at = this.#take(bytes, at);
      else at = this.#header(bytes, at);
    }
  }

  /** Through the text, of which the first bytes may be a name. */
  #take(bytes: Buffer, at: number): number {
    const taken = Math.min(this.#textBytes, bytes.length - at);
    // The last two bytes are the line end.
    const named = Math.min(taken, this.#textBytes - 2, NAME_BYTES_MAX - this.#text.length);
    if (this.#naming !== undefined && named > 0) this.#text += bytes.toString("latin1", at, at + named);
    this.#textBytes -= taken;
    if (this.#textBytes === 0) this.#textEnded();
    return at + taken;
  }

  #textEnded(): void {
    if (this.#naming === "name") this.#names.push(this.#text);
    else if (this.#naming === "error") this.#sink.error(firstWord(this.#text));
    this.#naming = undefined;
    this.#text = "";
    this.#complete();
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
      this.#names.length = 0;
    }
    switch (kind) {
      case "$":
      case "=":
      case "!":
        this.#beginText(kind, line);
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
        if (kind === "-") this.#sink.error(firstWord(line.slice(1, NAME_BYTES_MAX + 1)));
        else if (kind === "+" && this.#names.length < NAMES) this.#names.push(line.slice(1, NAME_BYTES_MAX + 1));
        this.#complete();
        return;
      default:
        if (atTop && this.#takesInline && INLINE.test(line)) this.#inline(line);
        else this.broken = true;
    }
  }

  #inline(line: string): void {
    this.#kind = "inline";
    const words = line.trim().split(/\s+/, NAMES);
    if (words[0] === "") return;
    for (const word of words) this.#names.push(word.slice(0, NAME_BYTES_MAX));
    this.#complete();
  }

  #beginText(kind: string, line: string): void {
    const length = numberOf(line);
    if (length === -1) this.#complete();
    else if (length === undefined) this.broken = true;
    else {
      this.#naming = kind === "!" ? "error" : this.#names.length < NAMES ? "name" : undefined;
      this.#textBytes = length + 2;
    }
  }

  #beginParts(kind: string, line: string): void {
    const count = numberOf(line);
    if (count === undefined || this.#left.length >= DEPTH_MAX) {
      this.broken = true;
      return;
    }
    // A map has a key and a value in each part. Attributes come before the value that they are of: inside of another value
    // they count as one part with it, and at the top they are passed over.
    const parts = kind === "%" || kind === "|" ? count * 2 : count;
    const behind = kind === "|" && this.#left.length > 0 ? 1 : 0;
    if (parts > 0) this.#left.push(parts + behind);
    else if (kind !== "|") this.#complete();
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
    if (this.#kind === "|") return;
    const [name = "", second = ""] = this.#names;
    this.#sink.value(this.#kind, name.toUpperCase(), second.toUpperCase());
  }
}

/** A command in plain text begins with a letter or so; what begins otherwise is no Redis, as a handshake of TLS is none. */
const INLINE = /^(?:\s*$|\s*[!-~])/;

/** Of an error: what it is called stands before what it says. */
function firstWord(text: string): string {
  return text.split(" ", 1)[0]!.toUpperCase();
}

function numberOf(line: string): number | undefined {
  const digits = line.slice(1);
  if (!/^-?[0-9]{1,10}$/.test(digits)) return undefined;
  const number = Number(digits);
  return number >= -1 && number <= PARTS_MAX ? number : undefined;
}
