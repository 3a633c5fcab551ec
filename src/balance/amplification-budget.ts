/**
 * How much may be answered to a client that may not be who it says.
 *
 * Whoever sends a datagram can write any address into it, and the answer goes there. So answers are held to a factor of
 * what came, until the client has taken part in a number of turns: it sent, was answered, and sent again. Bytes count as
 * they are on the wire, with the headers of IP and UDP, as that is what a victim's line gets. O(1). Pure.
 */

/** Of IPv4 and UDP; those of IPv6 are larger, in both directions. */
const HEADERS_BYTES = 28;

export interface AmplificationLimit {
  /** Answers may be so many times as large as what came. 0: no limit. */
  readonly factor: number;
  /** Turns after which there is no limit. 0: it stays for ever. */
  readonly turns: number;
}

export class AmplificationBudget {
  readonly #factor: number;
  readonly #turnsNeeded: number;
  #left = 0;
  #turns = 0;
  #answered = false;

  constructor({ factor, turns }: AmplificationLimit) {
    this.#factor = factor;
    this.#turnsNeeded = turns;
  }

  /** Nothing is held back. */
  get open(): boolean {
    return this.#factor === 0 || (this.#turnsNeeded > 0 && this.#turns >= this.#turnsNeeded);
  }

  /** The client sent a datagram of so many bytes. */
  received(bytes: number): void {
    if (this.#answered) {
      this.#answered = false;
      this.#turns++;
    }
    if (!this.open) this.#left += (bytes + HEADERS_BYTES) * this.#factor;
  }

  /** Whether the client may be sent a datagram of so many bytes, which then counts. */
  spend(bytes: number): boolean {
    if (!this.open) {
      const cost = bytes + HEADERS_BYTES;
      if (cost > this.#left) return false;
      this.#left -= cost;
    }
    this.#answered = true;
    return true;
  }
}
