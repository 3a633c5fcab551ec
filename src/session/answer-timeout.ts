/** A route's limit on the time until an answer begins; an object of its own, so that exchanges without it pay nothing. */
import type { Timed } from "../base/deadlines.ts";
import type { ExchangeContext } from "./exchange-contract.ts";

export class AnswerTimeout implements Timed {
  deadlineIndex = -1;
  deadline = 0;
  readonly #context: ExchangeContext;
  readonly #exchange: { answerOverdue(timeoutMs: number): void };
  readonly #timeoutMs: number;
  /** The request's body is under way. */
  #uploading = false;
  #moved = false;
  /** The far side takes no more of it for now. */
  #held = false;

  /** The time begins now. */
  constructor(context: ExchangeContext, exchange: { answerOverdue(timeoutMs: number): void }, timeoutMs: number) {
    this.#context = context;
    this.#exchange = exchange;
    this.#timeoutMs = timeoutMs;
    this.#begin();
  }

  /** Body was sent. `room`: there is room for more. */
  uploaded(room: boolean): void {
    this.#uploading = true;
    this.#moved = true;
    this.#held = !room;
  }

  drained(): void {
    this.#held = false;
  }

  /** The app has been asked all: if that took time, its own begins now. */
  requestEnded(): void {
    if (!this.#uploading) return;
    this.#uploading = false;
    this.#begin();
  }

  stop(): void {
    this.#context.deadlines.clear(this);
  }

  due(): void {
    if (this.#uploading && (this.#moved || !this.#held)) {
      // It is the client that takes its time, or nobody.
      this.#moved = false;
      this.#begin();
    } else {
      this.#exchange.answerOverdue(this.#timeoutMs);
    }
  }

  #begin(): void {
    this.#context.deadlines.set(this, this.#context.clock.now() + this.#timeoutMs);
  }
}
