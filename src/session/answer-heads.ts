/** The heads of an answer as they arrive: any number of informational ones, then the final one. */
import { HeadCollector } from "../http/head-collector.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { parseResponseHead, type ResponseHead } from "../http/response-head.ts";
import { UNASKED_TUNNEL } from "../http/upgrade.ts";
import type { ExchangeRequest } from "./exchange-contract.ts";

/** A subclass rather than an owner, so that an exchange has one object less. */
export class AnswerHeads extends HeadCollector {
  constructor(bytesMax: number) {
    super(bytesMax, "response");
  }

  /** The next head of the answer to `request`, with what follows it in `rest`; undefined while it is not whole. `reset` before the next one. */
  take(bytes: Buffer, request: ExchangeRequest): ResponseHead | HttpProblem | undefined {
    if (!this.push(bytes)) return undefined;
    const head = this.problem ?? parseResponseHead(this.text, request.method);
    if (head instanceof HttpProblem) return head;
    return head.framing === "tunnel" && !request.upgrade ? UNASKED_TUNNEL : head;
  }
}
