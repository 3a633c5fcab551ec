/** The streams that the peer of a link opens: their preambles are read one by one, so many at once and no more. */
import type { ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import { type AcceptedStreamHost, PreambleSink } from "./accepted-stream.ts";
import type { ControlChannel } from "./control-channel.ts";
import type { LinkLimits } from "./link-limits.ts";
import { type Preamble, PreambleReader } from "./preamble.ts";

/** What they need of their link. */
export interface PeerStreamsHost {
  /** Where the peer is told; undefined once nobody is there to be told. */
  control(): ControlChannel | undefined;
  accepted(preamble: Preamble, stream: ByteStream): void;
}

export class PeerStreams implements AcceptedStreamHost {
  readonly preambles = new PreambleReader();
  readonly preambleBytesMax: number;
  readonly #host: PeerStreamsHost;
  readonly #unacceptedMax: number;
  #unaccepted = 0;

  constructor({ preambleBytesMax, unacceptedStreamsMax }: LinkLimits, host: PeerStreamsHost) {
    this.preambleBytesMax = preambleBytesMax;
    this.#unacceptedMax = unacceptedStreamsMax;
    this.#host = host;
  }

  take(stream: MuxStream): void {
    if (this.#unaccepted >= this.#unacceptedMax) {
      const why = `${this.#unacceptedMax} streams wait for their preamble already`;
      const error = new PolarityError("STREAM_REFUSED", why);
      this.refuse(stream.id, error);
      stream.reset(error);
      return;
    }
    this.#unaccepted++;
    stream.sink = new PreambleSink(this, stream);
  }

  // ── AcceptedStreamHost ──

  accepted(preamble: Preamble, stream: ByteStream): void {
    this.#host.accepted(preamble, stream);
  }

  preambleSettled(): void {
    this.#unaccepted--;
  }

  refuse(streamId: number, error: PolarityError): void {
    this.#host.control()?.error(error, streamId);
  }

  confirm(streamId: number): void {
    this.#host.control()?.confirm(streamId);
  }
}
