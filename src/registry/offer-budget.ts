/**
 * What the offers of one payer may take, over all of its links, in bytes, and those of all together.
 *
 * A payer is whoever a peer proved to be, or an address where it proved nothing. What is counted is about what an offer
 * costs this node: its words, and what is kept besides for each. A payer may have no more than it leaves free for all others,
 * so that several greedy ones together keep out nobody who wants little. O(1). Pure.
 */
import { PolarityError } from "../base/errors.ts";
import type { Announcement, Hop } from "./announcement.ts";

/** Of the budget of one payer: what all of them have together. */
const PAYERS_AT_ONCE = 4;
/** What is kept for an offer, and for the name if it is new, beside the words. */
const OFFER_BYTES = 1024;
const HOP_BYTES = 64;

export class OfferBudget {
  readonly #payerBytesMax: number;
  readonly #byPayer = new Map<string, number>();
  #bytes = 0;

  constructor(payerBytesMax: number) {
    this.#payerBytesMax = payerBytesMax;
  }

  /** Takes `bytes` instead of `before` for an offer of `service`. Returns why it cannot. */
  take(payer: string | undefined, service: string, before: number, bytes: number): PolarityError | undefined {
    if (payer === undefined) return undefined;
    const has = this.#byPayer.get(payer) ?? 0;
    const more = bytes - before;
    if (more > 0 && has + more > this.#payerBytesMax) {
      const limit = `${this.#payerBytesMax} bytes that all offers of ${payer} may take here`;
      return new PolarityError("LINK_LIMIT", `the offer of service "${service}" is past the ${limit}`);
    }
    const total = PAYERS_AT_ONCE * this.#payerBytesMax;
    const free = total - this.#bytes - more;
    if (more > 0 && has + more > free) {
      const limit = `${free + more} bytes that are left of the ${total} that all offers of all peers may take here`;
      const why = `with it ${payer} would have more than the ${limit}`;
      return new PolarityError("LINK_LIMIT", `the offer of service "${service}" is one too many: ${why}`);
    }
    this.#count(payer, has + more, more);
    return undefined;
  }

  giveBack(payer: string | undefined, bytes: number): void {
    if (payer !== undefined) this.#count(payer, (this.#byPayer.get(payer) ?? 0) - bytes, -bytes);
  }

  #count(payer: string, has: number, more: number): void {
    this.#bytes += more;
    if (has <= 0) this.#byPayer.delete(payer);
    else this.#byPayer.set(payer, has);
  }
}

/** About what it takes to keep it. */
export function offerBytes({ service, labels }: Announcement, path: readonly Hop[]): number {
  let characters = service.length;
  for (const [name, value] of Object.entries(labels)) characters += name.length + value.length;
  // The first is the peer itself, which its link has anyway.
  for (const { node, instance } of path.slice(1)) characters += node.length + instance.length + HOP_BYTES;
  return OFFER_BYTES + 2 * characters;
}
