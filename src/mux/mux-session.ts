/**
 * One yamux session, sans-IO: bytes in through `receive`, bytes out through `flush`, time only as an argument.
 *
 * Cost: a frame in is one header parse, one map look-up and one slice; a small write is one copy into the output. Streams
 * with queued bytes take turns, one frame each. Whoever drives the session calls `flush` once per event-loop turn after
 * `wantsFlush`, and `tick` every 100 ms or so. The peer's errors close the session with the GoAway code that fits.
 */
import { DiscardSink, type ByteSink } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { StreamRequest } from "../base/upstream.ts";
import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  FLAGS_ALL,
  GO_AWAY_INTERNAL_ERROR,
  GO_AWAY_NORMAL,
  GO_AWAY_PROTOCOL_ERROR,
  goAwayMeaning,
  TYPE_DATA,
  TYPE_GO_AWAY,
  TYPE_PING,
  TYPE_WINDOW_UPDATE,
} from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { Liveness } from "./liveness.ts";
import type { MuxEvents, MuxOptions } from "./mux-events.ts";
import { DEFAULT_MUX_LIMITS, type MuxLimits, WindowBudget } from "./mux-limits.ts";
import { MuxOutput } from "./mux-output.ts";
import { MuxStream, type StreamHost } from "./mux-stream.ts";
import { PeerAllowance } from "./peer-allowance.ts";
import { type ResetHost, ResetQueue } from "./reset-queue.ts";
import { StreamIds } from "./stream-ids.ts";
import { StreamRoom } from "./stream-room.ts";
import { StreamTable } from "./stream-table.ts";
import { StreamTurns } from "./stream-turns.ts";

export type { MuxEvents, MuxOptions } from "./mux-events.ts";
/** The most that waits in the output before streams queue for themselves. */
const DIRECT_BYTES_MAX = 64 * 1024;
/** The most that one flush takes from the streams' queues. */
const FLUSH_BYTES_MAX = 256 * 1024;
/** Above this, resets wait for a transport that takes nothing. */
const CONGESTED_BYTES = 128 * 1024;
/** What of the bound on control bytes may be used for what can also be left out. */
const NOTES_SHARE = 0.75;
/** Streams of the peer past its limit whose resets are held, where that limit is low. */
const REFUSALS_HELD_MAX = 1_024;

export class MuxSession implements StreamHost, ResetHost {
  readonly output = new MuxOutput();
  /** Those that are open. */
  readonly streams = new StreamTable();
  peerTakesFinWithData = false;
  readonly #events: MuxEvents;
  readonly #limits: MuxLimits;
  readonly #nodeBudget: WindowBudget;
  readonly #budgets: readonly WindowBudget[];
  readonly #liveness: Liveness;
  readonly #turns = new StreamTurns();
  readonly #peerParity: number;
  readonly #reader = new FrameReader();
  #payloadStream: MuxStream | undefined;
  #payloadFin = false;
  readonly #ids: StreamIds;
  #peerStreams = 0;
  #awaiting = 0;
  #blocked = false;
  #asks = false;
  #now: number;
  readonly #allowance: PeerAllowance;
  readonly #resets: ResetQueue;
  /** For streams that we open. */
  readonly room: StreamRoom;
  #goAwayReceived = false;
  #closed = false;
  bytesIn = 0;
  bytesOut = 0;
  streamsTotal = 0;
  /** Streams of ours that were reset by either side, and of which the peer may still have to say why. */
  streamsUnexplained = 0;

  constructor(options: MuxOptions, events: MuxEvents) {
    this.#events = events;
    this.#limits = options.limits;
    this.#nodeBudget = options.nodeWindowBudget;
    this.#budgets = [new WindowBudget(options.limits.linkWindowBudget), options.nodeWindowBudget];
    this.#liveness = new Liveness(options.now);
    this.#now = options.now;
    this.#allowance = new PeerAllowance(options.limits, options.now);
    this.#peerParity = options.role === "client" ? 0 : 1;
    this.#resets = new ResetQueue(this, DEFAULT_MUX_LIMITS.peerResetsPerSecondMax, this.#peerParity);
    this.room = new StreamRoom(DEFAULT_MUX_LIMITS.peerStreamsMax, () => this.#requests());
    this.#ids = new StreamIds(options.firstStreamId ?? (options.role === "client" ? 1 : 2));
  }

  /** Those whose resets are held included. */
  get streamsOpen(): number {
    return this.streams.size + this.#resets.size;
  }

  /** Of them, those that the peer opened. */
  get peerStreams(): number {
    return this.#peerStreams;
  }

  /** And those that we opened. */
  get ownStreams(): number {
    return this.streamsOpen - this.#peerStreams;
  }

  /** What of the streams that a side may open is open, from 0 to 1, of the side that has more of its own. */
  get use(): number {
    return Math.max(this.#peerStreams / this.#limits.peerStreamsMax, this.ownStreams / this.room.streamsMax);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get suspect(): boolean {
    return this.#liveness.suspect;
  }

  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs;
  }

  /** The peer has told its limits: resets in a second, of streams that it did not open itself. */
  paceResets(perSecond: number): void {
    this.#resets.limit(perSecond);
  }

  /** Opens a stream; its SYN travels with the first write. Undefined: closed, no room, out of ids, or the peer goes away. */
  open(sink: ByteSink, request?: StreamRequest): MuxStream | undefined {
    if (this.#ids.takeWarning()) this.#events.idsRunOut();
    if (this.#closed || this.#goAwayReceived || this.#nodeBudget.exhausted) return undefined;
    if (this.#resets.many || !this.room.takes(request, this.ownStreams)) return undefined;
    const id = this.#ids.take();
    if (id === undefined) return undefined;
    const stream = new MuxStream(this, id, true, sink, request);
    this.room.opened(request);
    this.streams.add(stream);
    this.streamsTotal++;
    this.#awaiting++;
    return stream;
  }

  /** Asks the peer for a sign of life, which also measures the round trip. */
  ping(now: number): void {
    if (this.#closed) return;
    this.#control(TYPE_PING, FLAG_SYN, 0, this.#liveness.ping(now));
  }

  /** Tells the peer to open no more streams. */
  goAway(): void {
    if (this.#closed) return;
    this.#control(TYPE_GO_AWAY, 0, 0, GO_AWAY_NORMAL);
  }

  /** Ends the session: GoAway to the peer, `error` to every stream. */
  close(error: PolarityError, goAwayCode: number = goAwayCodeOf(error)): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.streams.all()) stream.peerReset(error);
    this.#resets.clear();
    this.output.control(TYPE_GO_AWAY, 0, 0, goAwayCode);
    this.#events.wantsFlush();
    this.#events.closed(error);
  }

  /** Feeds bytes of the transport, split anywhere. Slices of `chunk` are lent on for the call. */
  receive(chunk: Buffer, now: number): void {
    if (this.#closed) return;
    this.#now = now;
    this.bytesIn += chunk.length;
    if (this.#liveness.received(now, this.#awaiting > 0)) this.#events.silence(false);
    const reader = this.#reader;
    reader.feed(chunk);
    while (!this.#closed) {
      if (reader.payloadLeft > 0) {
        const slice = reader.nextPayload();
        if (slice === undefined) break;
        this.#receivePayload(slice);
      } else if (reader.nextHeader()) {
        this.#receiveFrame();
      } else {
        break;
      }
    }
    reader.release();
    if (this.#awaiting === 0) this.#liveness.settled();
    // What a peer provokes is bounded, as one that does not read could provoke any number of answers.
    if (this.#blocked && this.output.bytes > this.#limits.controlBytesMax) {
      this.#exceed(`${this.output.bytes} bytes of answers that it does not read`);
    }
  }

  /**
   * Writes what waits. `write` gets buffers in order and says whether the transport can take more; once it said no, call
   * `unblocked` when it drained.
   */
  flush(now: number, write: (buffers: Buffer[]) => "taken" | "queued" | "full"): void {
    if (this.#blocked) return;
    this.#now = now;
    this.#resets.flush(now);
    this.#turns.sendWindowUpdates(now, this.#liveness.shortestRoundTripMs, this.#limits.streamWindowMax, this.#budgets);
    if (this.#turns.sendQueued(this.output, FLUSH_BYTES_MAX)) this.#asks = true;
    if (this.output.bytes === 0) return;
    this.bytesOut += this.output.bytes;
    if (this.#asks) {
      this.#asks = false;
      this.#liveness.sent(now);
    }
    const outcome = write(this.output.take());
    if (outcome === "taken") this.output.settled();
    else if (outcome === "full") this.#blocked = true;
    this.#turns.notifyDrained();
    if (!this.#blocked && this.#turns.someReady) this.#events.wantsFlush();
  }

  /** The transport drained: call `flush` next. */
  unblocked(): void {
    this.#blocked = false;
  }

  /** Time passes: pings, suspicion, death, late acknowledgements. */
  tick(now: number): void {
    if (this.#closed) return;
    this.#now = now;
    this.#resets.tick(now);
    this.streams.shrink();
    this.#turns.sendAcknowledgements();
    if (this.output.bytes > 0) this.#events.wantsFlush();
    const wasSuspect = this.#liveness.suspect;
    const verdict = this.#liveness.tick(now);
    if (verdict === "dead") {
      this.close(new PolarityError("LINK_TIMEOUT", "the peer sent nothing for 15 s"));
      return;
    }
    if (verdict === "ping") this.ping(now);
    if (!wasSuspect && this.#liveness.suspect) this.#events.silence(true);
  }

  // ── StreamHost ──

  get roomForDirect(): boolean {
    return !this.#blocked && this.output.bytes < DIRECT_BYTES_MAX;
  }

  schedule(stream: MuxStream): void {
    if (this.#turns.schedule(stream) && !this.#blocked) this.#events.wantsFlush();
  }

  wantsFlush(asks: boolean): void {
    if (asks) this.#asks = true;
    this.#events.wantsFlush();
  }

  windowUpdateDue(stream: MuxStream): void {
    this.#turns.updateDue(stream);
    this.#events.wantsFlush();
  }

  acknowledged(stream: MuxStream): void {
    this.#turns.acknowledged(stream);
  }

  held(bytes: number): void {
    this.#nodeBudget.held(bytes);
  }

  answered(): void {
    this.#awaiting--;
  }

  resets({ id, request, openedLocally }: MuxStream): void {
    if (openedLocally) this.streamsUnexplained++;
    this.#resets.reset(id, request, this.#now);
  }

  failed(stream: MuxStream, error: PolarityError): void {
    this.#events.streamFailed?.(stream, error);
  }

  released(stream: MuxStream): void {
    this.streams.delete(stream);
    this.#turns.remove(stream);
    stream.releaseWindow(this.#budgets);
    if (this.#payloadStream === stream) this.#payloadStream = undefined;
    if (this.#resets.size === 0 || !this.#resets.isHeld(stream.id)) this.resetSettled(stream.id, stream.request);
  }

  // ── ResetHost ──

  get congested(): boolean {
    return this.#blocked && this.output.bytes > CONGESTED_BYTES;
  }

  get takesNotes(): boolean {
    return !this.#blocked || this.output.bytes < this.#limits.controlBytesMax * NOTES_SHARE;
  }

  sendReset(streamId: number): void {
    this.#control(TYPE_WINDOW_UPDATE, FLAG_RST, streamId, 0);
  }

  sendPing(value: number): void {
    this.#control(TYPE_PING, FLAG_SYN, 0, value);
  }

  /** A stream is over at both ends. */
  resetSettled(streamId: number, request: StreamRequest | undefined): void {
    if ((streamId & 1) === this.#peerParity) this.#peerStreams--;
    else this.room.closed(request, this.ownStreams);
    if (!this.#closed) this.#events.streamClosed(this.streamsOpen);
  }

  *#requests(): Generator<StreamRequest | undefined> {
    for (const { request } of this.streams.all()) yield request;
    yield* this.#resets.requests;
  }

  // ── inward ──

  #receivePayload(slice: Buffer): void {
    const stream = this.#payloadStream;
    if (stream === undefined) return;
    stream.peerData(slice);
    if (this.#reader.payloadLeft > 0) return;
    this.#payloadStream = undefined;
    if (this.#payloadFin) this.#finish(stream);
  }

  #receiveFrame(): void {
    const { version, type, flags, streamId, length } = this.#reader;
    if (version !== 0) return this.#fail(`frame of version ${version}, only 0 is known`);
    if ((flags & ~FLAGS_ALL) !== 0) return this.#fail(`frame with unknown flags 0x${flags.toString(16)}`);
    switch (type) {
      case TYPE_DATA:
      case TYPE_WINDOW_UPDATE:
        return this.#receiveStreamFrame(type, flags, streamId, length);
      case TYPE_PING:
        return this.#receivePing(flags, streamId, length);
      case TYPE_GO_AWAY:
        return this.#receiveGoAway(streamId, length);
      default:
        return this.#fail(`frame of unknown type ${type}`);
    }
  }

  #receiveStreamFrame(type: number, flags: number, streamId: number, length: number): void {
    if (streamId === 0) return this.#fail("stream frame for the session's own id 0");
    const stream = (flags & FLAG_SYN) === 0 ? this.streams.get(streamId) : this.#receiveSyn(flags, streamId);
    if (this.#closed) return;
    if (stream === undefined) {
      if ((flags & FLAG_RST) !== 0) this.#resets.peerReset(streamId);
      return this.#skipFrame(type, streamId, length);
    }
    // Credit alone is no answer: a stream counts as owed until the app behind it says something, or ends.
    if (type === TYPE_DATA || (flags & FLAG_FIN) !== 0) stream.peerAnswered();
    if ((flags & FLAG_RST) !== 0) {
      if (stream.openedLocally) this.streamsUnexplained++;
      else this.#countReset();
      // A payload on a reset is read over like one on a closed stream.
      if (type === TYPE_DATA) this.#skipFrame(type, streamId, length);
      if (!this.#closed) stream.peerReset(new PolarityError("LINK_LOST", "the far side of the link reset the stream"));
      return;
    }
    const fin = (flags & FLAG_FIN) !== 0;
    if (type === TYPE_WINDOW_UPDATE) {
      if (!stream.peerCredits(length)) return this.#fail(`window of stream ${streamId} past 2^32 - 1`);
      if (fin) this.#finish(stream);
      return;
    }
    if (length > 0) {
      if (stream.state === "remote-ended") return this.#fail(`data on stream ${streamId} after its end`);
      if (!stream.peerSends(length, this.#now)) {
        return this.#fail(`${length} bytes on stream ${streamId}, more than its window`);
      }
      this.#reader.payloadLeft = length;
      // Its opening may have been answered with a reset.
      this.#payloadStream = stream.state === "closed" ? undefined : stream;
      this.#payloadFin = fin;
      return;
    }
    if (fin) this.#finish(stream);
  }

  /** A new stream of the peer; undefined where it was refused, or the session closed over it. */
  #receiveSyn(flags: number, streamId: number): MuxStream | undefined {
    if ((flags & FLAG_ACK) !== 0) {
      this.#fail(`stream ${streamId} opened and acknowledged at once`);
      return undefined;
    }
    if ((streamId & 1) !== this.#peerParity) {
      this.#fail(`stream ${streamId} opened by the side that does not own its id`);
      return undefined;
    }
    if (this.streams.get(streamId) !== undefined) {
      this.#fail(`stream ${streamId} opened twice`);
      return undefined;
    }
    if ((flags & FLAG_RST) !== 0) {
      this.#countReset();
      return undefined;
    }
    if (this.#peerStreams >= this.#limits.peerStreamsMax || this.#nodeBudget.exhausted) {
      this.#refuse(streamId);
      return undefined;
    }
    const stream = new MuxStream(this, streamId, false, UNSET_SINK);
    this.streams.add(stream);
    this.#peerStreams++;
    this.streamsTotal++;
    this.#turns.accepted(stream);
    this.#events.opened(stream);
    if (stream.sink === UNSET_SINK) stream.sink = new DiscardSink(stream);
    return stream;
  }

  #refuse(streamId: number): void {
    const { peerStreamsMax } = this.#limits;
    const tooMany = new PolarityError("STREAM_REFUSED", `${peerStreamsMax} streams are open, and no more are allowed`);
    this.#events.refused?.(streamId, this.#nodeBudget.refusal ?? tooMany);
    // Resets of these may have to be held, too.
    if (this.#peerStreams >= 2 * peerStreamsMax + REFUSALS_HELD_MAX) {
      return this.#exceed(`${this.#peerStreams} streams, and ${peerStreamsMax} are allowed`);
    }
    this.#peerStreams++;
    this.#resets.reset(streamId, undefined, this.#now);
    if (!this.#resets.isHeld(streamId)) this.#peerStreams--;
  }

  /** Frames of streams that are over here may still be on their way; ids that never were are the peer's mistake. */
  #skipFrame(type: number, streamId: number, length: number): void {
    const ours = (streamId & 1) !== this.#peerParity;
    if (ours && !this.#ids.wasTaken(streamId))
      return this.#fail(`frame for stream ${streamId}, which was never opened`);
    if (type !== TYPE_DATA || length === 0) return;
    if (length > this.#limits.streamWindowMax) return this.#fail(`${length} bytes for a stream that is over`);
    this.#reader.payloadLeft = length;
    this.#payloadStream = undefined;
    this.#payloadFin = false;
  }

  #finish(stream: MuxStream): void {
    if (stream.state === "closed") return;
    if (!stream.peerEnded()) this.#fail(`second end of stream ${stream.id}`);
  }

  #receivePing(flags: number, streamId: number, value: number): void {
    if (streamId !== 0) return this.#fail(`ping on stream ${streamId}`);
    if ((flags & FLAG_ACK) !== 0) {
      if (!this.#resets.pong(value, this.#now)) this.#liveness.pong(value, this.#now);
      return;
    }
    if ((flags & FLAG_SYN) === 0) return this.#fail("ping that neither asks nor answers");
    if (!this.#allowance.ping(this.#now)) {
      return this.#exceed(`more than ${this.#limits.peerPingsPerSecondMax} pings in a second`);
    }
    this.#control(TYPE_PING, FLAG_ACK, 0, value);
  }

  #receiveGoAway(streamId: number, code: number): void {
    if (streamId !== 0) return this.#fail(`GoAway on stream ${streamId}`);
    if (code !== GO_AWAY_NORMAL) {
      return this.close(new PolarityError("LINK_PROTOCOL", `the peer closed the session: ${goAwayMeaning(code)}`));
    }
    if (this.#goAwayReceived) return;
    this.#goAwayReceived = true;
    this.#events.peerGoesAway();
  }

  #countReset(): void {
    if (!this.#allowance.reset(this.#now)) {
      this.#exceed(`more than ${this.#limits.peerResetsPerSecondMax} resets in a second`);
    }
  }

  #control(type: number, flags: number, streamId: number, length: number): void {
    this.output.control(type, flags, streamId, length);
    this.#events.wantsFlush();
  }

  #fail(what: string): void {
    this.close(new PolarityError("LINK_PROTOCOL", `the peer broke yamux: ${what}`), GO_AWAY_PROTOCOL_ERROR);
  }

  #exceed(what: string): void {
    this.close(new PolarityError("LINK_LIMIT", `the peer went past a limit: ${what}`), GO_AWAY_PROTOCOL_ERROR);
  }
}

function goAwayCodeOf({ code }: PolarityError): number {
  return code === "INTERNAL" ? GO_AWAY_INTERNAL_ERROR : GO_AWAY_NORMAL;
}

const UNSET_SINK: ByteSink = { data: () => {}, end: () => {}, reset: () => {}, drain: () => {} };
