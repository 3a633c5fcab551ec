/**
 * When resets may leave, so that no peer gets more of them in a second than it takes.
 *
 * A peer counts what arrives, and a path that stalled delivers at once what left over seconds. So resets leave in batches of
 * an eighth of what the peer takes, with a ping behind each. A batch counts until its pong has been here for a while: then
 * the peer has read it, and counts it no more. No more than eight batches count at any time.
 *
 * take: O(1), no allocation but for the end of a batch. Pure: time is given.
 */

/** Longer than the second that peers count by, because some count by a timer that may be late. */
const READ_FOR_MS = 1_500;
const BATCHES = 8;
/** Pings of ours that measure the path have lower values. */
const FIRST_PING = 0x8000_0000;

interface Batch {
  readonly ping: number;
  /** Since when the peer is known to have read it; negative before its pong. */
  readAt: number;
}

export class ResetPace {
  #batchMax = 0;
  #batchesMax = 0;
  /** Of the batch that is open. */
  #count = 0;
  /** Full ones that count still, oldest first. */
  readonly #batches: Batch[] = [];
  #nextPing = FIRST_PING;

  /** `perSecond`: what the peer takes. */
  constructor(perSecond: number) {
    this.limit(perSecond);
  }

  /** The peer has told its limit. */
  limit(perSecond: number): void {
    this.#batchMax = Math.max(1, Math.floor(perSecond / BATCHES));
    this.#batchesMax = Math.min(BATCHES, Math.max(1, Math.floor(perSecond)));
  }

  /** True: a reset may leave now, and is counted. */
  take(now: number): boolean {
    if (this.#count >= this.#batchMax || !this.#mayOpen(now)) return false;
    this.#count++;
    return true;
  }

  /**
   * The value of a ping that has to leave now, right behind the resets; undefined without one. `early`: a batch that is not
   * full may end, so that a steady trickle never has to wait.
   */
  pingDue(early: boolean): number | undefined {
    const enough = early && this.#batches.length === 0 ? this.#batchMax / 8 : this.#batchMax;
    if (this.#count === 0 || this.#count < enough) return undefined;
    const ping = this.#nextPing;
    this.#nextPing = ping === 0xffff_ffff ? FIRST_PING : ping + 1;
    this.#batches.push({ ping, readAt: -1 });
    this.#count = 0;
    return ping;
  }

  /** A pong arrived. False: its ping was none of these. */
  pong(value: number, now: number): boolean {
    if (value < FIRST_PING) return false;
    const batch = this.#batches.find(({ ping }) => ping === value);
    if (batch !== undefined && batch.readAt < 0) batch.readAt = now;
    return true;
  }

  #mayOpen(now: number): boolean {
    const batches = this.#batches;
    while (batches.length > 0 && batches[0]!.readAt >= 0 && now - batches[0]!.readAt >= READ_FOR_MS) batches.shift();
    return batches.length < this.#batchesMax;
  }
}
