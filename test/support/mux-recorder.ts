/** A mux session whose events, frames out and sink calls are one list of words: hex in, events out. */
import type { ByteSink } from "../../src/base/byte-stream.ts";
import type { PolarityError } from "../../src/base/errors.ts";
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, HEADER_BYTES } from "../../src/mux/frame.ts";
import { DEFAULT_MUX_LIMITS, type MuxLimits, WindowBudget } from "../../src/mux/mux-limits.ts";
import { type MuxEvents, MuxSession } from "../../src/mux/mux-session.ts";
import type { MuxStream } from "../../src/mux/mux-stream.ts";

export interface RecorderOptions {
  readonly role?: "client" | "server";
  readonly limits?: Partial<MuxLimits>;
  readonly firstStreamId?: number;
  readonly nodeWindowBudget?: WindowBudget;
  /** Called for each stream of the peer; without it the recorder's own sink is set. */
  readonly opened?: (stream: MuxStream, recorder: MuxRecorder) => void;
}

export class MuxRecorder implements MuxEvents {
  readonly session: MuxSession;
  readonly events: string[] = [];
  /** Credit is returned as bytes arrive. Off: a reader that stalls. */
  consumes = true;
  /** Longer payloads are recorded by their length. */
  payloadShownMax = 16;
  outcome: "taken" | "queued" | "full" = "taken";
  wantsFlushes = 0;
  now = 0;
  readonly #opened: RecorderOptions["opened"];

  constructor(options: RecorderOptions = {}) {
    this.#opened = options.opened;
    this.session = new MuxSession(
      {
        role: options.role ?? "server",
        limits: { ...DEFAULT_MUX_LIMITS, ...options.limits },
        nodeWindowBudget: options.nodeWindowBudget ?? new WindowBudget(64 * 1024 * 1024),
        now: 0,
        ...(options.firstStreamId === undefined ? {} : { firstStreamId: options.firstStreamId }),
      },
      this,
    );
  }

  /** Feeds hex; blanks are for the eye. Returns the events since the last call. */
  receive(...hex: readonly string[]): string[] {
    this.session.receive(Buffer.from(hex.join("").replaceAll(/\s/g, ""), "hex"), this.now);
    return this.taken();
  }

  tick(now: number): string[] {
    this.now = now;
    this.session.tick(now);
    return this.taken();
  }

  /** The frames that a flush sends, one word each. */
  flush(): string[] {
    const bytes: Buffer[] = [];
    this.session.flush(this.now, (buffers) => {
      bytes.push(...buffers.map((buffer) => Buffer.from(buffer)));
      return this.outcome;
    });
    return describeFrames(Buffer.concat(bytes));
  }

  /** The events since the last call. */
  taken(): string[] {
    return this.events.splice(0);
  }

  open(): MuxStream {
    const sink = new RecordingSink(this);
    const stream = this.session.open(sink);
    if (stream === undefined) throw new Error("the session opens no stream");
    sink.stream = stream;
    return stream;
  }

  sinkFor(stream: MuxStream): ByteSink {
    const sink = new RecordingSink(this);
    sink.stream = stream;
    return sink;
  }

  opened(stream: MuxStream): void {
    this.events.push(`opened ${stream.id}`);
    if (this.#opened === undefined) stream.sink = this.sinkFor(stream);
    else this.#opened(stream, this);
  }
  wantsFlush(): void {
    this.wantsFlushes++;
  }
  silence(suspect: boolean): void {
    this.events.push(suspect ? "suspect" : "trusted");
  }
  peerGoesAway(): void {
    this.events.push("peer goes away");
  }
  idsRunOut(): void {
    this.events.push("ids run out");
  }
  streamClosed(streamsOpen: number): void {
    this.events.push(`streams ${streamsOpen}`);
  }
  closed(error: PolarityError): void {
    this.events.push(`closed ${error.code}: ${error.message}`);
  }
}

class RecordingSink implements ByteSink {
  readonly #recorder: MuxRecorder;
  stream!: MuxStream;
  constructor(recorder: MuxRecorder) {
    this.#recorder = recorder;
  }
  data(chunk: Buffer): void {
    const content = chunk.length > this.#recorder.payloadShownMax ? chunk.length : chunk.toString("latin1");
    this.#recorder.events.push(`data ${this.stream.id} ${content}`);
    if (this.#recorder.consumes) this.stream.consumed(chunk.length);
  }
  end(): void {
    this.#recorder.events.push(`end ${this.stream.id}`);
  }
  reset(error: PolarityError): void {
    this.#recorder.events.push(`reset ${this.stream.id} ${error.code}`);
  }
  drain(): void {
    this.#recorder.events.push(`drain ${this.stream.id}`);
  }
}

const TYPES = ["DATA", "WINDOW", "PING", "GOAWAY"];

/** Frames as words: `DATA SYN|FIN 1 "hello"`, `WINDOW RST 1 0`. Long payloads show their length. */
export function describeFrames(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at + 1]!;
    const flags = bytes.readUInt16BE(at + 2);
    const length = bytes.readUInt32BE(at + 8);
    const payload = type === 0 ? bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length) : undefined;
    const content = payload === undefined || length > 16 ? `${length}` : JSON.stringify(payload.toString("latin1"));
    frames.push([TYPES[type] ?? `type${type}`, describeFlags(flags), bytes.readUInt32BE(at + 4), content].join(" "));
    at += HEADER_BYTES + (payload?.length ?? 0);
  }
  return frames;
}

function describeFlags(flags: number): string {
  const names = [
    [FLAG_SYN, "SYN"],
    [FLAG_ACK, "ACK"],
    [FLAG_FIN, "FIN"],
    [FLAG_RST, "RST"],
  ] as const;
  const set = names.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
  return set.length === 0 ? "-" : set.join("|");
}

const FLAG_BITS: Readonly<Record<string, number>> = { SYN: FLAG_SYN, ACK: FLAG_ACK, FIN: FLAG_FIN, RST: FLAG_RST };

/** One frame as hex: `frame("DATA", "SYN|FIN", 1, "hello")`; a number is the header's length field alone. */
export function frame(type: string, flags: string, streamId: number, content: number | string): string {
  const bits = flags === "-" ? 0 : flags.split("|").reduce((all, name) => all | FLAG_BITS[name]!, 0);
  const payload = typeof content === "string" ? Buffer.from(content, "latin1") : Buffer.alloc(0);
  const header = Buffer.alloc(HEADER_BYTES);
  header[1] = TYPES.indexOf(type);
  header.writeUInt16BE(bits, 2);
  header.writeUInt32BE(streamId, 4);
  header.writeUInt32BE(typeof content === "string" ? payload.length : content, 8);
  return Buffer.concat([header, payload]).toString("hex");
}
