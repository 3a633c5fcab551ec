/**
 * Datagrams as a stream carries them: each behind its length, two bytes, big-endian.
 *
 * Streams cut their bytes wherever they like. A `FrameAligner` passes them on in runs of whole frames, as they were lent
 * where they are whole, so that runs of several streams may be merged and a datagram is never split by another. Pure.
 */

/** What stands before each datagram. */
export const FRAME_HEADER_BYTES = 2;
/** What a frame can hold. IPv4 carries 65,507 bytes, IPv6 65,527. */
export const DATAGRAM_BYTES_MAX = 65_535;

/** Room for the largest frame. */
export function frameRoom(): Buffer {
  return Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + DATAGRAM_BYTES_MAX);
}

/** The frame of `datagram`, written into `room`, where it stays until the next one. */
export function frameInto(room: Buffer, datagram: Buffer): Buffer {
  const { length } = datagram;
  room[0] = length >> 8;
  room[1] = length & 255;
  room.set(datagram, FRAME_HEADER_BYTES);
  return room.subarray(0, FRAME_HEADER_BYTES + length);
}

/** Calls `each` with the datagrams of a run of whole frames; they are lent. */
export function forEachDatagram(run: Buffer, each: (datagram: Buffer) => void): void {
  for (let at = 0; at < run.length;) {
    const start = at + FRAME_HEADER_BYTES;
    at = start + lengthAt(run, at);
    each(run.subarray(start, at));
  }
}

/** How many datagrams a run of whole frames holds. */
export function countDatagrams(run: Buffer): number {
  let count = 0;
  for (let at = 0; at < run.length; count++) at += FRAME_HEADER_BYTES + lengthAt(run, at);
  return count;
}

/** Who gets the frames of a stream. */
export interface FrameSink {
  /** One or several whole frames, lent for the call. */
  frames(run: Buffer): void;
}

export class FrameAligner {
  readonly #sink: FrameSink;
  /** The beginning of a frame whose rest is to come: its first byte alone, or room for all of it. */
  #partial: Buffer | undefined;
  #have = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Bytes of a frame that is not whole yet. */
  get partialBytes(): number {
    return this.#have;
  }

  /** Further bytes of the stream, lent for the call. */
  push(chunk: Buffer): void {
    let start = 0;
    if (this.#have > 0) {
      start = this.#fill(chunk);
      if (this.#have > 0) return;
    }
    let end = start;
    while (end + FRAME_HEADER_BYTES <= chunk.length) {
      const next = end + FRAME_HEADER_BYTES + lengthAt(chunk, end);
      if (next > chunk.length) break;
      end = next;
    }
    if (end < chunk.length) this.#keep(chunk, end);
    if (end > start) this.#sink.frames(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
  }

  /** Completes the frame that has begun, if `chunk` can, and passes it on; returns how many bytes that took. */
  #fill(chunk: Buffer): number {
    let taken = 0;
    let partial = this.#partial!;
    if (this.#have < FRAME_HEADER_BYTES) {
      const second = chunk[0];
      if (second === undefined) return 0;
      const first = partial[0]!;
      partial = Buffer.allocUnsafe(FRAME_HEADER_BYTES + ((first << 8) | second));
      partial[0] = first;
      partial[1] = second;
      this.#partial = partial;
      this.#have = FRAME_HEADER_BYTES;
      taken = 1;
    }
    const bytes = Math.min(partial.length - this.#have, chunk.length - taken);
    partial.set(chunk.subarray(taken, taken + bytes), this.#have);
    this.#have += bytes;
    if (this.#have < partial.length) return taken + bytes;
    this.#partial = undefined;
    this.#have = 0;
    this.#sink.frames(partial);
    return taken + bytes;
  }

  #keep(chunk: Buffer, at: number): void {
    const have = chunk.length - at;
    const room = have < FRAME_HEADER_BYTES ? have : FRAME_HEADER_BYTES + lengthAt(chunk, at);
    this.#partial = Buffer.allocUnsafe(room);
    this.#partial.set(chunk.subarray(at));
    this.#have = have;
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
