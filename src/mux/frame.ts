/** The yamux frame header: 12 bytes, big-endian: version, type, flags (u16), stream id (u32), length (u32). */

export const HEADER_BYTES = 12;
export const INITIAL_WINDOW_BYTES = 256 * 1024;

export const TYPE_DATA = 0;
export const TYPE_WINDOW_UPDATE = 1;
export const TYPE_PING = 2;
export const TYPE_GO_AWAY = 3;

export const FLAG_SYN = 1;
export const FLAG_ACK = 2;
export const FLAG_FIN = 4;
export const FLAG_RST = 8;
export const FLAGS_ALL = FLAG_SYN | FLAG_ACK | FLAG_FIN | FLAG_RST;

export const GO_AWAY_NORMAL = 0;
export const GO_AWAY_PROTOCOL_ERROR = 1;
export const GO_AWAY_INTERNAL_ERROR = 2;

/** A GoAway code for people. */
export function goAwayMeaning(code: number): string {
  if (code === GO_AWAY_NORMAL) return "normal end";
  if (code === GO_AWAY_PROTOCOL_ERROR) return "protocol error";
  return code === GO_AWAY_INTERNAL_ERROR ? "internal error" : `code ${code}`;
}

/** Writes one header at `offset`. For pings and GoAway, `length` is the opaque value or the code. */
export function writeHeader(
  into: Buffer,
  offset: number,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): void {
  into[offset] = 0;
  into[offset + 1] = type;
  into[offset + 2] = 0;
  into[offset + 3] = flags;
  into[offset + 4] = streamId >>> 24;
  into[offset + 5] = streamId >>> 16;
  into[offset + 6] = streamId >>> 8;
  into[offset + 7] = streamId;
  into[offset + 8] = length >>> 24;
  into[offset + 9] = length >>> 16;
  into[offset + 10] = length >>> 8;
  into[offset + 11] = length;
}

/** A header as a Buffer of its own, for tests and rare frames. */
export function encodeHeader(type: number, flags: number, streamId: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  writeHeader(header, 0, type, flags, streamId, length);
  return header;
}
