/** Cuts bytes into lines of bounded length, however they are split on the way. Pure; O(n) in all, one copy per split line. */

const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #lineBytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Calls `line` for each line that `chunk` completes, without its newline. False: a line is too long. */
  push(chunk: Buffer, line: (bytes: Buffer) => void): boolean {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const stop = end < 0 ? chunk.length : end;
      if (this.#bytes + stop - start > this.#lineBytesMax) return false;
      if (end < 0) {
        if (stop > start) this.#keep(chunk.subarray(start));
        return true;
      }
      const piece = chunk.subarray(start, end);
      start = end + 1;
      line(this.#bytes === 0 ? piece : this.#join(piece));
    }
  }

  /** Many small pieces are joined now and then, so that a line sent byte by byte does not hold a Buffer per byte. */
  #keep(piece: Buffer): void {
    this.#parts.push(Buffer.from(piece));
    this.#bytes += piece.length;
    if (this.#parts.length >= 256) this.#parts = [Buffer.concat(this.#parts)];
  }

  #join(last: Buffer): Buffer {
    const joined = Buffer.concat([...this.#parts, last], this.#bytes + last.length);
    this.#parts = [];
    this.#bytes = 0;
    return joined;
  }
}
