/**
 * Writing to a socket: straight to its handle where that can be, else through Node's `Writable`.
 *
 * A plain socket nearly always hands its bytes to the kernel within the call, and then all that a Writable keeps account of
 * is kept for nothing: it was measured to cost a tenth of what a small request costs besides system calls. What the kernel
 * does not take at once waits in the handle's own queue; until it is gone, what follows waits behind it in the Writable.
 *
 * Node promises nothing of its handles. So the first write of the process is watched to see how Node itself uses one, and
 * where that is not the way known here, every write takes the way through the Writable.
 */
import type { Socket } from "node:net";
import { getSystemErrorName } from "node:util";
import type { WriteOutcome } from "../base/byte-stream.ts";

/** A write that the kernel did not take whole within the call. */
interface WriteRequest {
  handle?: WritingHandle;
  /** What it refers to until it is complete. */
  buffer?: unknown;
  oncomplete?: (status: number) => void;
  /** Set where it completed before anybody could listen. */
  writeStatus?: number | null;
}

/** 0: the kernel has all of it. Below: it failed, and that is libuv's number of why. */
type WriteResult = number | WriteRequest;

interface WritingHandle {
  writeBuffer(request: null, chunk: Buffer): WriteResult;
  writeLatin1String(request: null, text: string): WriteResult;
  writev(request: null, chunks: readonly Buffer[], allBuffers: true): WriteResult;
  readonly writeQueueSize?: number;
}

type HandledSocket = Socket & { readonly _handle?: WritingHandle | null };

export interface WriterOwner {
  /** After a write that was `full`, unless the socket says `drain` itself: writing may go on. */
  drained(): void;
}

export class SocketWriter {
  readonly #socket: HandledSocket;
  readonly #owner: WriterOwner;
  /** Plain TCP or a unix socket; anything else writes later than in the call. */
  readonly #plain: boolean;
  #pending = false;
  #endsAfter: "nothing" | "end" | "destroy" = "nothing";

  constructor(socket: Socket, owner: WriterOwner) {
    this.#socket = socket as HandledSocket;
    this.#owner = owner;
    this.#plain = !("encrypted" in socket);
  }

  /** Something that was written is not with the kernel yet. */
  get waiting(): boolean {
    return this.#pending || this.#socket.writableLength > 0;
  }

  /** How many bytes at most; a write under way may count whole until it is complete. Falls only as the peer takes some. */
  get waitingBytes(): number {
    return this.#socket.writableLength + (this.#socket._handle?.writeQueueSize ?? 0);
  }

  write(chunk: Buffer): WriteOutcome {
    const handle = this.#handle();
    if (handle !== undefined) return this.#wrote(handle, handle.writeBuffer(null, chunk), chunk);
    if (way === "unknown" && this.#plain) watch(this.#socket._handle);
    return this.#queued(this.#socket.write(chunk));
  }

  writeLatin1(text: string): WriteOutcome {
    const handle = this.#handle();
    if (handle !== undefined) return this.#wrote(handle, handle.writeLatin1String(null, text), undefined);
    return this.#queued(this.#socket.write(text, "latin1"));
  }

  /** All of them in order, in one system call. */
  writeAll(chunks: readonly Buffer[]): WriteOutcome {
    if (chunks.length === 1) return this.write(chunks[0]!);
    const handle = this.#handle();
    if (handle !== undefined) return this.#wrote(handle, handle.writev(null, chunks, true), chunks);
    const socket = this.#socket;
    let room = true;
    socket.cork();
    for (const chunk of chunks) room = socket.write(chunk);
    socket.uncork();
    return this.#queued(room);
  }

  /** Half-closes behind what waits. Not before it is gone: a shutdown under way would refuse a reset. */
  end(): void {
    if (this.#pending) {
      if (this.#endsAfter === "nothing") this.#endsAfter = "end";
    } else this.#socket.end();
  }

  /** Closes behind what waits. */
  destroySoon(): void {
    if (this.#pending) this.#endsAfter = "destroy";
    else this.#socket.destroySoon();
  }

  /** To write to now; undefined where something is in the way. */
  #handle(): WritingHandle | undefined {
    const socket = this.#socket;
    if (way !== "direct" || !this.#plain || this.#pending || socket.connecting) return undefined;
    if (socket.writableLength > 0 || socket.writableEnded) return undefined;
    return socket._handle ?? undefined;
  }

  #queued(room: boolean): WriteOutcome {
    if (!this.waiting && this.#plain) return "taken";
    return room && !this.#pending ? "queued" : "full";
  }

  #wrote(handle: WritingHandle, result: WriteResult, buffer: unknown): WriteOutcome {
    if (result === 0) return "taken";
    if (typeof result === "number") {
      this.#socket.destroy(writeError(result));
      return "taken";
    }
    this.#pending = true;
    result.handle = handle;
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
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (status < 0) {
      socket.destroy(writeError(status));
      return;
    }
    if (this.#endsAfter === "end") socket.end();
    else if (this.#endsAfter === "destroy") socket.destroySoon();
    // Else the socket says so itself when what waits in it is gone.
    if (!socket.writableNeedDrain) this.#owner.drained();
  }
}

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
