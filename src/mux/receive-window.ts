/**
 * The receive side's credit of one stream: what the peer may still send, and how far its window may grow.
 *
 * Credit goes back in halves of the window, when the reader consumed. A window whose half is consumed within two round
 * trips limits the peer, so it doubles, up to the stream's maximum and as far as the link's and the node's budgets allow.
 */
import { INITIAL_WINDOW_BYTES } from "./frame.ts";
import type { WindowBudget } from "./mux-limits.ts";

const GROW_WITHIN_ROUND_TRIPS = 2;
/** A window need not hold more than 1 GB/s delivers in two round trips; on short paths that is little. */
const FAST_BYTES_PER_MS = 1_000_000;
const SHORT_PATH_WINDOW_MAX = 1024 * 1024;

export class ReceiveWindow {
  #sizeBytes = INITIAL_WINDOW_BYTES;
  /** What the peer may still send. */
  #openBytes = INITIAL_WINDOW_BYTES;
  /** Consumed by the reader, not yet returned to the peer. */
  #owedBytes = 0;
  /** When credit was returned last, or the first bytes came; negative before. */
  lastUpdateAt = -1;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** A frame of `bytes` begins. False: the peer sends more than it may. */
  receive(bytes: number, now: number): boolean {
    if (this.lastUpdateAt < 0) this.lastUpdateAt = now;
    this.#openBytes -= bytes;
    return this.#openBytes >= 0;
  }

  /** True once enough is owed for a window update to be worth a frame. */
  consume(bytes: number): boolean {
    this.#owedBytes += bytes;
    return this.#owedBytes >= this.#sizeBytes / 2;
  }

  /** The credit to return now, in bytes, grown where round trip and budgets say so. */
  update(now: number, roundTripMs: number | undefined, maxBytes: number, budgets: readonly WindowBudget[]): number {
    let credit = this.#owedBytes;
    this.#owedBytes = 0;
    const elapsedMs = now - this.lastUpdateAt;
    this.lastUpdateAt = now;
    if (roundTripMs !== undefined && elapsedMs < roundTripMs * GROW_WITHIN_ROUND_TRIPS) {
      const useful = Math.max(SHORT_PATH_WINDOW_MAX, 2 * roundTripMs * FAST_BYTES_PER_MS);
      const growth = Math.min(this.#sizeBytes, Math.min(maxBytes, useful) - this.#sizeBytes);
      if (growth > 0 && takeAll(budgets, growth)) {
        this.#sizeBytes += growth;
        credit += growth;
      }
    }
    this.#openBytes += credit;
    return credit;
  }

  /** Gives the growth back to the budgets; the stream is over. */
  release(budgets: readonly WindowBudget[]): void {
    const growth = this.#sizeBytes - INITIAL_WINDOW_BYTES;
    if (growth === 0) return;
    this.#sizeBytes = INITIAL_WINDOW_BYTES;
    for (const budget of budgets) budget.giveBack(growth);
  }
}

function takeAll(budgets: readonly WindowBudget[], bytes: number): boolean {
  for (let taken = 0; taken < budgets.length; taken++) {
    if (budgets[taken]!.take(bytes)) continue;
    for (let back = 0; back < taken; back++) budgets[back]!.giveBack(bytes);
    return false;
  }
  return true;
}
