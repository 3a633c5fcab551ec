/**
 * One client of a udp listener as a stream: what it sends are frames that come in, and frames that are written are sent to it.
 *
 * It never asks to wait. What the service's side does not take in time is dropped beyond the queue's limit, and answers
 * beyond what the client may be sent are dropped too.
 */
import { guarded } from "../base/internal-error.ts";
import { AmplificationBudget, type AmplificationLimit } from "../balance/amplification-budget.ts";
import { FrameAligner, type FrameSink, forEachDatagram, frameInto } from "../base/datagram-frames.ts";
import { type DatagramQueueLimit, UnconsumedFrames } from "../base/datagram-queue.ts";
import { type ByteSink, type ByteStream, NO_SINK } from "../base/byte-stream.ts";
import type { DatagramCounters } from "../registry/datagram-counters.ts";
import type { Associated, AssociationLimits } from "./association-table.ts";

export interface AssociationSettings extends AssociationLimits {
  /** How long nothing may pass; and how long where the client has had no answer yet. */
  readonly idleTimeoutMs: number;
  readonly unansweredTimeoutMs: number;
  readonly amplification: AmplificationLimit;
  readonly queue: DatagramQueueLimit;
  /** What may wait of all associations together, in bytes. */
  readonly queueTotalBytes: number;
}

/** The listener's side. */
export interface AssociationHost {
  readonly counters: DatagramCounters;
  /** Where frames are made; it is used within calls only. */
  readonly room: Buffer;
  /** What waits of all associations, in bytes; theirs to keep. */
  waitingBytes: number;
  now(): number;
  send(datagram: Buffer, host: string, port: number): void;
  /** An answer was more than the client may be sent. */
  heldBack(association: UdpAssociation): void;
  /** The service's side is over: datagrams that come from now on begin another association. */
  left(association: UdpAssociation): void;
}

export class UdpAssociation implements ByteStream, Associated, FrameSink {
  readonly host: string;
  readonly port: number;
  /** As people know the client. */
  readonly client: string;
  readonly #host: AssociationHost;
  readonly #settings: AssociationSettings;
  readonly #budget: AmplificationBudget;
  readonly #unconsumed = new UnconsumedFrames();
  readonly #answers = new FrameAligner(this);
  sink: ByteSink = NO_SINK;
  #answered = false;
  #over = false;
  #restMs: number | undefined;
  lastAt: number;

  constructor(
    host: AssociationHost,
    settings: AssociationSettings,
    from: Pick<Associated, "host" | "port">,
    client: string,
  ) {
    this.#host = host;
    this.#settings = settings;
    this.host = from.host;
    this.port = from.port;
    this.client = client;
    this.#budget = new AmplificationBudget(settings.amplification);
    this.lastAt = host.now();
  }

  get over(): boolean {
    return this.#over;
  }

  get idleMs(): number {
    if (this.#restMs !== undefined) return this.#restMs;
    return this.#answered ? this.#settings.idleTimeoutMs : this.#settings.unansweredTimeoutMs;
  }

  /** The client sent a datagram. */
  receive(datagram: Buffer): void {
    const { counters, room } = this.#host;
    if (this.#over) {
      counters.countDrop("unserved");
      return;
    }
    this.lastAt = this.#host.now();
    this.#budget.received(datagram.length);
    const frame = frameInto(room, datagram);
    const { queue, queueTotalBytes } = this.#settings;
    // As much as is free for all: so however many flows wait, one that does not wait yet finds as much room as each of them.
    const crowded = this.#unconsumed.bytes + frame.length > queueTotalBytes - this.#host.waitingBytes;
    if (crowded || !this.#unconsumed.hasRoom(frame.length, queue)) {
      counters.countDrop("queue");
      return;
    }
    counters.in++;
    // Before it is delivered, as its credit may come within the call.
    this.#unconsumed.delivered(frame.length);
    this.#host.waitingBytes += frame.length;
    this.sink.data(frame);
  }

  /** The client has been silent for too long, or has to begin anew elsewhere. */
  expire(): void {
    if (this.#over) return;
    this.#over = true;
    this.sink.end();
  }

  /** It failed at once: for a moment, what its client sends is dropped instead of failing again. */
  rest(ms: number): void {
    this.#restMs = ms;
    this.lastAt = this.#host.now();
  }

  // ── ByteStream: the service's side ──

  write(chunk: Buffer): boolean {
    this.#answers.push(chunk);
    return true;
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    return this.write(Buffer.from(text + second + third, "latin1"));
  }

  /** A flow of datagrams has no half: when the service ends, so does the client. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.left(this);
    // Whoever ends a stream does not hear of its other end within the call.
    queueMicrotask(() => guarded("udp", () => this.sink.end()));
  }

  reset(): void {
    this.#over = true;
    this.#host.left(this);
  }

  consumed(bytes: number): void {
    const before = this.#unconsumed.bytes;
    this.#unconsumed.consumed(bytes);
    this.#host.waitingBytes -= before - this.#unconsumed.bytes;
  }

  /** Its session is over: nothing of it waits any more. */
  release(): void {
    for (let lost = this.#unconsumed.count; lost > 0; lost--) this.#host.counters.countDrop("unserved");
    this.consumed(this.#unconsumed.bytes);
  }

  // ── FrameSink ──

  frames(run: Buffer): void {
    forEachDatagram(run, this.#answer);
  }

  readonly #answer = (datagram: Buffer): void => {
    const { counters } = this.#host;
    if (!this.#budget.spend(datagram.length)) {
      counters.countDrop("amplification");
      this.#host.heldBack(this);
      return;
    }
    // What is held back keeps nothing going: nobody may be there.
    this.#answered = true;
    this.lastAt = this.#host.now();
    counters.out++;
    this.#host.send(datagram, this.host, this.port);
  };
}
