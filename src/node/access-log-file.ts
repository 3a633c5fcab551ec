/**
 * A file that lines are appended to without ever waiting for it.
 *
 * Lines are copied into blocks; a full block, or a quarter of a second, sends them off, one write at a time. When the disk is
 * slow or full the blocks fill up, and once all are, lines are dropped, counted and reported: requests matter more. What
 * could not be written is tried again. Per line: one copy.
 */
import { close, constants, open, write } from "node:fs";
import { promisify } from "node:util";
import type { Logger } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";

export interface AccessLogFileOptions {
  /** Undefined: standard output. */
  readonly path: string | undefined;
  /** What may wait to be written. */
  readonly bufferBytes: number;
  readonly logger: Logger;
}

interface Block {
  readonly bytes: Buffer;
  filled: number;
  written: number;
}

const BLOCK_BYTES = 64 * 1024;
const FLUSH_MS = 250;
const BUSY_RETRY_MS = 20;
const FAILED_RETRY_MS = 1_000;
const REPORT_MS = 10_000;
/** How long the end of the log may take when nothing moves. */
const CLOSE_MS = 2_000;
const LF = 0x0a;

/** Appends, and never blocks where nobody reads: a pipe that is full says so. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const openFile = promisify(open);

export class AccessLogFile {
  readonly #options: AccessLogFileOptions;
  readonly #blocksMax: number;
  #fd: number;
  #current: Block = newBlock();
  #full: Block[] = [];
  #free: Block[] = [];
  #blocks = 1;
  #writing = false;
  #retry: NodeJS.Timeout | undefined;
  #flush: NodeJS.Timeout | undefined;
  #nextFd: number | undefined;
  #dropped = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #idle: (() => void) | undefined;
  #closed = false;
  /** Lines that found no room, ever. */
  droppedTotal = 0;

  private constructor(options: AccessLogFileOptions, fd: number) {
    this.#options = options;
    this.#fd = fd;
    this.#blocksMax = Math.max(2, Math.floor(options.bufferBytes / BLOCK_BYTES));
  }

  /** Throws FILE_UNWRITABLE when it cannot be opened. */
  static async open(options: AccessLogFileOptions): Promise<AccessLogFile> {
    return new AccessLogFile(options, await openTarget(options.path));
  }

  /** Takes a line of ASCII with its line feed. */
  write(line: string): void {
    // Whatever its number stands for by now, it is not this log.
    if (this.#closed) return;
    let block = this.#current;
    if (block.filled + line.length > BLOCK_BYTES) {
      const next = line.length > BLOCK_BYTES ? undefined : this.#nextBlock();
      if (next === undefined) {
        this.#dropped++;
        this.droppedTotal++;
        this.#report("is too slow");
        return;
      }
      this.#full.push(block);
      this.#current = block = next;
      this.#pump();
    }
    block.filled += block.bytes.write(line, block.filled, "latin1");
    this.#flush ??= setTimeout(() => this.#flushNow(), FLUSH_MS).unref();
  }

  /** Goes on in a new file of the same name, for the old one was moved away. Throws FILE_UNWRITABLE, and then stays with it. */
  async reopen(): Promise<void> {
    const { path } = this.#options;
    if (path === undefined) return;
    const fd = await openTarget(path);
    if (this.#nextFd !== undefined) close(this.#nextFd);
    this.#nextFd = fd;
    if (!this.#writing) this.#swap();
  }

  /** Writes what is left, unless the file takes nothing for too long. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#flushNow();
    if (this.#writing || this.#full.length > 0) {
      const idle = Promise.withResolvers<void>();
      this.#idle = idle.resolve;
      const late = setTimeout(idle.resolve, CLOSE_MS);
      await idle.promise;
      clearTimeout(late);
    }
    clearTimeout(this.#retry);
    clearTimeout(this.#flush);
    if (this.#nextFd !== undefined) close(this.#nextFd);
    // A write that is still under way would go to whatever gets the number next.
    if (!this.#writing) close(this.#fd);
  }

  #flushNow(): void {
    clearTimeout(this.#flush);
    this.#flush = undefined;
    if (this.#writing || this.#retry !== undefined || this.#full.length > 0 || this.#current.filled === 0) {
      // Whoever writes now takes it along when the blocks before it are done.
      this.#pump();
      return;
    }
    const next = this.#nextBlock();
    if (next === undefined) return;
    this.#full.push(this.#current);
    this.#current = next;
    this.#pump();
  }

  #nextBlock(): Block | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#blocks >= this.#blocksMax) return free;
    this.#blocks++;
    return newBlock();
  }

  #pump(): void {
    if (this.#writing || this.#retry !== undefined) return;
    const block = this.#full[0];
    if (block === undefined) {
      if (this.#current.filled > 0 && this.#closed) {
        this.#full.push(this.#current);
        this.#current = newBlock();
        this.#pump();
      } else if (this.#current.filled > 0) {
        this.#flush ??= setTimeout(() => this.#flushNow(), FLUSH_MS).unref();
      } else this.#idle?.();
      return;
    }
    this.#writing = true;
    write(this.#fd, block.bytes, block.written, block.filled - block.written, null, (error, count) => {
      this.#writing = false;
      if (error === null) this.#wrote(block, count);
      else this.#failed(error);
      if (this.#nextFd !== undefined) this.#swap();
      this.#pump();
    });
  }

  #wrote(block: Block, count: number): void {
    block.written += count;
    if (block.written < block.filled) return;
    if (this.#dropped > 0) this.#report("was too slow");
    this.#full.shift();
    block.filled = 0;
    block.written = 0;
    this.#free.push(block);
  }

  #failed(error: NodeJS.ErrnoException): void {
    const busy = error.code === "EAGAIN";
    if (!busy) this.#report(`cannot be written: ${messageOf(error)}`);
    const again = (): void => {
      this.#retry = undefined;
      this.#pump();
    };
    this.#retry = setTimeout(again, busy ? BUSY_RETRY_MS : FAILED_RETRY_MS).unref();
  }

  #swap(): void {
    close(this.#fd);
    this.#fd = this.#nextFd!;
    this.#nextFd = undefined;
    const block = this.#full[0];
    if (block === undefined || block.written === 0 || block.bytes[block.written - 1] === LF) return;
    // The old file has the start of a line, whose rest would mean nothing in the new one.
    const end = block.bytes.indexOf(LF, block.written);
    this.#dropped++;
    this.droppedTotal++;
    this.#wrote(block, end + 1 - block.written);
  }

  #report(why: string): void {
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    const { path = "on standard output", logger } = this.#options;
    const dropped = this.#dropped;
    this.#dropped = 0;
    logger.warn(
      { path, dropped, droppedTotal: this.droppedTotal },
      `the access log ${path} ${why}; lines dropped: ${dropped}`,
    );
  }
}

function newBlock(): Block {
  return { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), filled: 0, written: 0 };
}

async function openTarget(path: string | undefined): Promise<number> {
  // Opened anew, so that it does not block where nobody reads, which is nobody else's affair.
  if (path === undefined)
    return await openFile("/dev/stdout", FLAGS).catch(() => openFile("/dev/fd/1", "a").catch(() => 1));
  try {
    return await openFile(path, FLAGS, 0o640);
  } catch (error) {
    throw new PolarityError("FILE_UNWRITABLE", `cannot write the access log ${path}: ${messageOf(error)}`, error);
  }
}
