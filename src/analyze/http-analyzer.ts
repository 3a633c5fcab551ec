/**
 * Statistics of HTTP/1.1: requests by method, responses by class of status, how long responses take to begin, and how
 * connections are used.
 *
 * Heads are read as strictly as everywhere else here, and up to the same size. Where one cannot be, nobody can tell what
 * follows it: the connection is counted as unreadable and looked at no further. So is HTTP/2.
 */
import { BodyReader } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { DEFAULT_HEAD_BYTES_MAX } from "../http/head-limits.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead } from "../http/request-head.ts";
import { parseResponseHead } from "../http/response-head.ts";
import type { Analyzer, Tap } from "./analyzer.ts";
import type { Meters } from "./meters.ts";
import { PendingQueue } from "./pending-queue.ts";

/** Others are counted together: a client may invent methods. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"]);

export function createHttpAnalyzer(meters: Meters): Analyzer {
  return { open: () => new HttpTap(meters) };
}

class HttpTap implements Tap {
  readonly #meters: Meters;
  readonly #requests = new HeadCollector(DEFAULT_HEAD_BYTES_MAX, "request");
  readonly #responses = new HeadCollector(DEFAULT_HEAD_BYTES_MAX, "response");
  readonly #requestBody = new BodyReader("BAD_REQUEST");
  readonly #responseBody = new BodyReader("TARGET_PROTOCOL");
  /** By method, since it decides whether a response has a body. */
  readonly #pending = new PendingQueue<string>();
  #inRequestBody = false;
  #inResponseBody = false;
  #asked = 0;
  #answered = 0;
  /** What follows is nothing that can be read: a tunnel, or what nobody understands. */
  #over = false;

  constructor(meters: Meters) {
    this.#meters = meters;
  }

  fromClient(bytes: Buffer, now: number): void {
    let rest = bytes;
    while (rest.length > 0 && !this.#over) {
      if (this.#inRequestBody) {
        rest = rest.subarray(this.#requestBody.take(rest));
        if (this.#requestBody.problem !== undefined) this.#unreadable(now);
        if (!this.#requestBody.done) return;
        this.#inRequestBody = false;
      } else {
        if (!this.#requests.push(rest)) return;
        rest = this.#requests.rest;
        this.#request(now);
      }
    }
  }

  fromServer(bytes: Buffer, now: number): void {
    let rest = bytes;
    while (rest.length > 0 && !this.#over) {
      if (this.#inResponseBody) {
        rest = rest.subarray(this.#responseBody.take(rest));
        if (this.#responseBody.problem !== undefined) this.#unreadable(now);
        if (!this.#responseBody.done) return;
        this.#inResponseBody = false;
      } else {
        if (!this.#responses.push(rest)) return;
        rest = this.#responses.rest;
        this.#response(now);
      }
    }
  }

  closed(now: number): void {
    if (this.#asked > 1) this.#meters.counter("connections_reused").add(now);
    if (this.#pending.size > 0) this.#meters.counter("requests_unanswered").add(now, this.#pending.size);
  }

  statistics() {
    return { requests: this.#asked, responses: this.#answered };
  }

  #request(now: number): void {
    const { problem, text } = this.#requests;
    const head = problem ?? parseRequestHead(text);
    this.#requests.reset();
    if (head instanceof HttpProblem || !this.#pending.push(head.method, now)) {
      this.#unreadable(now);
      return;
    }
    this.#asked++;
    this.#meters.meter("requests").add(now);
    this.#meters.counter(METHODS.has(head.method) ? `method_${head.method}` : "method_other").add(now);
    if (this.#pending.size > 1) this.#meters.counter("requests_pipelined").add(now);
    this.#requestBody.start(head.bodyKind, head.bodyLength);
    this.#inRequestBody = !this.#requestBody.done;
  }

  #response(now: number): void {
    const { problem, text } = this.#responses;
    const method = this.#pending.kind;
    const head =
      problem ?? (method === undefined ? new HttpProblem("TARGET_PROTOCOL", "") : parseResponseHead(text, method));
    this.#responses.reset();
    if (head instanceof HttpProblem) {
      this.#unreadable(now);
      return;
    }
    if (head.informational) return;
    this.#answered++;
    this.#meters.meter("responses").add(now);
    this.#meters.counter(`status_${Math.floor(head.status / 100)}xx`).add(now);
    const since = this.#pending.take();
    if (since !== undefined) this.#meters.durations("response").record(now - since);
    if (head.framing === "tunnel" || (method === "CONNECT" && head.status < 300)) {
      this.#meters.counter("tunnels").add(now);
      this.#over = true;
      return;
    }
    this.#responseBody.start(head.framing, head.bodyLength);
    this.#inResponseBody = !this.#responseBody.done;
  }

  #unreadable(now: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#pending.clear();
    this.#meters.counter("connections_unreadable").add(now);
  }
}
