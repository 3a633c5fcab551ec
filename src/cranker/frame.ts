/**
 * The frames of cranker 3.0, one in each binary message: `u8 type | u8 flags | i32be request | payload`.
 *
 * Reading is a view of the message, writing one buffer with a copy of the payload, which may therefore be lent.
 */

export const FRAME_DATA = 0;
export const FRAME_HEADER = 1;
export const FRAME_RESET = 3;
export const FRAME_WINDOW_UPDATE = 8;

/** Of DATA and HEADER: nothing of this direction follows. */
export const FLAG_STREAM_END = 1;
/** Of HEADER: the head is whole. */
export const FLAG_HEADER_END = 4;

export const FRAME_HEADER_BYTES = 6;
/** Ids are signed on the wire. */
export const REQUEST_ID_MAX = 0x7fff_ffff;
/** A head is cut into frames of so many characters; connectors cannot read messages that come in several parts. */
export const HEADER_CHARACTERS_MAX = 16_000;
/** The same for bodies. */
export const DATA_BYTES_MAX = 16_000;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly request: number;
  /** A view of the message. */
  readonly payload: Buffer;
}

/** Undefined: the message is too short to be a frame, or to be one of its type. */
export function readFrame(message: Buffer): Frame | undefined {
  if (message.length < FRAME_HEADER_BYTES) return undefined;
  const type = message.readUInt8(0);
  const payload = message.subarray(FRAME_HEADER_BYTES);
  if (type === FRAME_WINDOW_UPDATE && payload.length < 4) return undefined;
  return { type, flags: message.readUInt8(1), request: message.readInt32BE(2), payload };
}

export interface Reset {
  readonly code: number;
  readonly message: string;
}

/** What a RESET says; connectors may leave out both. */
export function readReset(payload: Buffer): Reset {
  if (payload.length < 4) return { code: -1, message: "" };
  return { code: payload.readInt32BE(0), message: payload.toString("utf8", 4) };
}

export function dataFrame(request: number, payload: Buffer, end: boolean): Buffer {
  const frame = frameOf(FRAME_DATA, end ? FLAG_STREAM_END : 0, request, payload.length);
  payload.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

/** `text` in as many frames as it takes. `end`: no body follows it. */
export function headerFrames(request: number, text: string, end: boolean): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < text.length; at += HEADER_CHARACTERS_MAX) {
    const part = text.slice(at, at + HEADER_CHARACTERS_MAX);
    const last = at + HEADER_CHARACTERS_MAX >= text.length;
    const flags = last ? FLAG_HEADER_END | (end ? FLAG_STREAM_END : 0) : 0;
    const frame = frameOf(FRAME_HEADER, flags, request, Buffer.byteLength(part, "utf8"));
    frame.write(part, FRAME_HEADER_BYTES, "utf8");
    frames.push(frame);
  }
  return frames;
}

export function resetFrame(request: number, code: number, message: string): Buffer {
  const frame = frameOf(FRAME_RESET, 0, request, 4 + Buffer.byteLength(message, "utf8"));
  frame.writeInt32BE(code, FRAME_HEADER_BYTES);
  frame.write(message, FRAME_HEADER_BYTES + 4, "utf8");
  return frame;
}

export function windowUpdateFrame(request: number, bytes: number): Buffer {
  const frame = frameOf(FRAME_WINDOW_UPDATE, 0, request, 4);
  frame.writeInt32BE(bytes, FRAME_HEADER_BYTES);
  return frame;
}

function frameOf(type: number, flags: number, request: number, payloadBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
  frame.writeUInt8(type, 0);
  frame.writeUInt8(flags, 1);
  frame.writeInt32BE(request, 2);
  return frame;
}
