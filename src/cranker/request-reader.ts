/**
 * Takes an HTTP/1.1 request apart, as it comes on a stream: its head, then its body without framing. Trailers are dropped,
 * for cranker has no place for them. Sans-IO; bytes may come split anywhere.
 */
import { BodyReader, ChunkedDecoder } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";

export interface RequestEvents {
  /** `hasBody`: `body` and `bodyEnd` follow. */
  head(head: RequestHead, hasBody: boolean): void;
  /** The chunk is lent for the call. */
  body(chunk: Buffer): void;
  bodyEnd(): void;
  /** There will be no more. */
  refused(problem: HttpProblem): void;
}

const HEAD_BYTES_MAX = 128 * 1024;
const HEAD_LIMITS = Object.freeze({ targetBytesMax: 64 * 1024, fieldCountMax: 1000 });

export class RequestReader {
  readonly #events: RequestEvents;
  #collector: HeadCollector | undefined;
  readonly #length = new BodyReader("BAD_REQUEST");
  #chunked: ChunkedDecoder | undefined;
  #phase: "head" | "length" | "chunked" | "complete" | "refused" = "head";

  constructor(events: RequestEvents) {
    this.#events = events;
  }

  /** The request is here whole. */
  get complete(): boolean {
    return this.#phase === "complete";
  }

  /** A head that is there in one piece. */
  takeHead(text: string): void {
    this.#headIs(parseRequestHead(text, HEAD_LIMITS));
  }

  take(chunk: Buffer): void {
    switch (this.#phase) {
      case "head":
        return this.#takeHead(chunk);
      case "length":
        return this.#takeLength(chunk);
      case "chunked":
        return this.#takeChunked(chunk);
      case "complete":
        if (chunk.length > 0) this.#refuse(new HttpProblem("BAD_REQUEST", "bytes after the end of the request"));
        return;
      case "refused":
    }
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#phase === "complete" || this.#phase === "refused") return;
    this.#refuse(new HttpProblem("BAD_REQUEST", "the stream ended in the middle of the request"));
  }

  #takeHead(chunk: Buffer): void {
    const collector = (this.#collector ??= new HeadCollector(HEAD_BYTES_MAX));
    if (!collector.push(chunk)) return;
    const { problem, text, rest } = collector;
    this.#collector = undefined;
    this.#headIs(problem ?? parseRequestHead(text, HEAD_LIMITS));
    if (rest.length > 0) this.take(rest);
  }

  #headIs(head: RequestHead | HttpProblem): void {
    if (head instanceof HttpProblem) return this.#refuse(head);
    if (head.bodyKind === "none") {
      this.#phase = "complete";
    } else if (head.bodyKind === "length") {
      this.#phase = "length";
      this.#length.start("length", head.bodyLength);
    } else {
      this.#phase = "chunked";
      this.#chunked = new ChunkedDecoder("BAD_REQUEST");
    }
    this.#events.head(head, head.bodyKind !== "none");
  }

  #takeLength(chunk: Buffer): void {
    const taken = this.#length.take(chunk);
    if (taken > 0) this.#events.body(taken === chunk.length ? chunk : chunk.subarray(0, taken));
    this.#tookBody(this.#length.done, chunk.subarray(taken));
  }

  #takeChunked(chunk: Buffer): void {
    const decoder = this.#chunked!;
    const payload: Buffer[] = [];
    const taken = decoder.take(chunk, payload);
    for (const part of payload) this.#events.body(part);
    if (decoder.problem !== undefined) return this.#refuse(decoder.problem);
    this.#tookBody(decoder.done, chunk.subarray(taken));
  }

  #tookBody(done: boolean, rest: Buffer): void {
    if (!done || this.#phase === "refused") return;
    this.#phase = "complete";
    this.#events.bodyEnd();
    this.take(rest);
  }

  #refuse(problem: HttpProblem): void {
    this.#phase = "refused";
    this.#events.refused(problem);
  }
}
