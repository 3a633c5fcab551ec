/**
 * Holds the one HTTP request of a stream to its borders, on its way to a server in this program.
 *
 * A link's peer need not be Polarity: its request is checked as strictly as at a listener, passes unchanged, and nothing may
 * follow it. Otherwise what Node's parser reads differently could be a second request that nobody routed.
 */
import type { PolarityError } from "../base/errors.ts";
import { BodyReader } from "../http/body-framing.ts";
import { HeadCollector } from "../http/head-collector.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseRequestHead } from "../http/request-head.ts";

/** The same bounds as for apps behind targets. */
const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_LIMITS = { targetBytesMax: 64 * 1024, fieldCountMax: 1000 };

export class RequestGuard {
  readonly #collector = new HeadCollector(HEAD_BYTES_MAX, "request");
  readonly #body = new BodyReader("BAD_REQUEST");
  readonly #upgrades: () => boolean;
  #phase: "head" | "body" | "complete" | "tunnel" = "head";

  /** `upgrades`: whether the server takes other protocols; else a request for one is a request like any other. */
  constructor(upgrades: () => boolean) {
    this.#upgrades = upgrades;
  }

  /** True until the request's head was seen whole. */
  get waitsForHead(): boolean {
    return this.#phase === "head";
  }

  /** True when the request was seen whole, or became something else than HTTP. */
  get isComplete(): boolean {
    return this.#phase === "complete" || this.#phase === "tunnel";
  }

  /** Hands what may pass of `chunk` to `pass`. Returns why the rest may not. */
  push(chunk: Buffer, pass: (part: Buffer) => void): PolarityError | undefined {
    switch (this.#phase) {
      case "head":
        return this.#head(chunk, pass);
      case "body":
        return this.#takeBody(chunk, pass);
      case "tunnel":
        pass(chunk);
        return undefined;
      case "complete":
      default:
        return new HttpProblem("BAD_REQUEST", "there are bytes after the end of the request").toError();
    }
  }

  #head(chunk: Buffer, pass: (part: Buffer) => void): PolarityError | undefined {
    const collector = this.#collector;
    if (!collector.push(chunk)) return undefined;
    const { problem, text, rest } = collector;
    const head = problem ?? parseRequestHead(text, HEAD_LIMITS);
    if (head instanceof HttpProblem) return head.toError();
    if (head.form === "absolute" || head.versionMinor !== 1) {
      return new HttpProblem("BAD_REQUEST", "a request on a stream needs origin form and HTTP/1.1").toError();
    }
    this.#body.start(head.bodyKind, head.bodyLength);
    // What follows an upgrade is not HTTP's any more.
    if (head.upgrade !== "" && this.#upgrades()) this.#phase = "tunnel";
    else this.#phase = this.#body.done ? "complete" : "body";
    pass(Buffer.from(text, "latin1"));
    return rest.length > 0 ? this.push(rest, pass) : undefined;
  }

  #takeBody(chunk: Buffer, pass: (part: Buffer) => void): PolarityError | undefined {
    const reader = this.#body;
    const taken = reader.take(chunk);
    if (reader.problem !== undefined) return reader.problem.toError();
    const goingOn = reader.goingOn(chunk);
    if (goingOn.length > 0) pass(goingOn);
    if (!reader.done) return undefined;
    this.#phase = "complete";
    return taken < chunk.length ? this.push(chunk.subarray(taken), pass) : undefined;
  }
}
