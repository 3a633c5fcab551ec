/**
 * Field lines of heads and trailers (RFC 9110 §5, RFC 9112 §5), read in place from the bytes of a scanned text.
 *
 * One reader object is moved from line to line, so that reading costs no allocation. Strict: a token, a colon with nothing
 * before it, a value on the same line.
 */
import { describeByte } from "./http-problem.ts";

const ODD_BIT = 2;
/** Per byte: 1 in a token, 3 for what is neither letter, digit nor hyphen (a token too, but see `isOdd`), 0 elsewhere. */
const TOKEN = tokenTable();

const TAB = 0x09;
const SPACE = 0x20;
const COMMA = 0x2c;
const COLON = 0x3a;

export class FieldLine {
  start = 0;
  nameEnd = 0;
  /** The value without the white space around it. */
  valueStart = 0;
  valueEnd = 0;
  /** Where the next line begins. */
  end = 0;
  /**
   * The name holds more than letters, digits and hyphens. CGI-like apps cannot tell `Content_Length`, and some not even
   * `Content.Length`, from `Content-Length`, so who classifies names must look twice.
   */
  isOdd = false;

  /** Reads the line bytes[start, end), CRLF included, as a scan found it. Returns why it is refused, or the empty string. */
  read(bytes: Uint8Array, start: number, end: number): string {
    let at = start;
    let kinds = 0;
    let kind = TOKEN[bytes[at] as number] as number;
    while (kind !== 0) {
      kinds |= kind;
      kind = TOKEN[bytes[++at] as number] as number;
    }
    if (at === start || bytes[at] !== COLON) return refusedName(bytes, start, at);
    this.start = start;
    this.nameEnd = at;
    this.isOdd = (kinds & ODD_BIT) !== 0;
    let valueEnd = end - 2;
    at++;
    while (at < valueEnd && isBlank(bytes[at] as number)) at++;
    while (valueEnd > at && isBlank(bytes[valueEnd - 1] as number)) valueEnd--;
    this.valueStart = at;
    this.valueEnd = valueEnd;
    this.end = end;
    return "";
  }

  /** Whether the field's name is `name`, made by `lowerBytes`. */
  is(bytes: Uint8Array, name: Uint8Array): boolean {
    return equalsLower(bytes, this.start, this.nameEnd, name);
  }

  /** Whether the field's value is `value`, made by `lowerBytes`, in any case. */
  valueIs(bytes: Uint8Array, value: Uint8Array): boolean {
    return equalsLower(bytes, this.valueStart, this.valueEnd, value);
  }

  /** Tabs around a value are allowed, but parsers differ on them: framing fields must do without. */
  hasTabAround(bytes: Uint8Array): boolean {
    for (let at = this.nameEnd; at < this.valueStart; at++) if (bytes[at] === TAB) return true;
    for (let at = this.valueEnd; at < this.end; at++) if (bytes[at] === TAB) return true;
    return false;
  }

  name(text: string): string {
    return text.slice(this.start, this.nameEnd);
  }

  value(text: string): string {
    return text.slice(this.valueStart, this.valueEnd);
  }
}

/** Letters in lower case, digits and hyphens, for `equalsLower`. */
export function lowerBytes(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(name, "latin1"));
}

/** Whether bytes[start, end) is `name` in any case. */
export function equalsLower(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  const length = name.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    // The bit 0x20 turns A-Z into a-z and leaves digits and hyphens as they are. Nothing else of a line becomes one of
    // them but CR, which no name or value holds.
    if (((bytes[start + i] as number) | 0x20) !== name[i]) return false;
  }
  return true;
}

/** A name of a field in lower case, with a hyphen for all that CGI-like apps make one character of. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "-");
}

/** Whether `text` is one or more token characters (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!isTokenByte(text.charCodeAt(at))) return false;
  return text !== "";
}

export function isTokenByte(byte: number): boolean {
  const kind = TOKEN[byte];
  return kind !== undefined && kind !== 0;
}

/** Space or tab, the only white space inside a line. */
export function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/**
 * Walks the elements of a comma-separated value without quoted strings (Connection, TE), blanks around them left out:
 * `for (list.start(from, to); list.next(bytes); )`.
 */
export class ListElements {
  start = 0;
  end = 0;
  #next = 0;
  #to = 0;

  open(from: number, to: number): void {
    this.#next = from;
    this.#to = to;
  }

  next(bytes: Uint8Array): boolean {
    let at = this.#next;
    const to = this.#to;
    if (at >= to) return false;
    while (at < to && isBlank(bytes[at] as number)) at++;
    let end = at;
    while (end < to && bytes[end] !== COMMA) end++;
    this.#next = end + 1;
    while (end > at && isBlank(bytes[end - 1] as number)) end--;
    this.start = at;
    this.end = end;
    return true;
  }
}

/**
 * A Content-Length value: digits alone, within what a number can count exactly; -1 for anything else. No sign, no
 * `0x`, no list, no space inside: each of those is a way to make two parsers disagree.
 */
export function parseContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > 16) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/** The value of every field called `name` (any case) in text[start, end), joined by commas; undefined without any. */
export function fieldValue(text: string, start: number, end: number, name: string): string | undefined {
  const wanted = name.toLowerCase();
  let found: string | undefined;
  const { length } = wanted;
  for (let at = start; at < end;) {
    const lineEnd = text.indexOf("\r\n", at);
    // Names hold no colon, so that only one of the right length has its own there.
    if (text.charCodeAt(at + length) === COLON && text.slice(at, at + length).toLowerCase() === wanted) {
      const value = withoutBlanks(text.slice(at + length + 1, lineEnd));
      found = found === undefined ? value : `${found}, ${value}`;
    }
    at = lineEnd + 2;
  }
  return found;
}

/** Name and value of every field in text[start, end), in order. The text has been parsed, so lines and colons are there. */
export function* fieldEntries(text: string, start: number, end: number): Generator<[name: string, value: string]> {
  for (let at = start; at < end;) {
    const lineEnd = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    yield [text.slice(at, colon), withoutBlanks(text.slice(colon + 1, lineEnd))];
    at = lineEnd + 2;
  }
}

/**
 * Not `trim`: it would take a no-break space for white space, which is a byte of the value here. Nor an expression: for
 * many blanks in the middle of a value it would look at each of them for each of them.
 */
export function withoutBlanks(value: string): string {
  let start = 0;
  while (start < value.length && isBlank(value.charCodeAt(start))) start++;
  return withoutBlanksBehind(start === 0 ? value : value.slice(start));
}

/** The same at the end only. */
export function withoutBlanksBehind(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

function refusedName(bytes: Uint8Array, start: number, at: number): string {
  const byte = bytes[at] as number;
  if (at > start)
    return `${describeByte(byte)} in the name of field "${latin1(bytes, start, Math.min(at, start + 64))}"`;
  if (isBlank(byte)) return "a folded field line";
  if (byte === COLON) return "a field without a name";
  return `${describeByte(byte)} at the start of a field line`;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function tokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
    table[character.charCodeAt(0)] = 1;
  }
  for (const character of "!#$%&'*+.^_`|~") table[character.charCodeAt(0)] = 1 | ODD_BIT;
  return table;
}
