/** HTTP/2 by hand: frames as bytes on a plain socket, for what no well-behaved client sends. */
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { until } from "./patience.ts";

export const FRAME = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Fields as HPACK literals without indexing or Huffman; each part shorter than 127 bytes, or told in two more bytes. */
export function fieldBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest = bytes.length - 127;
  const length = [127];
  let left = rest;
  for (; left >= 128; left >>>= 7) length.push((left & 0x7f) | 0x80);
  length.push(left);
  return Buffer.concat([Buffer.from(length), bytes]);
}

export const GET_FIELDS = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "x"],
  [":path", "/"],
] as const;

export const POST_FIELDS = [[":method", "POST"], ...GET_FIELDS.slice(1)] as const;

/** A connection that sends the preface and whatever it is told; it answers nothing by itself. */
export class FrameClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);

  constructor(t: TestContext, port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("close", () => (this.closed = true));
    this.socket.on("data", (chunk: Buffer) => this.#read(chunk));
    t.after(() => this.socket.destroy());
    this.socket.write(PREFACE);
    this.send(frame(FRAME.settings, 0, 0));
  }

  send(...frames: Buffer[]): this {
    this.socket.write(Buffer.concat(frames));
    return this;
  }

  headers(stream: number, fields: readonly (readonly [string, string])[], endStream = true): this {
    const flags = FLAG.endHeaders | (endStream ? FLAG.endStream : 0);
    return this.send(frame(FRAME.headers, flags, stream, fieldBlock(fields)));
  }

  reset(stream: number, code: number): this {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(code);
    return this.send(frame(FRAME.rstStream, 0, stream, payload));
  }

  /** The first frame that fits, once it is here. */
  frame(what: string, fits: (frame: Frame) => boolean): Promise<Frame> {
    return until(what, () => this.frames.find(fits));
  }

  /** The error code of the server's GOAWAY, once the connection is over. */
  async goaway(): Promise<number> {
    const found = await this.frame(
      "GOAWAY",
      ({ type, payload }) => type === FRAME.goaway && payload.readUInt32BE(4) > 0,
    );
    await until("the connection is closed", () => this.closed);
    return found.payload.readUInt32BE(4);
  }

  /** The error code of the server's RST_STREAM. */
  async rstStream(stream: number): Promise<number> {
    const found = await this.frame("RST_STREAM", (it) => it.type === FRAME.rstStream && it.stream === stream);
    return found.payload.readUInt32BE(0);
  }

  #read(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      this.frames.push({
        type: bytes[3]!,
        flags: bytes[4]!,
        stream: bytes.readUInt32BE(5),
        payload: Buffer.from(bytes.subarray(9, end)),
      });
      bytes = bytes.subarray(end);
    }
    this.#rest = Buffer.from(bytes);
  }
}
