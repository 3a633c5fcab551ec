/** What a mux session allows its peer, and what it allows itself. Each bound names the attack or fault that it stops. */
import { bytesAreHeld, MUCH_HELD_BYTES } from "../base/held-copy.ts";
import { PolarityError } from "../base/errors.ts";

/** Memory that is held comes free within moments, since whoever holds most of it is cut off. */
const RETRY_AFTER_SECONDS = 1;

export interface MuxLimits {
  /** Streams that the peer may have open at once; one more is refused with RST. Stops: opening streams without end. */
  readonly peerStreamsMax: number;
  /** Streams that the peer may reset in one second before the session is closed. Stops: rapid reset. */
  readonly peerResetsPerSecondMax: number;
  /** Pings that the peer may send in one second before the session is closed. Stops: ping floods. */
  readonly peerPingsPerSecondMax: number;
  /** Control bytes (pongs, resets, credit) queued for a peer that does not read. Stops: making us buffer answers. */
  readonly controlBytesMax: number;
  /** The largest receive window of one stream, in bytes. Stops: one stalled reader taking the node's memory. */
  readonly streamWindowMax: number;
  /** Window bytes above the initial 256 KiB that all streams of one link may have together. */
  readonly linkWindowBudget: number;
}

export const DEFAULT_MUX_LIMITS: MuxLimits = Object.freeze({
  peerStreamsMax: 16_384,
  peerResetsPerSecondMax: 5_000,
  peerPingsPerSecondMax: 200,
  controlBytesMax: 1024 * 1024,
  streamWindowMax: 8 * 1024 * 1024,
  linkWindowBudget: 32 * 1024 * 1024,
});

/** Bytes that windows may grow by, and a count of what nobody has read yet; shared by every link of a node. */
export class WindowBudget {
  #freeBytes: number;

  /** Bytes that arrived on streams and that their readers have not consumed. */
  heldBytes = 0;
  readonly heldBytesMax: number;
  /** Called while more than `heldBytesMax` are held; whoever sees to it that they become fewer, in a later turn, sets it. */
  exceeded: () => void = () => {};
  /** The same where something is about to be refused for it: they become fewer within the call, or cannot. */
  relieve: () => void = () => {};

  /** Above `heldBytesMax` no stream is opened or accepted: initial windows are given before any budget is asked. */
  constructor(bytes: number, heldBytesMax = Number.POSITIVE_INFINITY) {
    this.heldBytesMax = heldBytesMax;
    this.#freeBytes = bytes;
  }

  /** Readers owe credit for more bytes, or (negative) for fewer. */
  held(bytes: number): void {
    this.heldBytes += bytes;
    if (this.heldBytes > MUCH_HELD_BYTES) bytesAreHeld(this.heldBytes);
    if (this.heldBytes > this.heldBytesMax) this.exceeded();
  }

  /** Takes all of `bytes` or nothing. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#freeBytes += bytes;
  }

  /** Readers are so far behind that nothing new may begin. */
  get exhausted(): boolean {
    if (this.heldBytes <= this.heldBytesMax) return false;
    this.relieve();
    return this.heldBytes > this.heldBytesMax;
  }

  /** Why nothing new may begin; undefined while it may. */
  get refusal(): PolarityError | undefined {
    if (!this.exhausted) return undefined;
    const what = `the ${this.heldBytesMax} bytes that this node holds for readers that do not read are used up`;
    return new PolarityError("OVERLOADED", what, undefined, RETRY_AFTER_SECONDS);
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }
}
