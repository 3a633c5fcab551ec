/**
 * Credit that a stream is owed for bytes which whoever they were passed on to has not taken yet.
 *
 * Who passes bytes on from one stream to another pays at once where `write` returns true, and owes until `drain` where it
 * does not. What is owed must be paid before either side gets another user: a stream that nobody pays stays paused for ever,
 * and whoever uses it next waits.
 *
 * Nothing is allocated until something is owed: fields begin as `NOTHING_OWED` and are set to what `plus` returns.
 */
import type { ByteStream } from "./byte-stream.ts";

export class OwedCredit {
  #to: ByteStream | undefined;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** As much as before and `bytes` more, to `stream`. A stream before that one is paid. */
  plus(stream: ByteStream, bytes: number): OwedCredit {
    const owed = this === NOTHING_OWED ? new OwedCredit() : this;
    if (owed.#to !== stream) owed.settle();
    owed.#to = stream;
    owed.#bytes += bytes;
    return owed;
  }

  /** All of it is paid: the bytes were taken, or nobody is left to take them. */
  settle(): void {
    const bytes = this.#bytes;
    if (bytes === 0) return;
    const stream = this.#to!;
    this.#bytes = 0;
    this.#to = undefined;
    stream.consumed(bytes);
  }
}

/** What all fields begin as; it never changes. */
export const NOTHING_OWED = new OwedCredit();
