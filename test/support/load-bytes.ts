/** The bytes of a mixed load: each exchange has its own, which either end can tell from all others without being sent them. */
import { setTimeout as delay } from "node:timers/promises";
import type { Pace } from "./load-plan.ts";
import { Random } from "./random.ts";

/** Longer than any block and no multiple of one, so that a piece lost, doubled or swapped shows. */
const PATTERN = new Random(1).bytes(257 * 1024 + 7);
const PIECE_BYTES = 64 * 1024;

/** What the body with this id begins with, from `at` on; not more than `bytes`. */
export function patternAt(id: number, at: number, bytes: number): Buffer {
  const start = (Math.imul(id, 7919) + at) % PATTERN.length;
  const from = start < 0 ? start + PATTERN.length : start;
  return PATTERN.subarray(from, Math.min(from + bytes, PATTERN.length));
}

/** Takes a body and compares it. */
export class BodyCheck {
  readonly #id: number;
  bytes = 0;
  /** Where it was first wrong. */
  wrongAt: number | undefined;

  constructor(id: number) {
    this.#id = id;
  }

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.wrongAt === undefined;) {
      const expected = patternAt(this.#id, this.bytes + at, chunk.length - at);
      if (!expected.equals(chunk.subarray(at, at + expected.length))) this.wrongAt = this.bytes + at;
      at += expected.length;
    }
    this.bytes += chunk.length;
  }

  /** `ok`, or what is wrong. */
  verdict(expected: number): string {
    if (this.wrongAt !== undefined) return `wrong near byte ${this.wrongAt}`;
    return this.bytes === expected ? "ok" : `${this.bytes} of ${expected} bytes`;
  }
}

/** How long whoever has this pace waits before each step; few waits each, so that bodies of any size end soon. */
export class Pacer {
  readonly #pace: Pace;
  #steps = 0;
  #stopAt: number;

  constructor(pace: Pace, id: number) {
    this.#pace = pace;
    this.#stopAt = 1 + (id % 7);
  }

  /** Before the next piece is read or written. */
  async step(): Promise<void> {
    this.#steps++;
    if (this.#pace === "slow" && this.#steps <= 12) await delay(1 + (this.#steps % 5) * 4);
    else if (this.#pace === "stops" && this.#steps === this.#stopAt) await delay(150);
  }

  /** How many bytes the next piece has. */
  piece(left: number): number {
    if (this.#pace === "fast" || this.#steps > 40) return Math.min(left, PIECE_BYTES);
    return Math.min(left, 1 + ((this.#steps * 7919) % 20_011));
  }
}

export interface Written {
  write(chunk: Buffer): boolean;
  /** It was neither ended nor destroyed. */
  readonly writable: boolean;
  once(event: "drain" | "close", listener: () => void): unknown;
  off(event: "drain" | "close", listener: () => void): unknown;
}

/** Writes a body at a pace, waiting where there is no room. `frame`: how a piece goes on the wire. */
export async function writeBody(
  to: Written,
  id: number,
  bytes: number,
  pace: Pace,
  frame: (piece: Buffer) => Buffer = (piece) => piece,
): Promise<void> {
  const pacer = new Pacer(pace, id);
  for (let at = 0; at < bytes && to.writable;) {
    if (pace !== "fast") await pacer.step();
    if (!to.writable) return;
    const piece = patternAt(id, at, pacer.piece(bytes - at));
    at += piece.length;
    if (!to.write(frame(piece)) && to.writable) await room(to);
  }
}

function room(to: Written): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      to.off("drain", done);
      to.off("close", done);
      resolve();
    };
    to.once("drain", done);
    to.once("close", done);
  });
}

/** One chunk of a chunked body. */
export function asChunk(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);
}
