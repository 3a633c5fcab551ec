/** Serves streams of datagrams: one socket to the app each, so that the app sees each client as one address and port. */
import type { TargetAddress } from "../base/address.ts";
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { FrameAligner, type FrameSink, forEachDatagram, frameInto, frameRoom } from "../base/datagram-frames.ts";
import { DatagramOutlet, type DatagramQueueLimit } from "../base/datagram-queue.ts";
import { PolarityError } from "../base/errors.ts";
import { internalError, sweepOne } from "../base/internal-error.ts";
import type { DatagramCounters, DatagramDrop } from "../registry/datagram-counters.ts";
import { type DatagramEvents, DatagramSocket } from "../socket/datagram-socket.ts";
import { needsRace } from "../socket/place-connection.ts";
import { type Target, type TargetContext, unreachable } from "./target.ts";

export interface UdpTargetSettings {
  /** How long nothing may pass before an association's socket is closed, whoever has forgotten it. */
  readonly idleTimeoutMs: number;
  /** What may wait: for the app's address to be found, and of answers for a slow link. */
  readonly queue: DatagramQueueLimit;
  /** The app may answer from another port than the one that it is asked at. */
  readonly anyPort: boolean;
}

export interface UdpTargetOptions extends UdpTargetSettings {
  readonly address: TargetAddress;
  readonly counters: () => DatagramCounters;
  /** Nobody listens where the app should. */
  readonly refused: () => void;
}

/** While the node drains, who is silent for so long has nothing to finish. */
const DRAIN_QUIET_MS = 1_000;
const SWEEP_MS = 200;
/** How long the far side may take to end its half of what is over. */
const ENDING_MS = 10_000;

export class UdpTarget implements Target {
  readonly url: string;
  readonly context: TargetContext;
  readonly options: UdpTargetOptions;
  /** Where frames are made; it is used within calls only. */
  readonly room = frameRoom();
  readonly #serving = new Set<UdpServing>();
  idleTimeoutMs: number;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(context: TargetContext, options: UdpTargetOptions) {
    this.context = context;
    this.options = options;
    this.url = options.address.url;
    this.idleTimeoutMs = options.idleTimeoutMs;
  }

  get active(): number {
    return this.#serving.size;
  }

  accept(stream: ByteStream): void {
    this.#serving.add(new UdpServing(this, stream));
  }

  finished(serving: UdpServing): void {
    this.#serving.delete(serving);
  }

  sweep(now: number): void {
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const serving of this.#serving) sweepOne(serving, now);
  }

  drain(): void {
    this.idleTimeoutMs = Math.min(this.idleTimeoutMs, DRAIN_QUIET_MS);
  }

  close(error: PolarityError): void {
    for (const serving of this.#serving) serving.abort(error);
  }
}

class UdpServing implements ByteSink, FrameSink, DatagramEvents {
  readonly #target: UdpTarget;
  readonly #stream: ByteStream;
  readonly #frames = new FrameAligner(this);
  readonly #answers: DatagramOutlet;
  readonly #counters: DatagramCounters;
  readonly #socket: ReturnType<typeof DatagramSocket.connect>;
  /** What came before the socket could be used. */
  #early: Buffer[] | undefined = [];
  #earlyBytes = 0;
  #ended = false;
  #lastAt: number;

  constructor(target: UdpTarget, stream: ByteStream) {
    const { address, queue, counters } = target.options;
    const { place } = address;
    if (place.kind !== "tcp") throw new Error("a udp target has a host and a port");
    this.#target = target;
    this.#stream = stream;
    this.#counters = counters();
    this.#answers = new DatagramOutlet(stream, queue);
    this.#lastAt = target.context.clock.now();
    stream.sink = this;
    const { names } = target.context;
    const found = needsRace(place) ? names.first(place) : place;
    this.#socket = DatagramSocket.connect(found, this, target.options.anyPort);
  }

  abort(error: PolarityError): void {
    this.#stream.reset(error);
    this.#finish();
  }

  sweep(now: number): void {
    const { idleTimeoutMs } = this.#target;
    const silentMs = now - this.#lastAt;
    if (this.#ended) {
      if (silentMs < ENDING_MS) return;
      this.abort(new PolarityError("TARGET_TIMEOUT", `an association was not ended within ${ENDING_MS} ms`));
    } else if (silentMs >= idleTimeoutMs) {
      this.#ended = true;
      this.#lastAt = now;
      this.#socket.close();
      this.#stream.end();
    }
  }

  // ── ByteSink: the client's side ──

  data(chunk: Buffer): void {
    if (!this.#ended) this.#frames.push(chunk);
    // An app that is slow makes nobody wait: what its socket does not hold is lost there.
    this.#stream.consumed(chunk.length);
  }

  end(): void {
    if (!this.#ended) this.#stream.end();
    this.#finish();
  }

  reset(): void {
    this.#finish();
  }

  drain(): void {
    this.#answers.drained();
  }

  // ── FrameSink ──

  frames(run: Buffer): void {
    this.#lastAt = this.#target.context.clock.now();
    forEachDatagram(run, this.#toApp);
  }

  readonly #toApp = (datagram: Buffer): void => {
    const early = this.#early;
    if (early === undefined) {
      if (this.#socket.send(datagram)) this.#counters.in++;
      return;
    }
    const { bytes, datagrams } = this.#target.options.queue;
    if (early.length >= datagrams || this.#earlyBytes + datagram.length > bytes) {
      this.#counters.countDrop("queue");
      return;
    }
    this.#earlyBytes += datagram.length;
    early.push(Buffer.from(datagram));
  };

  // ── DatagramEvents: the app's side ──

  connected(): void {
    const early = this.#early;
    this.#early = undefined;
    for (const datagram of early ?? []) this.#toApp(datagram);
  }

  received(datagram: Buffer): void {
    this.#lastAt = this.#target.context.clock.now();
    try {
      if (this.#answers.write(frameInto(this.#target.room, datagram), 1)) this.#counters.out++;
      else this.#counters.countDrop("queue");
    } catch (thrown) {
      this.abort(internalError("udp", thrown));
    }
  }

  /** Also where the app's machine refuses: it may be started in a moment, and the next datagram then finds it. */
  dropped(reason: DatagramDrop): void {
    this.#counters.countDrop(reason);
    if (reason === "refused") this.#target.options.refused();
  }

  broken(error: Error): void {
    this.#stream.reset(unreachable(this.#target.url, new PolarityError("TARGET_FAILED", error.message, error)));
    this.#finish();
  }

  #finish(): void {
    this.#ended = true;
    this.#socket.close();
    this.#target.finished(this);
  }
}
