/**
 * Puts a connector's answer together as one HTTP/1.1 response: head, and a body framed as the head says. Sans-IO.
 *
 * What is announced is kept to. A body that is longer or shorter than its length never looks complete.
 */
import { HttpProblem } from "../http/http-problem.ts";
import { readResponseText, type ResponseFraming } from "./response-text.ts";

export interface ResponseEvents {
  /** Bytes of the response. The chunk is lent for the call, and may end the writer's use. */
  bytes(chunk: Buffer): void;
  /** The response is whole. */
  complete(): void;
  /** There will be no more of it. */
  broken(problem: HttpProblem): void;
}

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

export class ResponseWriter {
  readonly #events: ResponseEvents;
  readonly #reason: (status: number) => string;
  #phase: "head" | ResponseFraming | "over" = "head";
  #remaining = 0;

  constructor(events: ResponseEvents, reason: (status: number) => string) {
    this.#events = events;
    this.#reason = reason;
  }

  /** The head has been written. */
  get begun(): boolean {
    return this.#phase !== "head";
  }

  head(text: string, requestMethod: string): void {
    if (this.#phase === "over") return;
    if (this.#phase !== "head") return this.#broken("the connector sent a second head");
    const read = readResponseText(text, requestMethod, this.#reason);
    if (read instanceof HttpProblem) {
      this.#phase = "over";
      this.#events.broken(read);
      return;
    }
    this.#phase = read.framing;
    this.#remaining = read.length;
    this.#events.bytes(Buffer.from(read.head, "latin1"));
    if (read.framing === "none" || (read.framing === "length" && read.length === 0)) this.#complete();
  }

  body(chunk: Buffer): void {
    switch (this.#phase) {
      case "head":
        return this.#broken("the connector sent a body before its head");
      case "length":
        if (chunk.length > this.#remaining) return this.#broken("the body is longer than its Content-Length");
        this.#remaining -= chunk.length;
        this.#events.bytes(chunk);
        if (this.#remaining === 0) this.#complete();
        return;
      case "chunked":
        return this.#chunk(chunk);
      case "none":
      case "over":
    }
  }

  /** The connector says that this was all. */
  end(): void {
    switch (this.#phase) {
      case "head":
        return this.#broken("the connector ended its answer without a head", "TARGET_FAILED");
      case "length":
        return this.#broken(`the body ended ${this.#remaining} bytes before its Content-Length`, "TARGET_FAILED");
      case "chunked":
        this.#events.bytes(LAST_CHUNK);
        this.#complete();
        return;
      case "none":
      case "over":
    }
  }

  /** Nothing more is wanted. */
  stop(): void {
    this.#phase = "over";
  }

  #chunk(chunk: Buffer): void {
    // An empty one would be the last.
    if (chunk.length === 0) return;
    this.#events.bytes(Buffer.from(`${chunk.length.toString(16)}\r\n`, "latin1"));
    if (this.#phase === "chunked") this.#events.bytes(chunk);
    if (this.#phase === "chunked") this.#events.bytes(CRLF);
  }

  #complete(): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#events.complete();
  }

  #broken(reason: string, code: "TARGET_PROTOCOL" | "TARGET_FAILED" = "TARGET_PROTOCOL"): void {
    this.#phase = "over";
    this.#events.broken(new HttpProblem(code, reason));
  }
}
