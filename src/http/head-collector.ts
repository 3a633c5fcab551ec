/**
 * Finds where a head ends in the chunks of a connection, and decodes it once as latin1.
 *
 * A head that arrives in one chunk is never copied. One that is split, at any byte, is gathered in a buffer that never
 * grows past the limit: O(n) over all chunks. What the head says is not looked at here, but heads that could never end
 * (bare LF, a binary first byte) are refused early instead of being waited for.
 */
import { describeByte, HttpProblem } from "./http-problem.ts";
import { isTokenByte } from "./field-line.ts";

const LF = 0x0a;
const CR = 0x0d;
/** Every response begins with `HTTP/`. */
const LETTER_H = 0x48;
const TLS_HANDSHAKE = 0x16;
const BLANK_LINE = "\r\n\r\n";
const BLANK_LINE_BYTES = Buffer.from(BLANK_LINE, "latin1");
const EMPTY = Buffer.alloc(0);
/** Up to here, decoding the whole chunk and searching the text is cheaper than searching the bytes first. */
const DECODE_WHOLE_BYTES = 2048;
const GATHER_BYTES = 1024;

/** Requests may follow one empty line (RFC 9112 §2.2); responses may not. */
export type HeadKind = "request" | "response";

export class HeadCollector {
  /** The head, blank line included, once `push` returned true without a problem. */
  text = "";
  /** What followed the head in its last chunk: a view of that chunk. */
  rest: Buffer = EMPTY;
  problem: HttpProblem | undefined;
  readonly #bytesMax: number;
  readonly #kind: HeadKind;
  #gathered: Buffer = EMPTY;
  #length = 0;
  #emptyLineSkipped = false;

  constructor(bytesMax: number, kind: HeadKind = "request") {
    this.#bytesMax = bytesMax;
    this.#kind = kind;
  }

  /** True once a byte of the head is held: from then on the peer owes the rest of it. */
  get started(): boolean {
    return this.#length > 0;
  }

  /** Takes the next bytes. True: the head is complete (`text`, `rest`), or it never will be (`problem`). */
  push(chunk: Buffer): boolean {
    if (this.#length > 0) return this.#gather(chunk);
    const first = chunk[0];
    if (first === undefined) return false;
    if (this.#kind === "request" ? !isTokenByte(first) : first !== LETTER_H) return this.#pushOdd(chunk, first);
    return this.#pushWhole(chunk);
  }

  /** Ready for the next message. Frees what was gathered. */
  reset(): void {
    this.text = "";
    this.rest = EMPTY;
    this.problem = undefined;
    this.#gathered = EMPTY;
    this.#length = 0;
    this.#emptyLineSkipped = false;
  }

  #pushWhole(chunk: Buffer): boolean {
    const length = chunk.length;
    if (length <= DECODE_WHOLE_BYTES) {
      const text = chunk.toString("latin1");
      const at = text.indexOf(BLANK_LINE);
      if (at < 0) return this.#gather(chunk);
      const end = at + 4;
      if (end > this.#bytesMax) return this.#tooLarge(chunk);
      if (end === length) {
        this.text = text;
        this.rest = EMPTY;
      } else {
        this.text = text.slice(0, end);
        this.rest = chunk.subarray(end);
      }
      return true;
    }
    const at = chunk.indexOf(BLANK_LINE_BYTES);
    if (at < 0) return this.#gather(chunk);
    if (at + 4 > this.#bytesMax) return this.#tooLarge(chunk);
    this.text = chunk.toString("latin1", 0, at + 4);
    this.rest = chunk.subarray(at + 4);
    return true;
  }

  /** The first byte cannot begin a head: it is an empty line to skip, or nothing that HTTP knows. */
  #pushOdd(chunk: Buffer, first: number): boolean {
    if (first === CR && this.#kind === "request" && !this.#emptyLineSkipped) {
      if (chunk.length === 1) return this.#gather(chunk);
      if (chunk[1] === LF) {
        this.#emptyLineSkipped = true;
        return this.push(chunk.subarray(2));
      }
    }
    if (first === TLS_HANDSHAKE && this.#kind === "request") {
      return this.#refuse("a TLS handshake on a plain HTTP connection");
    }
    return this.#refuse(`${describeByte(first)} at the start of a ${this.#kind}`);
  }

  #gather(chunk: Buffer): boolean {
    const before = this.#length;
    // A lone CR was held back: with its LF it is the empty line that may come before a request.
    if (before === 1 && this.#gathered[0] === CR && chunk.length > 0) {
      this.#length = 0;
      if (chunk[0] !== LF) return this.#refuse(`a carriage return at the start of a ${this.#kind}`);
      this.#emptyLineSkipped = true;
      return this.push(chunk.subarray(1));
    }
    // No more than the limit is ever held, whatever the size of the chunk.
    const room = this.#bytesMax - before;
    const taken = Math.min(chunk.length, room);
    this.#append(chunk, taken);
    const held = this.#gathered;
    const end = before + taken;
    for (let at = before; at < end; at++) {
      if (held[at] !== LF) continue;
      if (at === 0 || held[at - 1] !== CR) return this.#refuse("a line that ends with a bare line feed");
      if (at >= 3 && held[at - 2] === LF && held[at - 3] === CR) {
        this.text = held.toString("latin1", 0, at + 1);
        this.rest = chunk.subarray(at + 1 - before);
        this.#gathered = EMPTY;
        this.#length = 0;
        return true;
      }
    }
    if (end >= this.#bytesMax) return this.#tooLarge(held);
    return false;
  }

  #append(chunk: Buffer, taken: number): void {
    const length = this.#length + taken;
    if (length > this.#gathered.length) {
      const grown = Buffer.alloc(Math.min(this.#bytesMax, Math.max(GATHER_BYTES, length * 2)));
      this.#gathered.copy(grown, 0, 0, this.#length);
      this.#gathered = grown;
    }
    chunk.copy(this.#gathered, this.#length, 0, taken);
    this.#length = length;
  }

  #tooLarge(held: Buffer): boolean {
    const firstEnd = held.indexOf(LF);
    if (this.#kind === "response") {
      this.problem = new HttpProblem("TARGET_PROTOCOL", `the response head is larger than ${this.#bytesMax} bytes`);
    } else if (firstEnd < 0 || firstEnd >= this.#bytesMax) {
      // RFC 9112 §3: a client is told that it is the target, where nothing else has come.
      this.problem = new HttpProblem("TARGET_TOO_LONG", `the request line is longer than ${this.#bytesMax} bytes`);
    } else {
      this.problem = new HttpProblem("HEAD_TOO_LARGE", `the request head is larger than ${this.#bytesMax} bytes`);
    }
    this.#gathered = EMPTY;
    return true;
  }

  #refuse(reason: string): boolean {
    this.problem = new HttpProblem(this.#kind === "request" ? "BAD_REQUEST" : "TARGET_PROTOCOL", reason);
    this.#gathered = EMPTY;
    return true;
  }
}
