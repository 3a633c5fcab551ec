/** Watches that a client takes what waits for it, however slowly. Looked at now and then; costs nothing between. */
import { PolarityError } from "../base/errors.ts";

/** Where an answer waits for its client. */
export interface AnswerReader {
  /** Bytes wait to be taken. */
  readonly waiting: boolean;
  /** Changes whenever some are. */
  readonly takenMark: number;
}

export class ReaderWatch {
  readonly #stream: AnswerReader;
  /** For people: `the client 203.0.113.9:5501`. */
  readonly #who: string;
  #mark = 0;
  /** Since when the mark has stood; negative while nothing waits. */
  #since = -1;

  constructor(stream: AnswerReader, who: string) {
    this.#stream = stream;
    this.#who = who;
  }

  /** Set when the client has taken nothing of what waits for it, for `timeoutMs`. */
  problem(now: number, timeoutMs: number): PolarityError | undefined {
    if (!this.#stream.waiting) {
      this.#since = -1;
      return undefined;
    }
    const mark = this.#stream.takenMark;
    if (this.#since < 0 || mark !== this.#mark) {
      this.#mark = mark;
      this.#since = now;
    }
    if (now - this.#since < timeoutMs) return undefined;
    const what = `took no byte of the answer that waits for it for ${timeoutMs} ms`;
    return new PolarityError("SLOW_READER", `${this.#who} ${what}`);
  }
}
