/** What a client sent so far, kept while another offer may have to be sent the same; given up beyond a bound. */

export const REPLAY_BYTES_MAX = 64 * 1024;

/** How much is kept. */
export interface ReplayLimit {
  readonly bytes: number;
  readonly chunks: number;
}

const STREAMED: ReplayLimit = { bytes: REPLAY_BYTES_MAX, chunks: Number.POSITIVE_INFINITY };
/** Of datagrams: sessions are many and cost their clients nothing, may never be answered, and who misses some begins anew. */
export const REPLAYED_DATAGRAMS: ReplayLimit = { bytes: 8 * 1024, chunks: 16 };

export class ReplayBuffer {
  readonly #limit: ReplayLimit;
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;

  constructor(limit = STREAMED) {
    this.#limit = limit;
  }

  /** True while everything is still here. */
  get complete(): boolean {
    return this.#chunks !== undefined;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks ?? [];
  }

  /** A chunk that an offer has been sent; too many of them and there is no second try. */
  pushSent(chunk: Buffer): void {
    if (this.#chunks === undefined) return;
    this.#bytes += chunk.length;
    const { bytes, chunks } = this.#limit;
    if (this.#bytes > bytes || this.#chunks.length >= chunks) this.#chunks = undefined;
    else this.#chunks.push(Buffer.from(chunk));
  }

  /** A chunk that nobody has been sent yet. It must be kept; the client's credit bounds how much that can be. */
  pushUnsent(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#chunks?.push(Buffer.from(chunk));
  }

  /** Something came back, so nothing will be sent again. */
  giveUp(): void {
    this.#chunks = undefined;
  }
}
