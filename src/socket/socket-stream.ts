/**
 * A `net.Socket` as a `ByteStream`.
 *
 * Reading stops when the sink has not returned credit for 64 KiB; writes go straight to the socket. The listeners are
 * shared functions that find their stream through a symbol, so an idle connection costs no closures.
 */
import type { Socket } from "node:net";
import { BLOCK_BYTES } from "../base/block-pool.ts";
import type { ByteSink, ByteStream, WriteOutcome } from "../base/byte-stream.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import { internalError } from "../base/internal-error.ts";
import { OutgoingBlocks } from "../base/outgoing-blocks.ts";
import { hold, HOLD_FROM_BYTES, type ReadBlock } from "../base/read-block.ts";
import { RECEIVER, type ReadReceiver, type ReceivingSocket } from "./shared-read.ts";
import { COPY_BYTES_MAX, SocketWriter, type WriterOwner } from "./socket-writer.ts";
import { tlsReason } from "./tls-settings.ts";

/** Un-consumed bytes at which reading stops; it goes on below half of it. */
const READ_AHEAD_BYTES = 64 * 1024;

/** How long a closing connection may go without taking any of its last bytes. */
const CLOSE_STALLED_MS = 30_000;

const STREAM = Symbol("polarity.stream");
type StreamSocket = Socket & { [STREAM]: SocketStream };

/** When quiet raw connections are probed: below the time after which gateways on the way forget them. */
export const QUIET_PROBE_MS = 60_000;

/** What a broken socket means, which depends on who is at its other end. */
export interface SocketFault {
  readonly code: ErrorCode;
  /** Who that is, for people: `the client 127.0.0.1:5000`. */
  readonly who: string;
}

export class SocketStream implements ByteStream, ReadReceiver, WriterOwner {
  sink: ByteSink;
  readonly socket: Socket;
  readonly #fault: SocketFault;
  readonly #writer: SocketWriter;
  #unconsumedBytes = 0;
  #paused = false;
  #needsDrain = false;
  #readEnded = false;
  #writeEnded = false;
  #over = false;
  /** Copies of what the socket may not have written yet. */
  readonly #blocks = new OutgoingBlocks();
  /** What the socket may not have written of was read into this one. */
  #held: ReadBlock | undefined;
  #settling = false;
  #closing = false;
  bytesIn = 0;
  bytesOut = 0;

  /** Takes over a connected socket made with `allowHalfOpen`. Nothing is read before the current turn is over. */
  constructor(socket: Socket, fault: SocketFault, sink: ByteSink) {
    this.socket = socket;
    this.#writer = new SocketWriter(socket, this);
    this.#fault = fault;
    this.sink = sink;
    socket.setNoDelay(true);
    (socket as StreamSocket)[STREAM] = this;
    (socket as ReceivingSocket)[RECEIVER] = this;
    // Sockets with a shared read never say `data`; others do nothing else.
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("drain", onDrain);
    socket.on("error", onError);
    socket.on("close", onClose);
  }

  /** Both directions are over. */
  get over(): boolean {
    return this.#over;
  }

  /** After so long without a byte the system asks the peer whether it is still there, and breaks the connection if not. */
  probeAfter(ms: number): void {
    this.socket.setKeepAlive(true, ms);
  }

  /** The last write returned false, and no `drain` has come since. */
  get full(): boolean {
    return this.#needsDrain;
  }

  /** Something that was written waits for the peer to take it. */
  get waiting(): boolean {
    return this.#writer.waiting;
  }

  /** Changes whenever the peer took some of what waits, and only then while something does. */
  get takenMark(): number {
    return this.bytesOut - this.#writer.waitingBytes;
  }

  get readEnded(): boolean {
    return this.#readEnded;
  }

  write(chunk: Buffer): boolean {
    if (this.#writeEnded || chunk.length === 0) return true;
    this.bytesOut += chunk.length;
    if (chunk.length < HOLD_FROM_BYTES && this.#writer.direct) return this.#wroteCopy(this.#writer.writeCopy(chunk));
    if (this.#holds(chunk)) return this.#wrote(this.#writer.write(chunk));
    if (chunk.length <= BLOCK_BYTES) return this.#wrote(this.#writer.write(this.#blocks.copy(chunk)));
    return this.#wrote(this.#writer.writeAll(this.#copies(chunk)));
  }

  writeLatin1(text: string, second = "", third = ""): boolean {
    if (this.#writeEnded) return true;
    this.bytesOut += text.length + second.length + third.length;
    return this.#wrote(this.#writer.writeLatin1(second === "" ? text : text + second + third));
  }

  /** Latin1 text in two pieces and the bytes behind it, in one system call. */
  writeMessage(start: string, ending: string, chunk: Buffer): boolean {
    if (this.#writeEnded) return true;
    const textBytes = start.length + ending.length;
    const bytes = textBytes + chunk.length;
    if (bytes <= COPY_BYTES_MAX) {
      this.bytesOut += bytes;
      if (this.#writer.direct) return this.#wroteCopy(this.#writer.writeText(start, ending, chunk));
      return this.#wrote(this.#writer.write(this.#packed(start, ending, chunk)));
    }
    if (textBytes > BLOCK_BYTES || textBytes === 0) {
      this.writeLatin1(start, ending);
      return this.write(chunk);
    }
    this.bytesOut += bytes;
    const held = this.#holds(chunk);
    const text = this.#packed(start, ending, EMPTY);
    return this.#wrote(this.#writer.writeAll(held ? [text, chunk] : [text, ...this.#copies(chunk)]));
  }

  end(): void {
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    this.#writer.end();
    if (this.#readEnded) this.#limitClosing();
  }

  reset(_error: PolarityError): void {
    if (this.#over && !this.#closing) return;
    this.#closing = false;
    this.#release();
    resetSocket(this.socket);
  }

  /** Sends what is queued, then closes both ways without waiting for the peer's end. */
  closeAfterWrites(): void {
    if (this.#over) return;
    this.#release();
    this.#closing = true;
    this.socket.on("error", ignore);
    this.#limitClosing();
    this.#writer.destroySoon();
  }

  /** Nothing of it is left, neither bytes to send nor the socket. */
  get gone(): boolean {
    return this.socket.destroyed;
  }

  consumed(bytes: number): void {
    this.#unconsumedBytes -= bytes;
    if (!this.#paused || this.#unconsumedBytes > READ_AHEAD_BYTES / 2 || this.#over) return;
    this.#paused = false;
    this.socket.resume();
  }

  /** Another user takes over. Whoever was it before owes nothing: what is left is reported and paid, as nobody else would. */
  handOver(): void {
    const owed = this.#unconsumedBytes;
    if (owed === 0) return;
    internalError("stream", new Error(`a connection to ${this.#fault.who} was handed on owing it ${owed} bytes`));
    this.consumed(owed);
  }

  /** Gives the socket back untouched, for whoever takes it over next; the sink hears nothing more. */
  detach(): Socket {
    this.handOver();
    this.#release();
    return this.socket;
  }

  /** Ends it at once, both ways; the sink hears nothing more. */
  destroy(): void {
    this.#release();
    this.socket.on("error", ignore).destroy();
  }

  // ── called by the shared listeners ──

  received(chunk: Buffer): void {
    if (this.#over) return;
    this.bytesIn += chunk.length;
    this.#unconsumedBytes += chunk.length;
    try {
      this.sink.data(chunk);
    } catch (thrown) {
      this.#userFailed(thrown);
    }
    if (this.#unconsumedBytes < READ_AHEAD_BYTES || this.#paused || this.#over) return;
    this.#paused = true;
    this.socket.pause();
  }

  ended(): void {
    if (this.#over || this.#readEnded) return;
    this.#readEnded = true;
    if (this.#writeEnded) this.#limitClosing();
    try {
      this.sink.end();
    } catch (thrown) {
      this.#userFailed(thrown);
    }
  }

  drained(): void {
    this.#settle();
    if (!this.#needsDrain || this.#over) return;
    this.#needsDrain = false;
    try {
      this.sink.drain();
    } catch (thrown) {
      this.#userFailed(thrown);
    }
  }

  closed(): void {
    if (this.#over) return;
    const complete = this.#readEnded && this.#writeEnded && this.socket.errored === null;
    this.#release();
    if (complete) return;
    const cause = this.socket.errored;
    const why = cause === null ? "closed the connection" : `broke the connection: ${tlsReason(cause)}`;
    this.#tellReset(new PolarityError(this.#fault.code, `${this.#fault.who} ${why}`, cause ?? undefined));
  }

  /** Only this connection ends. */
  #userFailed(thrown: unknown): void {
    const error = internalError("socket", thrown);
    this.reset(error);
    this.#tellReset(error);
  }

  #tellReset(error: PolarityError): void {
    try {
      this.sink.reset(error);
    } catch (thrown) {
      internalError("socket", thrown);
    }
  }

  /** What the writer says of bytes that it has copies of. */
  #wroteCopy(outcome: WriteOutcome): boolean {
    if (outcome === "taken") return true;
    this.#needsDrain = true;
    return false;
  }

  /** What the writer says of bytes that it was given to keep. */
  #wrote(outcome: WriteOutcome): boolean {
    if (outcome === "taken" || !this.#writer.waiting) {
      this.#settle();
      return true;
    }
    const { socket } = this;
    // Too little for a `drain`: an empty write behind it tells when it is gone.
    if (socket.writableLength > 0 && !socket.writableNeedDrain && !this.#settling) {
      this.#settling = true;
      socket.write(EMPTY, () => {
        this.#settling = false;
        this.#settle();
      });
    }
    if (outcome === "queued") return true;
    this.#needsDrain = true;
    return false;
  }

  #settle(): void {
    if (this.#writer.waiting) return;
    this.#blocks.settle();
    if (this.#held === undefined) return;
    this.#held.letGo();
    this.#held = undefined;
  }

  /** The chunk may stay where it is until it is sent. A socket that is behind gets copies, so that it holds one block at most. */
  #holds(chunk: Buffer): boolean {
    if (this.#writer.waiting) return false;
    // What was held before is sent, even where nobody was told yet.
    this.#settle();
    this.#held = hold(chunk);
    return this.#held !== undefined;
  }

  #copies(chunk: Buffer): Buffer[] {
    const copies: Buffer[] = [];
    for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
      copies.push(this.#blocks.copy(chunk.subarray(at, at + BLOCK_BYTES)));
    }
    return copies;
  }

  /** All of it in one piece, which is at most a block. */
  #packed(start: string, ending: string, chunk: Buffer): Buffer {
    const blocks = this.#blocks;
    const textBytes = start.length + ending.length;
    const bytes = textBytes + chunk.length;
    blocks.reserve(bytes);
    const { block, cursor } = blocks;
    block.write(start, cursor, "latin1");
    if (ending !== "") block.write(ending, cursor + start.length, "latin1");
    if (chunk.length > 0) block.set(chunk, cursor + textBytes);
    blocks.advance(bytes);
    return block.subarray(cursor, cursor + bytes);
  }

  /** Both sides have said all: only what the peer has not taken yet keeps the socket, and not for ever. */
  #limitClosing(): void {
    const taken = this.takenMark;
    this.socket.setTimeout(CLOSE_STALLED_MS, () => {
      if (taken === this.takenMark) this.socket.destroy();
      else this.#limitClosing();
    });
  }

  #release(): void {
    this.#over = true;
    this.#writeEnded = true;
    const socket = this.socket;
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("drain", onDrain);
    socket.off("error", onError);
    socket.off("close", onClose);
  }
}

/** Breaks a connection so that its peer notices: RST where the medium has one. */
export function resetSocket(socket: Socket): void {
  socket.on("error", ignore);
  if (socket.remoteFamily === undefined || "encrypted" in socket) socket.destroy();
  // While a shutdown is under way a reset is refused, and the descriptor would stay open for ever.
  else if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0)
    socket.once("finish", reset);
  else socket.resetAndDestroy();
}

function reset(this: Socket): void {
  if (!this.destroyed) this.resetAndDestroy();
}

function ignore(): void {}

function onData(this: Socket, chunk: Buffer): void {
  (this as StreamSocket)[STREAM].received(chunk);
}

function onEnd(this: Socket): void {
  (this as StreamSocket)[STREAM].ended();
}

function onDrain(this: Socket): void {
  (this as StreamSocket)[STREAM].drained();
}

/** `close` follows and reports it. */
function onError(this: Socket): void {}

function onClose(this: Socket): void {
  (this as StreamSocket)[STREAM].closed();
}

const EMPTY = Buffer.alloc(0);
