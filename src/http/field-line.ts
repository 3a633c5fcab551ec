/**
 * Field lines of heads and trailers (RFC 9110 §5, RFC 9112 §5), read in place from one latin1 string.
 *
 * One reader object per parser is moved from line to line, so that reading costs no allocation. Strict: a token, a colon
 * with nothing before it, visible characters, CRLF. Folded lines, control characters and bare line ends are refused.
 */
import { describeByte } from "./http-problem.ts";

/** `TOKEN` has, per character: 1 in a token, 3 for the underscore (a token too, but see `hasUnderscore`), 0 elsewhere. */
const UNDERSCORE_BIT = 2;
const TOKEN = tokenTable();

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COMMA = 0x2c;
const COLON = 0x3a;

export class FieldLine {
  nameStart = 0;
  nameEnd = 0;
  /** The value without the white space around it. */
  valueStart = 0;
  valueEnd = 0;
  /** Where the next line begins. */
  end = 0;
  /** CGI-like apps cannot tell `Content_Length` from `Content-Length`, so who classifies names must look twice. */
  hasUnderscore = false;

  /** Reads the line at `start`. Returns why it is refused, or the empty string. */
  read(text: string, start: number): string {
    let at = start;
    let code = text.charCodeAt(at);
    let kinds = 0;
    let kind = TOKEN[code];
    while (kind !== undefined && kind !== 0) {
      kinds |= kind;
      code = text.charCodeAt(++at);
      kind = TOKEN[code];
    }
    if (code !== COLON || at === start) return refusedName(text, start, at);
    this.nameStart = start;
    this.nameEnd = at;
    this.hasUnderscore = (kinds & UNDERSCORE_BIT) !== 0;

    code = text.charCodeAt(++at);
    while (code === SPACE || code === TAB) code = text.charCodeAt(++at);
    const valueStart = at;
    while (code > 0x7f || (code >= SPACE && code < 0x7f) || code === TAB) code = text.charCodeAt(++at);
    if (code !== CR || text.charCodeAt(at + 1) !== LF) {
      return `${describeByte(code)} in the value of field "${this.name(text)}"`;
    }
    this.end = at + 2;
    while (at > valueStart && isBlank(text.charCodeAt(at - 1))) at--;
    this.valueStart = valueStart;
    this.valueEnd = at;
    return "";
  }

  /** True when the field's name is `name` (given in lower case). */
  is(text: string, name: string): boolean {
    return equalsLower(text, this.nameStart, this.nameEnd, name);
  }

  name(text: string): string {
    return text.slice(this.nameStart, this.nameEnd);
  }

  value(text: string): string {
    return text.slice(this.valueStart, this.valueEnd);
  }
}

/** Whether text[start, end) is `name`, which is in lower case and made of letters, digits and hyphens. */
export function equalsLower(text: string, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    // Setting the bit 0x20 turns A-Z into a-z and leaves digits and hyphens as they are.
    if ((text.charCodeAt(start + i) | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Whether text[start, end) is one or more token characters (RFC 9110 §5.6.2). */
export function isToken(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isTokenCharacter(text.charCodeAt(at))) return false;
  return end > start;
}

export function isTokenCharacter(code: number): boolean {
  const kind = TOKEN[code];
  return kind !== undefined && kind !== 0;
}

/** Space or tab, the only white space inside a line. */
export function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/**
 * The end of the list element that begins at `at` in a comma-separated value ending at `end`. Elements of interest hold
 * no quoted commas (Connection, Upgrade, TE).
 */
export function elementEnd(text: string, at: number, end: number): number {
  let to = at;
  while (to < end && text.charCodeAt(to) !== COMMA) to++;
  return to;
}

/**
 * A Content-Length value: digits alone, within what a number can count exactly; -1 for anything else. No sign, no
 * `0x`, no list, no space inside: each of those is a way to make two parsers disagree.
 */
export function parseContentLength(text: string, start: number, end: number): number {
  if (end === start || end - start > 16) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/** The value of every field called `name` (any case) in text[start, end), joined by commas; undefined without any. */
export function fieldValue(text: string, start: number, end: number, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const line = new FieldLine();
  let found: string | undefined;
  for (let at = start; at < end && line.read(text, at) === ""; at = line.end) {
    if (!line.is(text, wanted)) continue;
    found = found === undefined ? line.value(text) : `${found}, ${line.value(text)}`;
  }
  return found;
}

/** Name and value of every field in text[start, end), in order. */
export function* fieldEntries(text: string, start: number, end: number): Generator<[name: string, value: string]> {
  const line = new FieldLine();
  for (let at = start; at < end && line.read(text, at) === ""; at = line.end) {
    yield [line.name(text), line.value(text)];
  }
}

function refusedName(text: string, start: number, at: number): string {
  const code = text.charCodeAt(at);
  if (at > start) return `${describeByte(code)} in the name of field "${text.slice(start, at)}"`;
  if (isBlank(code)) return "a folded field line";
  if (code === COLON) return "a field without a name";
  return `${describeByte(code)} at the start of a field line`;
}

function tokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of "!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
    table[character.charCodeAt(0)] = 1;
  }
  table["_".charCodeAt(0)] = 1 | UNDERSCORE_BIT;
  return table;
}
