/** Whether text that comes in pieces is UTF-8 (RFC 3629). Holds no text; a character may be split anywhere. */
import { isUtf8 } from "node:buffer";

const CONTINUATION_LOW = 0x80;
const CONTINUATION_HIGH = 0xbf;

export class Utf8Check {
  #valid = true;
  /** Bytes that the character under way still needs, and between which bounds the next of them lies. */
  #needed = 0;
  #low = CONTINUATION_LOW;
  #high = CONTINUATION_HIGH;

  /** A character is under way. */
  get split(): boolean {
    return this.#needed > 0;
  }

  /** Whether everything since the last reset was UTF-8, as a whole. */
  get valid(): boolean {
    return this.#valid && this.#needed === 0;
  }

  reset(): void {
    this.#valid = true;
    this.#needed = 0;
  }

  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && this.#needed > 0) this.#take(bytes[at++]!);
    if (!this.#valid) return;
    const whole = lastBoundary(bytes, at, end);
    if (whole > at && !isUtf8(bytes.subarray(at, whole))) this.#valid = false;
    for (at = whole; at < end; at++) this.#take(bytes[at]!);
  }

  #take(byte: number): void {
    if (this.#needed > 0) {
      if (byte < this.#low || byte > this.#high) this.#refuse();
      else this.#needed--;
      this.#low = CONTINUATION_LOW;
      this.#high = CONTINUATION_HIGH;
    } else if (byte >= 0x80) this.#begin(byte);
  }

  #begin(byte: number): void {
    if (byte < 0xc2 || byte > 0xf4) {
      this.#refuse();
      return;
    }
    this.#needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    // Overlong forms, surrogates, and what lies beyond U+10FFFF.
    if (byte === 0xe0) this.#low = 0xa0;
    else if (byte === 0xed) this.#high = 0x9f;
    else if (byte === 0xf0) this.#low = 0x90;
    else if (byte === 0xf4) this.#high = 0x8f;
  }

  #refuse(): void {
    this.#valid = false;
    this.#needed = 0;
  }
}

/** Where the last character begins, if it may be split: characters have four bytes at most. */
function lastBoundary(bytes: Buffer, start: number, end: number): number {
  const earliest = Math.max(start, end - 3);
  for (let at = end - 1; at >= earliest; at--) {
    const byte = bytes[at]!;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) return at;
  }
  return end;
}
