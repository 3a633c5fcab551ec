/**
 * Writing to a socket: straight to its handle where that can be, else through Node's `Writable`.
 *
 * A plain socket nearly always hands its bytes to the kernel within the call, and then all that a Writable keeps account of
 * is kept for nothing: it was some 3% of what a small request costs. What the kernel does not take at once waits in the
 * handle's own queue; until it is gone, what follows waits behind it in the Writable.
 *
 * Node promises nothing of its handles. So the first write of the process is watched to see how Node itself uses one, and
 * where that is not the way known here, every write takes the way through the Writable.
 */
import type { Socket } from "node:net";
import { getSystemErrorName } from "node:util";
import { BLOCK_BYTES, giveBlock, takeBlock } from "../base/block-pool.ts";
import type { WriteOutcome } from "../base/byte-stream.ts";
import { internalError } from "../base/internal-error.ts";
import { StartViews } from "../base/start-views.ts";

/** A write that the kernel did not take whole within the call. */
interface WriteRequest {
  /** What it refers to until it is complete. */
  buffer?: unknown;
  oncomplete?: (status: number) => void;
  /** Set where it completed before anybody could listen. */
  writeStatus?: number | null;
}

/** 0: the kernel has all of it. Below: it failed, and that is libuv's number of why. Undefined: the handle is closed. */
type WriteResult = number | WriteRequest | undefined;

type HandleMethod<Parts extends unknown[]> = (this: WritingHandle, request: null, ...parts: Parts) => WriteResult;

interface WritingHandle {
  writeBuffer: HandleMethod<[chunk: Buffer]>;
  readonly writeLatin1String: HandleMethod<[text: string]>;
  readonly writev: HandleMethod<[chunks: readonly Buffer[], allBuffers: true]>;
  readonly writeQueueSize?: number;
}

type HandledSocket = Socket & { readonly _handle?: WritingHandle | null };

export interface WriterOwner {
  /** After a write that was `full`, unless the socket says `drain` itself: writing may go on. */
  drained(): void;
}

/** What `writeCopy` and `writeText` take at most. */
export const COPY_BYTES_MAX = BLOCK_BYTES;

export class SocketWriter {
  readonly #socket: HandledSocket;
  readonly #owner: WriterOwner;
  /** Plain TCP or a unix socket; anything else writes later than in the call. */
  readonly #plain: boolean;
  /** Undefined until the socket is connected and how to write to handles is known. */
  #handle: WritingHandle | undefined;
  /** The handle's own, kept because handles differ in shape, which makes it slow to look up for each write. */
  #writeBuffer: HandleMethod<[chunk: Buffer]> | undefined;
  /** Bytes have gone through the Writable, and may still be there. */
  #queues = false;
  #pending = false;
  /** What the write that is pending was copied into. */
  #block: Buffer | undefined;
  #ending: "no" | "end" | "destroy" = "no";

  constructor(socket: Socket, owner: WriterOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#plain = !("encrypted" in socket);
  }

  /** Something that was written is not with the kernel yet. */
  get waiting(): boolean {
    return this.#pending || (this.#queues && this.#queued());
  }

  /** How many bytes at most; a write under way may count whole until it is complete. Falls only as the peer takes some. */
  get waitingBytes(): number {
    return this.#socket.writableLength + (this.#socket._handle?.writeQueueSize ?? 0);
  }

  /** `writeCopy` and `writeText` may be called now. */
  get direct(): boolean {
    if (this.#pending || (this.#queues && this.#queued())) return false;
    return this.#handle !== undefined || this.#findHandle();
  }

  /** Sends bytes that are only lent, at most `COPY_BYTES_MAX`. */
  writeCopy(chunk: Buffer): WriteOutcome {
    scratch.memory.set(chunk);
    return this.#writeScratch(chunk.length);
  }

  /** Sends latin1 text in two pieces and lent bytes behind it, at most `COPY_BYTES_MAX` together. */
  writeText(start: string, ending: string, chunk: Buffer): WriteOutcome {
    const { memory } = scratch;
    const textBytes = start.length + ending.length;
    memory.write(start, 0, "latin1");
    if (ending !== "") memory.write(ending, start.length, "latin1");
    if (chunk.length > 0) memory.set(chunk, textBytes);
    return this.#writeScratch(textBytes + chunk.length);
  }

  /** The chunk is referred to for as long as something waits. */
  write(chunk: Buffer): WriteOutcome {
    if (this.direct) return this.#wrote(this.#writeBuffer!.call(this.#handle!, null, chunk), chunk);
    if (way === "unknown" && this.#plain) watch(this.#socket._handle);
    this.#queues = true;
    return this.#outcome(this.#socket.write(chunk));
  }

  writeLatin1(text: string): WriteOutcome {
    if (this.direct) return this.#wrote(this.#handle!.writeLatin1String(null, text), undefined);
    this.#queues = true;
    return this.#outcome(this.#socket.write(text, "latin1"));
  }

  /** All of them in order, in one system call. */
  writeAll(chunks: readonly Buffer[]): WriteOutcome {
    if (chunks.length === 1) return this.write(chunks[0]!);
    if (this.direct) return this.#wrote(this.#handle!.writev(null, chunks, true), chunks);
    const socket = this.#socket;
    let room = true;
    this.#queues = true;
    socket.cork();
    for (const chunk of chunks) room = socket.write(chunk);
    socket.uncork();
    return this.#outcome(room);
  }

  /** Half-closes behind what waits. Not before it is gone: a shutdown under way would refuse a reset. */
  end(): void {
    if (this.#pending) {
      if (this.#ending === "no") this.#ending = "end";
    } else this.#socket.end();
  }

  /** Closes behind what waits. */
  destroySoon(): void {
    if (this.#pending) this.#ending = "destroy";
    else this.#socket.destroySoon();
  }

  #findHandle(): boolean {
    const socket = this.#socket;
    if (way !== "direct" || !this.#plain || socket.connecting || socket.destroyed) return false;
    const handle = socket._handle;
    if (handle === null || handle === undefined) return false;
    this.#handle = handle;
    this.#writeBuffer = handle.writeBuffer;
    return true;
  }

  #queued(): boolean {
    this.#queues = this.#socket.writableLength > 0;
    return this.#queues;
  }

  #outcome(room: boolean): WriteOutcome {
    if (!this.waiting && this.#plain) return "taken";
    return room && !this.#pending ? "queued" : "full";
  }

  #writeScratch(bytes: number): WriteOutcome {
    const { memory } = scratch;
    const result = this.#writeBuffer!.call(this.#handle!, null, scratch.of(bytes));
    if (result === 0) return "taken";
    const outcome = this.#wrote(result, memory);
    if (outcome !== "taken") {
      this.#block = memory;
      scratch = new StartViews(takeBlock());
    }
    return outcome;
  }

  #wrote(result: WriteResult, buffer: unknown): WriteOutcome {
    if (result === 0 || result === undefined) return "taken";
    const socket = this.#socket;
    if (typeof result === "number") {
      socket.destroy(writeError(result));
      return "taken";
    }
    this.#pending = true;
    result.buffer = buffer;
    result.oncomplete = (status) => this.#completed(status);
    const { writeStatus } = result;
    if (typeof writeStatus === "number") {
      result.writeStatus = null;
      queueMicrotask(() => this.#completed(writeStatus));
    }
    return "full";
  }

  #completed(status: number): void {
    this.#pending = false;
    if (this.#block !== undefined) giveBlock(this.#block);
    this.#block = undefined;
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (status < 0) {
      socket.destroy(writeError(status));
      return;
    }
    if (this.#ending === "end") socket.end();
    else if (this.#ending === "destroy") socket.destroySoon();
    // Else the socket says so itself when what waits in it is gone.
    if (socket.writableNeedDrain) return;
    try {
      this.#owner.drained();
    } catch (thrown) {
      internalError("socket", thrown);
      socket.destroy();
    }
  }
}

/** What all sockets copy into what they write; a write that the kernel does not take at once keeps it, and another takes its place. */
let scratch = new StartViews(takeBlock());

function writeError(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: "write" });
}

// ── how Node itself writes ──

/** `direct`: as this file does. */
let way: "unknown" | "direct" | "other" = "unknown";

/** Looks on at the next write of Node's to this handle. */
function watch(handle: WritingHandle | null | undefined): void {
  if (handle === null || handle === undefined || Object.hasOwn(handle, "writeBuffer")) return;
  const { writeBuffer, writev, writeLatin1String } = handle;
  if ([writeBuffer, writev, writeLatin1String].some((method) => typeof method !== "function")) {
    way = "other";
    return;
  }
  handle.writeBuffer = (...parts) => {
    delete (handle as Partial<WritingHandle>).writeBuffer;
    const result = writeBuffer.apply(handle, parts);
    // A request may say more, or less, the next time.
    if (parts.length !== 2 || parts[0] !== null) way = "other";
    else if (typeof result === "number") way = "direct";
    return result;
  };
}
