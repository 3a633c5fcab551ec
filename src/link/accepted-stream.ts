/**
 * A stream that the peer opened: its preamble is read, then it is the user's.
 *
 * Once the user has set a sink, arriving bytes go from the mux straight to it. Only a reset takes a detour: its reason is
 * told on the control stream first, because RST carries none.
 */
import { type ByteSink, type ByteStream, DiscardSink } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import type { Preamble, PreambleReader } from "./preamble.ts";

/** What an accepted stream needs of its link. */
export interface AcceptedStreamHost {
  readonly preambles: PreambleReader;
  readonly preambleBytesMax: number;
  accepted(preamble: Preamble, stream: ByteStream): void;
  /** A stream waits for its preamble no more: it came, was wrong, or will not come. Called once a stream. */
  preambleSettled(): void;
  refuse(streamId: number, error: PolarityError): void;
  /** Somebody serves a stream whose opener asked to be told. */
  confirm(streamId: number): void;
}

const NEWLINE = 0x0a;

/** The sink of an accepted stream until its first line is complete. */
export class PreambleSink implements ByteSink {
  readonly #host: AcceptedStreamHost;
  readonly #stream: MuxStream;
  /** The pieces of a line that came in several. */
  #pieces: Buffer[] | undefined;
  #bytes = 0;
  #settled = false;

  constructor(host: AcceptedStreamHost, stream: MuxStream) {
    this.#host = host;
    this.#stream = stream;
  }

  data(chunk: Buffer): void {
    const newline = chunk.indexOf(NEWLINE);
    const lineBytes = this.#bytes + (newline < 0 ? chunk.length : newline);
    if (lineBytes > this.#host.preambleBytesMax) {
      this.#refuse(
        new PolarityError("PREAMBLE_INVALID", `a preamble of more than ${this.#host.preambleBytesMax} bytes`),
      );
      return;
    }
    if (newline < 0) {
      this.#keep(chunk);
      return;
    }
    const stream = this.#stream;
    let preamble: Preamble;
    try {
      preamble =
        this.#pieces === undefined
          ? this.#host.preambles.read(chunk, 0, newline)
          : this.#host.preambles.read(Buffer.concat([...this.#pieces, chunk]), 0, lineBytes);
    } catch (error) {
      if (!(error instanceof PolarityError)) throw error;
      this.#refuse(error);
      return;
    }
    this.#settle();
    stream.consumed(lineBytes + 1);
    stream.charge = preamble;
    this.#host.accepted(preamble, new AcceptedStream(this.#host, stream, preamble.confirm));
    if (newline + 1 < chunk.length && stream.state !== "closed") stream.sink.data(chunk.subarray(newline + 1));
  }

  end(): void {
    this.#refuse(new PolarityError("PREAMBLE_INVALID", "the stream ended before its preamble did"));
  }

  reset(): void {
    this.#pieces = undefined;
    this.#settle();
  }

  drain(): void {}

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#host.preambleSettled();
  }

  #keep(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#pieces ??= [];
    this.#pieces.push(Buffer.from(chunk));
    // A line sent byte by byte must not hold a Buffer per byte.
    if (this.#pieces.length >= 64) this.#pieces = [Buffer.concat(this.#pieces)];
  }

  #refuse(error: PolarityError): void {
    this.#pieces = undefined;
    this.#settle();
    this.#host.refuse(this.#stream.id, error);
    this.#stream.reset(error);
    this.#stream.sink = new DiscardSink(this.#stream);
  }
}

class AcceptedStream implements ByteStream {
  readonly #host: AcceptedStreamHost;
  readonly #stream: MuxStream;
  #toConfirm: boolean;

  constructor(host: AcceptedStreamHost, stream: MuxStream, toConfirm: boolean) {
    this.#host = host;
    this.#stream = stream;
    this.#toConfirm = toConfirm;
  }

  get sink(): ByteSink {
    return this.#stream.sink;
  }

  set sink(sink: ByteSink) {
    this.#stream.sink = sink;
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  writeLatin1(text: string, second?: string, third?: string): boolean {
    return this.#stream.writeLatin1(text, second, third);
  }

  end(): void {
    this.#stream.end();
  }

  reset(error: PolarityError): void {
    if (this.#stream.state === "closed") return;
    this.#host.refuse(this.#stream.id, error);
    this.#stream.reset(error);
  }

  consumed(bytes: number): void {
    this.#stream.consumed(bytes);
  }

  confirm(): void {
    if (!this.#toConfirm || this.#stream.state === "closed") return;
    this.#toConfirm = false;
    this.#host.confirm(this.#stream.id);
  }
}
