/**
 * The resets that a session sends: at once while the peer takes them, else one after the other as it does.
 *
 * A stream whose reset is held is over here, and holds neither buffers nor credit: what still arrives on it is read over. To
 * the peer it is open, so it counts as a stream, and against whoever caused it. O(1) a reset.
 */
import type { StreamRequest } from "../base/upstream.ts";
import { ResetPace } from "./reset-pace.ts";

/** From here on nothing is to be opened: what is held cost its client nothing, and a peer may take as few as it likes. */
export const RESETS_HELD_MAX = 65_536;

export interface ResetHost {
  /** The transport takes nothing, and much waits for it already. */
  readonly congested: boolean;
  sendReset(streamId: number): void;
  sendPing(value: number): void;
  /** A stream whose reset was held is over at the peer, too. */
  resetSettled(streamId: number, request: StreamRequest | undefined): void;
}

export class ResetQueue {
  readonly #host: ResetHost;
  readonly #pace: ResetPace;
  /** 0 or 1: the lowest bit of ids of streams that the peer opens. */
  readonly #peerParity: number;
  /** Ids of streams, and who caused them, in the order of their resets. */
  readonly #held = new Map<number, StreamRequest | undefined>();
  /** The same, of those that the peer does not count: they wait for nothing but the transport. */
  readonly #heldFree = new Set<number>();
  /** The peer counts resets of streams that it opened itself, as peers do that have not told their limits. */
  #countsAnswers = true;

  /** `perSecond`: what a peer takes that has told no limit. */
  constructor(host: ResetHost, perSecond: number, peerParity: number) {
    this.#host = host;
    this.#pace = new ResetPace(perSecond);
    this.#peerParity = peerParity;
  }

  /** How many are held. */
  get size(): number {
    return this.#held.size + this.#heldFree.size;
  }

  get many(): boolean {
    return this.#held.size >= RESETS_HELD_MAX;
  }

  /** Who caused the streams whose resets are held. */
  get requests(): Iterable<StreamRequest | undefined> {
    return this.#held.values();
  }

  /** The peer takes so many in a second, and counts none of streams that it opened. */
  limit(perSecond: number): void {
    this.#countsAnswers = false;
    this.#pace.limit(perSecond);
  }

  isHeld(streamId: number): boolean {
    return this.#held.has(streamId) || this.#heldFree.has(streamId);
  }

  /** Resets a stream; `now` is not earlier than in the call before. */
  reset(streamId: number, request: StreamRequest | undefined, now: number): void {
    const isFree = this.#isFree(streamId);
    const mayLeave = !this.#host.congested && (isFree || (this.#held.size === 0 && this.#pace.take(now)));
    if (mayLeave) this.#send(streamId);
    else if (isFree) this.#heldFree.add(streamId);
    else this.#held.set(streamId, request);
  }

  /** The peer has reset a stream itself. */
  peerReset(streamId: number): void {
    if (this.size === 0) return;
    const request = this.#held.get(streamId);
    const wasHeld = this.#held.delete(streamId) || this.#heldFree.delete(streamId);
    if (wasHeld) this.#host.resetSettled(streamId, request);
  }

  /** False: the pong was for another ping. */
  pong(value: number, now: number): boolean {
    return this.#pace.pong(value, now);
  }

  /** Sends what was held and may leave by now. */
  flush(now: number): void {
    if (this.size === 0) return;
    for (const streamId of this.#heldFree) {
      if (this.#host.congested) return;
      this.#heldFree.delete(streamId);
      this.#settle(streamId, undefined);
    }
    for (const [streamId, request] of this.#held) {
      if (this.#host.congested || !this.#pace.take(now)) return;
      this.#held.delete(streamId);
      this.#settle(streamId, request);
    }
  }

  /** A few times a second. */
  tick(now: number): void {
    this.flush(now);
    this.#ping(true);
  }

  /** The session is over. */
  clear(): void {
    this.#held.clear();
    this.#heldFree.clear();
  }

  #isFree(streamId: number): boolean {
    return !this.#countsAnswers && (streamId & 1) === this.#peerParity;
  }

  #settle(streamId: number, request: StreamRequest | undefined): void {
    this.#send(streamId);
    this.#host.resetSettled(streamId, request);
  }

  #send(streamId: number): void {
    this.#host.sendReset(streamId);
    this.#ping(false);
  }

  #ping(early: boolean): void {
    const value = this.#pace.pingDue(early);
    if (value !== undefined) this.#host.sendPing(value);
  }
}
