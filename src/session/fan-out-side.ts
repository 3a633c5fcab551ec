/** One server of a one-to-N session: what it was sent, what it said, and the sink through which its session hears it. */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import type { LogRecord } from "./fan-out-log.ts";
import { nextSideState, type SideEvent, type SideState } from "./fan-out-states.ts";

/** What a side tells its session. */
export interface FanOutSideHost {
  sideData(side: FanOutSide, chunk: Buffer): void;
  sideEnded(side: FanOutSide): void;
  sideLost(side: FanOutSide, error: PolarityError): void;
  sideDrained(side: FanOutSide): void;
}

/** One side, for statistics. */
export interface FanOutSideView {
  /** The node or target that serves. */
  readonly name: string;
  readonly state: SideState;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** From its joining to its first byte; undefined before that. */
  readonly firstByteMs: number | undefined;
  readonly latched: boolean;
  /** Why it is gone, where it did not just end; empty otherwise. */
  readonly reason: string;
}

export class FanOutSide implements ByteSink {
  readonly name: string;
  readonly joinedAt: number;
  readonly #host: FanOutSideHost;
  /** Set when it is added. */
  stream!: ByteStream;
  #state: SideState = "open";
  /** The session's: where it stands in what the client sent. */
  at: LogRecord | undefined;
  /** Written, and not known to be taken yet. */
  untaken: LogRecord | undefined;
  /** It asked to wait for its `drain`. */
  full = false;
  /** Where in what the client sent its part begins, and how far it was written, and taken. */
  from = 0;
  written = 0;
  taken = 0;
  /** Credit owed for what the client has not taken. */
  owed = NOTHING_OWED;
  bytesOut = 0;
  firstByteMs: number | undefined;
  latched = false;
  reason = "";

  constructor(host: FanOutSideHost, name: string, joinedAt: number) {
    this.#host = host;
    this.name = name;
    this.joinedAt = joinedAt;
  }

  get state(): SideState {
    return this.#state;
  }

  /** It may still be sent something. */
  get receives(): boolean {
    return this.#state === "open" || this.#state === "listening";
  }

  get mayAnswer(): boolean {
    return this.#state === "open" || this.#state === "answering";
  }

  /** False: the event means nothing now. */
  move(event: SideEvent): boolean {
    const next = nextSideState(this.#state, event);
    if (next === this.#state) return false;
    this.#state = next;
    return true;
  }

  /** What it was sent. */
  get bytesIn(): number {
    return this.written - this.from;
  }

  /** Takes part from here on. */
  beginAt(offset: number): void {
    this.from = offset;
    this.written = offset;
    this.taken = offset;
  }

  get view(): FanOutSideView {
    const { name, state, bytesIn, bytesOut, firstByteMs, latched, reason } = this;
    return { name, state, bytesIn, bytesOut, firstByteMs, latched, reason };
  }

  // ── ByteSink ──

  data(chunk: Buffer): void {
    this.#host.sideData(this, chunk);
  }

  end(): void {
    this.#host.sideEnded(this);
  }

  reset(error: PolarityError): void {
    this.#host.sideLost(this, error);
  }

  drain(): void {
    this.#host.sideDrained(this);
  }
}
