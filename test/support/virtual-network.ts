/**
 * Two mux sessions joined by a network that is not there, in time that is not real: latency, reads split down to a byte,
 * writes that stay queued or fill the transport, and turns in random order. The same seed gives the same run.
 *
 * Buffers that a side's transport "queued" are delivered later without a copy, so an output that overwrote them would be
 * found out; buffers that were "taken" are copied at once and then scribbled upon by nobody but their owner.
 */
import type { PolarityError } from "../../src/base/errors.ts";
import { DEFAULT_MUX_LIMITS, type MuxLimits, WindowBudget } from "../../src/mux/mux-limits.ts";
import { type MuxEvents, MuxSession } from "../../src/mux/mux-session.ts";
import type { MuxStream } from "../../src/mux/mux-stream.ts";
import type { Random } from "./random.ts";

export interface VirtualNetworkOptions {
  readonly random: Random;
  readonly latencyMs: number;
  /** The most bytes that one read gives, to begin with. */
  readonly readBytesMax: number;
  /** Unread bytes at which a transport is full; it drains at half of it. */
  readonly socketBytes: number;
  readonly limits?: Partial<MuxLimits>;
  readonly nodeBudgetBytes: number;
  readonly opened: (side: VirtualSide, stream: MuxStream) => void;
}

interface InFlight {
  readonly arrivesAt: number;
  readonly bytes: Buffer;
}

export class VirtualSide implements MuxEvents {
  readonly name: "client" | "server";
  readonly session: MuxSession;
  readonly budget: WindowBudget;
  /** What the peer has not read yet, oldest first. */
  readonly wire: InFlight[] = [];
  wireBytes = 0;
  wireBytesMost = 0;
  full = false;
  dirty = false;
  closedBy: PolarityError | undefined;
  readonly #opened: (stream: MuxStream) => void;

  constructor(name: "client" | "server", options: VirtualNetworkOptions) {
    this.name = name;
    this.budget = new WindowBudget(options.nodeBudgetBytes);
    this.#opened = (stream) => options.opened(this, stream);
    this.session = new MuxSession(
      { role: name, limits: { ...DEFAULT_MUX_LIMITS, ...options.limits }, nodeWindowBudget: this.budget, now: 0 },
      this,
    );
  }

  opened(stream: MuxStream): void {
    this.#opened(stream);
  }
  wantsFlush(): void {
    this.dirty = true;
  }
  silence(): void {}
  peerGoesAway(): void {}
  idsRunOut(): void {}
  streamClosed(): void {}
  closed(error: PolarityError): void {
    if (this.closedBy !== undefined) throw new Error("a session closed twice");
    this.closedBy = error;
  }
}

export class VirtualNetwork {
  readonly client: VirtualSide;
  readonly server: VirtualSide;
  now = 0;
  /** The most bytes that one read gives; may be changed on the way. */
  readBytesMax: number;
  readonly #options: VirtualNetworkOptions;
  #tickedAt = 0;

  constructor(options: VirtualNetworkOptions) {
    this.#options = options;
    this.readBytesMax = options.readBytesMax;
    this.client = new VirtualSide("client", options);
    this.server = new VirtualSide("server", options);
  }

  get sides(): readonly [VirtualSide, VirtualSide] {
    return [this.client, this.server];
  }

  /** Nothing on the wires and nothing to flush. */
  get quiet(): boolean {
    return this.sides.every((side) => side.wire.length === 0 && !side.dirty);
  }

  /** One thing happens: a flush, a read, a drain, or time passes. */
  step(): void {
    const { random } = this.#options;
    const side = this.sides[random.below(2)]!;
    switch (random.below(4)) {
      case 0:
        this.#flush(side);
        break;
      case 1:
      case 2:
        this.#read(side);
        break;
      default:
        this.#pass(random.below(3));
    }
  }

  #flush(side: VirtualSide): void {
    if (!side.dirty) return;
    side.dirty = false;
    const { random, latencyMs, socketBytes } = this.#options;
    side.session.flush(this.now, (buffers) => {
      const taken = side.wire.length === 0 && random.below(3) > 0;
      for (const bytes of buffers) {
        side.wire.push({ arrivesAt: this.now + latencyMs, bytes: taken ? Buffer.from(bytes) : bytes });
        side.wireBytes += bytes.length;
      }
      side.wireBytesMost = Math.max(side.wireBytesMost, side.wireBytes);
      if (taken) return "taken";
      side.full = side.wireBytes >= socketBytes || random.below(8) === 0;
      return side.full ? "full" : "queued";
    });
  }

  /** The side reads some of what the other one wrote. */
  #read(side: VirtualSide): void {
    const from = side === this.client ? this.server : this.client;
    const first = from.wire[0];
    if (first === undefined || first.arrivesAt > this.now) return;
    const { random, socketBytes } = this.#options;
    const size = Math.min(first.bytes.length, 1 + random.below(this.readBytesMax));
    if (size === first.bytes.length) from.wire.shift();
    else from.wire[0] = { arrivesAt: first.arrivesAt, bytes: first.bytes.subarray(size) };
    from.wireBytes -= size;
    // What a socket hands over is its own memory.
    side.session.receive(Buffer.from(first.bytes.subarray(0, size)), this.now);
    if (from.full && from.wireBytes <= socketBytes / 2) {
      from.full = false;
      from.session.unblocked();
      from.dirty = true;
    }
  }

  #pass(milliseconds: number): void {
    this.now += milliseconds;
    if (this.now - this.#tickedAt < 100) return;
    this.#tickedAt = this.now;
    for (const side of this.sides) side.session.tick(this.now);
  }
}
