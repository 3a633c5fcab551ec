/** What a client sent so far, kept while another offer may have to be sent the same; given up beyond a bound. */

export const REPLAY_BYTES_MAX = 64 * 1024;

export class ReplayBuffer {
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;

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
    if (this.#bytes > REPLAY_BYTES_MAX) this.#chunks = undefined;
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
