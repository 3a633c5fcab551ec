/**
 * A byte stream as a Node `Duplex`, for those who want one: half-open, with backpressure both ways.
 *
 * Credit goes back to the sender when the reader took the bytes; a chunk is copied once, as it was only lent. The router's and
 * connector's own paths do not use it.
 */
import type { Socket } from "node:net";
import { type ByteSink, type ByteStream, DiscardSink } from "../base/byte-stream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import { SocketDuplex } from "./socket-duplex.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";

/**
 * A stream to or from a service, which looks like a `net.Socket` to clients written for one. `end()` half-closes and reading goes on
 * until the other side ends; `destroy()` resets both ways, unless both sides had ended. Errors are `PolarityError`s, except what
 * `destroy` was given, the reason of an aborted signal, and `EPIPE` for what is written when both sides have ended. When somebody
 * was found who serves it, `connect` is emitted. It keeps no process alive; links do.
 */
export interface ServiceStream extends Socket {
  /** The service, as links name it. */
  readonly service: string;
  /** The machine that was asked for; undefined for any, and where this program is the one that serves. */
  readonly machine: string | undefined;
  /** Nobody was found yet who serves it. What is written meanwhile follows. */
  readonly connecting: boolean;
  /** False: our side ends when the other's has ended and was read. Default: true for who serves, false for who dials. */
  allowHalfOpen: boolean;
  /** The client's IP address where the other side told it, on the serving side. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Emits `timeout` after so many milliseconds without a byte either way; 0: never. */
  setTimeout(milliseconds: number, listener?: () => void): this;
}

/** Who a stream is from, as far as the other side says. */
export interface StreamInfo {
  readonly service: string;
  /** The client's address as `host:port`; empty where there is none, or none was told. */
  readonly client: string;
}

export interface StreamDuplexOptions {
  readonly service: string;
  readonly machine?: string | undefined;
  /** `host:port` of the client, on the serving side. */
  readonly client?: string | undefined;
  /** What a peer is told when this side is destroyed without saying why. */
  readonly destroyedAs: { readonly code: ErrorCode; readonly message: string };
  /** The reader hears of the peer's end only after `releaseEnd`: an HTTP request ends by itself, and a server would hang up. */
  readonly holdsEnd?: boolean;
}

/** For how long the far side may take to end a stream whose near side is done with it. */
const LINGER_MS = 30_000;

export class StreamDuplex extends SocketDuplex implements ServiceStream {
  readonly service: string;
  readonly machine: string | undefined;
  /** What the stream calls; handed to whoever opens it. */
  readonly sink: ByteSink;
  readonly #destroyedAs: StreamDuplexOptions["destroyedAs"];
  #stream: ByteStream | undefined;
  /** A write or the end, which waits for the stream to be there or to have room. */
  #waiting: (() => void) | undefined;
  #used = false;
  #owed = NOTHING_OWED;
  #reset = false;
  #peerEnded = false;
  #holdsEnd: boolean;

  /** Without `stream`, what is written waits until `attach`. */
  constructor(options: StreamDuplexOptions, stream?: ByteStream) {
    const { service, machine, client = "", destroyedAs, holdsEnd = false } = options;
    super(client, stream === undefined);
    this.service = service;
    this.machine = machine;
    this.#destroyedAs = destroyedAs;
    this.#holdsEnd = holdsEnd;
    this.#stream = stream;
    this.sink = {
      data: (chunk) => this.#data(chunk),
      end: () => {
        this.#peerEnded = true;
        if (!this.#holdsEnd) this.endWithPeer();
      },
      reset: (error) => this.#resetByPeer(error),
      drain: () => this.#proceed(),
      opened: () => {
        try {
          this.#opened();
        } catch (error) {
          heard(error);
        }
      },
    };
    if (stream !== undefined) stream.sink = this.sink;
  }

  /** The stream is there, with `sink` as its sink: what was written meanwhile goes out. */
  attach(stream: ByteStream): void {
    if (this.destroyed) {
      if (!this.#reset) stream.reset(this.#reasonFor(null));
      return;
    }
    this.#stream = stream;
    this.#proceed();
  }

  /** Gives up the stream that broke under it, to be attached to another; false when that could repeat something. */
  detach(): boolean {
    if (!this.connecting || this.#used || this.destroyed) return false;
    this.#stream = undefined;
    return true;
  }

  /** What comes is no request any more, and ends with the stream. */
  releaseEnd(): void {
    if (!this.#holdsEnd) return;
    this.#holdsEnd = false;
    if (this.#peerEnded) this.endWithPeer();
  }

  /** An HTTP exchange on it is complete: `destroy` then ends it in order. */
  exchangeComplete(): void {
    this.inOrder = true;
  }

  override _read(): void {
    this.#owed.settle();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.touchTimer();
    const stream = this.#stream;
    if (stream === undefined) {
      this.#waiting = () => this._write(chunk, _encoding, done);
      return;
    }
    this.#used = true;
    this.taken += chunk.length;
    if (stream.write(chunk)) {
      done();
      return;
    }
    this.takenWaiting = chunk.length;
    this.#waiting = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    const stream = this.#stream;
    if (stream === undefined) {
      this.#waiting = () => this._final(done);
      return;
    }
    this.#used = true;
    stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.stopTimer();
    this.connecting = false;
    this.#waiting = undefined;
    const stream = this.#stream;
    if (stream !== undefined && !this.#reset) {
      const bothEnded = this.#peerEnded && this.writableFinished;
      if (error !== null || !(this.inOrder || bothEnded)) stream.reset(this.#reasonFor(error));
      else if (this.#peerEnded) stream.end();
      else this.#linger(stream);
    }
    done(error);
  }

  #data(chunk: Buffer): void {
    if (this.destroyed) return;
    this.touchTimer();
    this.bytesRead += chunk.length;
    let stays = true;
    try {
      stays = this.push(Buffer.from(chunk));
    } catch (error) {
      heard(error);
    }
    const stream = this.#stream;
    if (stream === undefined) return;
    if (stays) stream.consumed(chunk.length);
    else this.#owed = this.#owed.plus(stream, chunk.length);
  }

  #opened(): void {
    if (!this.connecting || this.destroyed) return;
    this.connecting = false;
    this.touchTimer();
    this.tellConnected();
  }

  #resetByPeer(error: PolarityError): void {
    this.#reset = true;
    this.destroy(error);
  }

  #proceed(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.takenWaiting = 0;
    waiting?.();
  }

  /** Our side has said all; the other may still be ending. What it still says nobody reads. */
  #linger(stream: ByteStream): void {
    this._read();
    stream.end();
    const late = setTimeout(() => {
      stream.reset(new PolarityError("CLIENT_GONE", `the far side did not end the stream within ${LINGER_MS} ms`));
    }, LINGER_MS).unref();
    stream.sink = new LingerSink(stream, late);
  }

  #reasonFor(error: Error | null): PolarityError {
    if (error instanceof PolarityError) return error;
    const { code, message } = this.#destroyedAs;
    return new PolarityError(code, error === null ? message : `${message}: ${error.message}`, error ?? undefined);
  }
}

class LingerSink extends DiscardSink {
  readonly #late: NodeJS.Timeout;
  constructor(stream: ByteStream, late: NodeJS.Timeout) {
    super(stream);
    this.#late = late;
  }
  override end(): void {
    clearTimeout(this.#late);
  }
  override reset(): void {
    clearTimeout(this.#late);
  }
}

/** What a listener of the program throws is the program's to hear, as with any socket, and no failure of the link's work. */
function heard(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
