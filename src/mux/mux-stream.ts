/**
 * One yamux stream: a `ByteStream` inside a session.
 *
 * Small writes go straight into the session's output while nothing of the stream waits; everything else queues here and is
 * sent a frame a turn. Only the session calls the methods that start with `peer` or `send`.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { StreamRequest } from "../base/upstream.ts";
import { internalError } from "../base/internal-error.ts";
import { FLAG_ACK, FLAG_FIN, FLAG_SYN, INITIAL_WINDOW_BYTES, TYPE_WINDOW_UPDATE } from "./frame.ts";
import type { WindowBudget } from "./mux-limits.ts";
import type { MuxOutput } from "./mux-output.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { SendQueue } from "./send-queue.ts";
import { maySend, nextStreamState, type StreamEvent, type StreamState } from "./stream-state.ts";

/** The most that one frame carries, so that streams take turns. */
export const FRAME_PAYLOAD_MAX = 64 * 1024;
/** Above this many queued bytes `write` asks the caller to wait; `drain` comes below half of it. */
const QUEUE_HIGH_BYTES = 64 * 1024;
/** The same in chunks: a chunk costs far more memory than its bytes when it has only a few. */
const QUEUE_HIGH_CHUNKS = 256;

/** What a stream needs of its session. */
export interface StreamHost {
  readonly output: MuxOutput;
  /** The peer reads a frame's payload before it acts on its FIN. */
  readonly peerTakesFinWithData: boolean;
  /** There is room for what can also be left out: the transport takes something, or not too much waits for it. */
  readonly takesNotes: boolean;
  /** Small frames may still go straight into this turn's output. */
  readonly roomForDirect: boolean;
  /** The stream has queued bytes and window: give it a turn. */
  schedule(stream: MuxStream): void;
  /** Something stands in the output: flush this turn. `asks`: the peer owes an answer to it. */
  wantsFlush(asks: boolean): void;
  windowUpdateDue(stream: MuxStream): void;
  /** The ACK of a stream of the peer leaves. */
  acknowledged(stream: MuxStream): void;
  /** The peer said something on a stream of ours, or it is over. */
  /** Bytes that readers owe credit for became more, or (negative) fewer. */
  held(bytes: number): void;
  answered(): void;
  /** The peer has to hear that the stream is over; now, or later. `released` follows. */
  resets(stream: MuxStream): void;
  /** Its user failed; the stream is about to be reset. */
  failed(stream: MuxStream, error: PolarityError): void;
  /** The stream is over: forget it. */
  released(stream: MuxStream): void;
}

const SEND_WINDOW_MAX = 0xffff_ffff;

/** For whom a stream is, as its opener says: who is charged for what it holds. */
export interface StreamCharge {
  /** The client's address as `host:port`; empty when there is none. */
  readonly client: string;
  /** Of a stream that was opened for another node: that node's identity, for people. */
  readonly payer?: string | undefined;
}

export class MuxStream implements ByteStream {
  readonly id: number;
  readonly openedLocally: boolean;
  /** For whom we opened it. */
  readonly request: StreamRequest | undefined;
  sink: ByteSink;
  charge: StreamCharge | undefined;
  /** The next stream in its chain of the session's `StreamTable`, which alone changes it. */
  nextInBucket: MuxStream | undefined;
  /** The stream's places in the session's `StreamTurns`, which alone changes them. */
  nextReady: MuxStream | undefined;
  previousReady: MuxStream | undefined;
  ready = false;
  updateDueAt = -1;
  unacknowledgedAt = -1;

  readonly #host: StreamHost;
  readonly #window = new ReceiveWindow();
  #state: StreamState = "open";
  /** SYN or ACK that the next frame carries. */
  #pendingFlags: number;
  #sendWindow = INITIAL_WINDOW_BYTES;
  /** Arrived or announced, not consumed. */
  #heldBytes = 0;
  #released = false;
  readonly #queue = new SendQueue();
  #finQueued = false;
  #needsDrain = false;
  #awaitsAnswer: boolean;

  constructor(host: StreamHost, id: number, openedLocally: boolean, sink: ByteSink, request?: StreamRequest) {
    this.#host = host;
    this.request = request;
    this.charge = request;
    this.id = id;
    this.openedLocally = openedLocally;
    this.sink = sink;
    this.#pendingFlags = openedLocally ? FLAG_SYN : FLAG_ACK;
    this.#awaitsAnswer = openedLocally;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** We opened it and the peer has said nothing on it yet. */
  get awaitsAnswer(): boolean {
    return this.#awaitsAnswer;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get receiveWindowBytes(): number {
    return this.#window.sizeBytes;
  }

  /** Arrived or announced, and not consumed by its reader. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** When its reader had last taken enough for credit to be returned, or the first bytes came. */
  get movedAt(): number {
    return this.#window.lastUpdateAt;
  }

  /** False: what can be left out is better left out, as a great deal waits for the transport. */
  get takesNotes(): boolean {
    return this.#host.takesNotes;
  }

  /** Nothing of this stream has left yet, not even its SYN: the peer does not know of it. */
  get unsent(): boolean {
    return (this.#pendingFlags & FLAG_SYN) !== 0;
  }

  write(chunk: Buffer): boolean {
    const { length } = chunk;
    if (!this.#mayWrite() || length === 0) return true;
    let sent = 0;
    while (sent < length && this.#queue.bytes === 0 && this.#host.roomForDirect) {
      const bytes = Math.min(length - sent, this.#sendWindow, FRAME_PAYLOAD_MAX);
      if (bytes <= 0) break;
      this.#host.output.data(this.#takeFlags(), this.id, chunk, sent, sent + bytes);
      this.#sendWindow -= bytes;
      sent += bytes;
      this.#host.wantsFlush(true);
      // Flushing may have called back into whoever ended the stream.
      if (!this.#mayWrite()) return true;
    }
    return sent === length || this.#enqueue(sent === 0 ? chunk : chunk.subarray(sent));
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    const length = text.length + second.length + third.length;
    if (!this.#mayWrite() || length === 0) return true;
    if (length <= FRAME_PAYLOAD_MAX && this.#mayGoDirect(length)) {
      this.#host.output.dataLatin1(this.#takeFlags(), this.id, text, second, third);
      this.#sendWindow -= length;
      this.#host.wantsFlush(true);
      return true;
    }
    this.#queue.pushLatin1(text + second + third);
    return this.#enqueued();
  }

  /**
   * As `writeLatin1`, but ahead of what other streams have queued: for the reason of a reset, which the RST that follows
   * must not overtake. What this stream has queued itself still goes first.
   */
  writeUrgently(text: string): boolean {
    const length = text.length;
    if (!this.#mayWrite() || this.#queue.bytes > 0 || length > this.#sendWindow || length > FRAME_PAYLOAD_MAX / 2) {
      return this.writeLatin1(text);
    }
    this.#host.output.dataLatin1(this.#takeFlags(), this.id, text, "", "");
    this.#sendWindow -= length;
    this.#host.wantsFlush(true);
    return true;
  }

  end(): void {
    if (!this.#mayWrite()) return;
    if (this.#queue.bytes > 0) {
      this.#finQueued = true;
      return;
    }
    this.#sendFin();
    this.#host.wantsFlush(true);
  }

  reset(_error: PolarityError): void {
    if (this.#state === "closed") return;
    // A stream that the peer never saw needs no RST.
    if (!this.unsent) this.#host.resets(this);
    if (this.#move("reset")) this.#host.released(this);
  }

  /** Breaks it for a reason of our own: unlike with `reset`, its user hears of it. */
  breakOff(error: PolarityError): void {
    if (this.#state === "closed") return;
    this.reset(error);
    this.#tellReset(error);
  }

  consumed(bytes: number): void {
    // Readers may be late to learn that the stream is over.
    if (this.#released) return;
    this.#heldBytes -= bytes;
    this.#host.held(-bytes);
    if (this.#state !== "open" && this.#state !== "local-ended") return;
    if (this.#window.consume(bytes) && this.updateDueAt < 0) this.#host.windowUpdateDue(this);
  }

  // ── called by the session ──

  /** A DATA header arrived. False: more than the window allows. */
  peerSends(bytes: number, now: number): boolean {
    this.#heldBytes += bytes;
    this.#host.held(bytes);
    return this.#window.receive(bytes, now);
  }

  peerAnswered(): void {
    if (!this.#awaitsAnswer) return;
    this.#awaitsAnswer = false;
    this.#host.answered();
  }

  peerData(chunk: Buffer): void {
    try {
      this.sink.data(chunk);
    } catch (thrown) {
      this.#userFailed(thrown);
    }
  }

  /** False: FIN where none may come. */
  peerEnded(): boolean {
    if (nextStreamState(this.#state, "remote-fin") === undefined) return false;
    const over = this.#move("remote-fin");
    // Released last: what follows from it, such as the end of a drained session, comes after the sink's last call.
    try {
      this.sink.end();
    } catch (thrown) {
      this.#userFailed(thrown);
    }
    if (over) this.#host.released(this);
    return true;
  }

  peerReset(error: PolarityError): void {
    if (this.#state === "closed") return;
    this.#move("reset");
    this.#tellReset(error);
    this.#host.released(this);
  }

  /** False: the window would pass what 32 bits hold. */
  peerCredits(bytes: number): boolean {
    const opened = this.#sendWindow <= 0 && bytes > 0;
    this.#sendWindow += bytes;
    if (this.#sendWindow > SEND_WINDOW_MAX) return false;
    if (opened && this.#queue.bytes > 0) this.#host.schedule(this);
    return true;
  }

  /** Tells the opener that the stream lives, when nothing else has said so. */
  sendAcknowledgement(): void {
    if (this.#state === "closed" || (this.#pendingFlags & FLAG_ACK) === 0) return;
    this.#host.output.control(TYPE_WINDOW_UPDATE, this.#takeFlags(), this.id, 0);
  }

  sendWindowUpdate(
    now: number,
    roundTripMs: number | undefined,
    maxBytes: number,
    budgets: readonly WindowBudget[],
  ): void {
    if (this.#state !== "open" && this.#state !== "local-ended") return;
    const credit = this.#window.update(now, roundTripMs, maxBytes, budgets);
    this.#host.output.control(TYPE_WINDOW_UPDATE, this.#takeFlags(), this.id, credit);
  }

  /** Puts one frame of the queue into the output. True: there is more to send now. */
  sendFrame(): boolean {
    const chunk = this.#queue.first;
    if (chunk === undefined) return false;
    const length = Math.min(chunk.length, this.#sendWindow, FRAME_PAYLOAD_MAX);
    if (length <= 0) return false;
    this.#sendWindow -= length;
    this.#host.output.data(this.#takeFlags(), this.id, chunk, 0, length);
    this.#queue.drop(length);
    if (this.#queue.bytes === 0 && this.#finQueued) this.#sendFin();
    return this.#queue.bytes > 0 && this.#sendWindow > 0;
  }

  /** The writer was told to wait and need not any more. */
  get drainDue(): boolean {
    return (
      this.#needsDrain &&
      this.#queue.bytes <= QUEUE_HIGH_BYTES / 2 &&
      this.#queue.chunks <= QUEUE_HIGH_CHUNKS / 2 &&
      this.#state !== "closed"
    );
  }

  sendDrain(): void {
    if (!this.drainDue) return;
    this.#needsDrain = false;
    try {
      this.sink.drain();
    } catch (thrown) {
      this.#userFailed(thrown);
    }
  }

  /** The stream is over: what it holds and what its window grew by are no longer its own. */
  releaseWindow(budgets: readonly WindowBudget[]): void {
    this.#host.held(-this.#heldBytes);
    this.#heldBytes = 0;
    this.#released = true;
    this.#window.release(budgets);
  }

  /** Only this stream ends: others of the session have nothing to do with its user. */
  #userFailed(thrown: unknown): void {
    const error = internalError("stream", thrown);
    if (this.#state !== "closed") {
      this.#host.failed(this, error);
      this.reset(error);
    }
    this.#tellReset(error);
  }

  #tellReset(error: PolarityError): void {
    try {
      this.sink.reset(error);
    } catch (thrown) {
      internalError("stream", thrown);
    }
  }

  #mayWrite(): boolean {
    return maySend(this.#state) && !this.#finQueued;
  }

  #mayGoDirect(bytes: number): boolean {
    return (
      this.#queue.bytes === 0 && bytes <= this.#sendWindow && bytes <= FRAME_PAYLOAD_MAX && this.#host.roomForDirect
    );
  }

  #takeFlags(): number {
    const flags = this.#pendingFlags;
    if (flags === 0) return 0;
    this.#pendingFlags = 0;
    if (flags === FLAG_ACK) this.#host.acknowledged(this);
    return flags;
  }

  #enqueue(chunk: Buffer): boolean {
    this.#queue.push(chunk);
    return this.#enqueued();
  }

  #enqueued(): boolean {
    if (this.#sendWindow > 0) this.#host.schedule(this);
    if (this.#queue.bytes < QUEUE_HIGH_BYTES && this.#queue.chunks < QUEUE_HIGH_CHUNKS) return true;
    this.#needsDrain = true;
    return false;
  }

  /**
   * FIN in a frame of its own, unless the peer said otherwise: common ones act on a frame's flags before its payload, and
   * would lose the payload.
   */
  #sendFin(): void {
    const { output, peerTakesFinWithData } = this.#host;
    if (!peerTakesFinWithData || this.#pendingFlags !== 0 || !output.finishLast(this.id)) {
      output.control(TYPE_WINDOW_UPDATE, this.#takeFlags() | FLAG_FIN, this.id, 0);
    }
    if (this.#move("local-fin")) this.#host.released(this);
  }

  /** True: this was the stream's end, and the caller releases it. */
  #move(event: StreamEvent): boolean {
    const next = nextStreamState(this.#state, event);
    if (next === undefined) return false;
    this.#state = next;
    if (next !== "closed") return false;
    this.#queue.clear();
    this.#finQueued = false;
    this.peerAnswered();
    return true;
  }
}
