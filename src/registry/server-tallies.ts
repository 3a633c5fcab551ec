/** What one-to-N sessions did with each of a service's servers, by name. */

export class ServerTally {
  sessions = 0;
  active = 0;
  /** Half-duplex sessions that it had to itself, as the first to answer. */
  latched = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Of its first bytes. */
  answered = 0;
  firstByteMsSum = 0;
  /** Datagrams that it was too slow for. */
  datagramsMissed = 0;
  /** How often it left before it had ended, by error code. */
  readonly cuts = new Map<string, number>();

  countCut(reason: string): void {
    this.cuts.set(reason, (this.cuts.get(reason) ?? 0) + 1);
  }
}

/** Names come from peers; beyond this many they are counted together. */
const NAMES_MAX = 256;
const OTHERS = "(others)";

export class ServerTallies {
  readonly #byName = new Map<string, ServerTally>();
  /** Servers that came when a session's first bytes were gone. */
  late = 0;

  of(name: string): ServerTally {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const kept = this.#byName.size < NAMES_MAX ? name : OTHERS;
    let tally = this.#byName.get(kept);
    if (tally === undefined) {
      tally = new ServerTally();
      this.#byName.set(kept, tally);
    }
    return tally;
  }

  get all(): ReadonlyMap<string, ServerTally> {
    return this.#byName;
  }
}
