/**
 * Judges from silence whether the peer still lives.
 *
 * Nothing owed: one ping every 5 s of silence. Something owed (a stream unanswered, bytes or a ping just sent): a ping after 400 ms of
 * silence and then every second; after 900 ms the link is suspect; the first byte clears that. 15 s without a byte: dead.
 * The caller must let one round of I/O run between a late timer and `tick`, so that our own busy loop is not held against
 * the peer.
 */

export const PROBE_AFTER_MS = 400;
export const SUSPECT_AFTER_MS = 900;
export const PROBE_EVERY_MS = 1_000;
export const IDLE_PING_EVERY_MS = 5_000;
export const MEASURE_EVERY_MS = 10_000;
export const DEAD_AFTER_MS = 15_000;
/** Round trips longer than a third of a second move the suspicion out, so that a long path is not a dead one. */
const SUSPECT_AFTER_ROUND_TRIPS = 3;
const ROUND_TRIPS_KEPT = 8;

export type LivenessVerdict = "fine" | "ping" | "dead";

export class Liveness {
  #lastReceivedAt: number;
  /** Since when the peer owes us something; negative while it does not. */
  #owedSince = -1;
  #lastPingAt: number;
  #pingValue = 0;
  #pingSentAt = -1;
  #suspect = false;
  #smoothedRoundTripMs: number | undefined;
  readonly #roundTripsMs: number[] = [];

  constructor(now: number) {
    this.#lastReceivedAt = now;
    this.#lastPingAt = now;
  }

  get suspect(): boolean {
    return this.#suspect;
  }

  get roundTripMs(): number | undefined {
    return this.#smoothedRoundTripMs;
  }

  /** The shortest recent round trip: what the path costs without the queues in it. */
  get shortestRoundTripMs(): number | undefined {
    return this.#roundTripsMs.length === 0 ? undefined : Math.min(...this.#roundTripsMs);
  }

  /** Frames left that ask for something back. */
  sent(now: number): void {
    if (this.#owedSince < 0) this.#owedSince = now;
  }

  /** Bytes arrived. `owing`: streams are still unanswered. True when this ends a suspicion. */
  received(now: number, owing: boolean): boolean {
    this.#lastReceivedAt = now;
    this.#owedSince = owing ? now : -1;
    if (!this.#suspect) return false;
    this.#suspect = false;
    return true;
  }

  /** What just arrived answered the last stream: nothing is owed until something leaves again. */
  settled(): void {
    this.#owedSince = -1;
  }

  /** A ping leaves; returns its value. */
  ping(now: number): number {
    this.#lastPingAt = now;
    // A second ping while one is unanswered keeps the first one's time: a late pong must not look like a fast one.
    if (this.#pingSentAt < 0) {
      this.#pingSentAt = now;
      this.#pingValue = (this.#pingValue + 1) >>> 0;
    }
    this.sent(now);
    return this.#pingValue;
  }

  /** A pong arrived; foreign or repeated values are ignored. */
  pong(value: number, now: number): void {
    if (this.#pingSentAt < 0 || value !== this.#pingValue) return;
    const sample = now - this.#pingSentAt;
    this.#pingSentAt = -1;
    const smoothed = this.#smoothedRoundTripMs;
    this.#smoothedRoundTripMs = smoothed === undefined ? sample : smoothed + (sample - smoothed) / 8;
    this.#roundTripsMs.push(sample);
    if (this.#roundTripsMs.length > ROUND_TRIPS_KEPT) this.#roundTripsMs.shift();
  }

  /** What to do now. A new suspicion shows in `suspect` after the call. */
  tick(now: number): LivenessVerdict {
    if (now - this.#lastReceivedAt >= DEAD_AFTER_MS) return "dead";
    if (this.#owedSince >= 0) {
      const silentSince = Math.max(this.#lastReceivedAt, this.#owedSince);
      if (now - silentSince >= this.#suspectAfterMs()) this.#suspect = true;
      if (now - silentSince >= PROBE_AFTER_MS) {
        const pingedInThisSilence = this.#lastPingAt >= silentSince && this.#pingSentAt >= 0;
        if (!pingedInThisSilence || now - this.#lastPingAt >= PROBE_EVERY_MS) return "ping";
      }
    } else if (now - Math.max(this.#lastPingAt, this.#lastReceivedAt) >= IDLE_PING_EVERY_MS) {
      return "ping";
    }
    // A link that is never silent measures its path all the same.
    return now - this.#lastPingAt >= MEASURE_EVERY_MS ? "ping" : "fine";
  }

  #suspectAfterMs(): number {
    const roundTrip = this.#smoothedRoundTripMs;
    return roundTrip === undefined
      ? SUSPECT_AFTER_MS
      : Math.max(SUSPECT_AFTER_MS, roundTrip * SUSPECT_AFTER_ROUND_TRIPS);
  }
}
