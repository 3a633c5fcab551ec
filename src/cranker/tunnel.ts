/**
 * A websocket of cranker 3.0: any number of requests at once, each with its own id and its own flow control.
 *
 * It is read whatever a client does, as others' bytes are on it. A connector is told what the client took, and one that sends
 * on without being told breaks its request, not the tunnel. Frames of requests that are over are dropped: they may have
 * been on their way.
 */
import { PolarityError } from "../base/errors.ts";
import type { CarrierUser, OpenCarrier } from "./carrier.ts";
import {
  DATA_BYTES_MAX,
  dataFrame,
  FLAG_HEADER_END,
  FLAG_STREAM_END,
  type Frame,
  FRAME_DATA,
  FRAME_HEADER,
  FRAME_HEADER_BYTES,
  FRAME_RESET,
  FRAME_WINDOW_UPDATE,
  headerFrames,
  readFrame,
  readReset,
  REQUEST_ID_MAX,
  resetFrame,
  windowUpdateFrame,
} from "./frame.ts";
import {
  CLOSE_GOING_AWAY,
  CLOSE_LOST,
  CLOSE_PROTOCOL_ERROR,
  type MessageSocket,
  type MessageSocketUser,
} from "./message-socket.ts";
import { saying } from "./peer-words.ts";
import { HEAD_CHARACTERS_MAX } from "./request-text.ts";
import { SendWindow } from "./send-window.ts";

/** What a connector may have sent of one answer that its client has not taken. It ought to stop far below. */
const HELD_BYTES_MAX = 1024 * 1024;
const HEAD_BYTES_MAX = 2 * HEAD_CHARACTERS_MAX;

const RESET_INTERNAL = 1;
const EMPTY = Buffer.alloc(0);

export interface TunnelOwner {
  /** For errors. */
  readonly who: string;
  /** It is closed, or of no more use. */
  gone(tunnel: Tunnel): void;
  /** It takes no more requests, and closes after the last. */
  retired(tunnel: Tunnel): void;
  /** The connector broke the protocol. */
  misbehaved(why: string): void;
}

export class Tunnel implements MessageSocketUser {
  readonly #socket: MessageSocket;
  readonly #owner: TunnelOwner;
  readonly #requests = new Map<number, TunnelRequest>();
  #lastId: number;
  #state: "open" | "retired" | "closed" = "open";

  /** `lastId`: for tests of running out of ids. */
  constructor(socket: MessageSocket, owner: TunnelOwner, lastId = 0) {
    this.#socket = socket;
    this.#owner = owner;
    this.#lastId = lastId;
  }

  get open(): boolean {
    return this.#state === "open";
  }

  get requests(): number {
    return this.#requests.size;
  }

  /** Takes another request. Only while `open`. */
  take(): OpenCarrier {
    const request = new TunnelRequest(++this.#lastId, this.#socket, this.#owner.who, (id) => this.#over(id));
    this.#requests.set(request.id, request);
    if (this.#lastId >= REQUEST_ID_MAX) this.retire();
    return request;
  }

  /** No more requests: says goodbye after the last. */
  retire(): void {
    if (this.#state !== "open") return;
    this.#state = "retired";
    this.#owner.retired(this);
    this.#closeIfDone();
  }

  // ── MessageSocketUser ──

  text(): void {
    this.#misbehaved("a text message");
  }

  binary(message: Buffer): void {
    if (this.#state === "closed") return;
    const frame = readFrame(message);
    if (frame === undefined) return this.#misbehaved("a frame that is too short");
    // Mostly one that is over. Others on the tunnel are not to suffer for a frame that nobody waits for.
    this.#requests.get(frame.request)?.frame(frame);
  }

  drained(): void {
    for (const request of this.#requests.values()) request.socketDrained();
  }

  closed(code: number, reason: string): void {
    const { who } = this.#owner;
    const error =
      code === CLOSE_LOST
        ? new PolarityError("LINK_LOST", `${who} closed its websocket in the middle of a request`)
        : new PolarityError("TARGET_FAILED", `${who} closed its websocket with ${code}${saying(reason)}`);
    this.#end(error);
  }

  // ── inside ──

  #over(id: number): void {
    this.#requests.delete(id);
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#state !== "retired" || this.#requests.size > 0) return;
    this.#socket.close(CLOSE_GOING_AWAY, "Going away");
    this.#end(undefined);
  }

  #misbehaved(what: string): void {
    if (this.#state === "closed") return;
    this.#owner.misbehaved(what);
    this.#socket.close(CLOSE_PROTOCOL_ERROR, what);
    this.#end(new PolarityError("LINK_PROTOCOL", `${this.#owner.who} sent ${what}`));
  }

  #end(error: PolarityError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#owner.gone(this);
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    if (error !== undefined) for (const request of requests) request.fail(error);
  }
}

class TunnelRequest implements OpenCarrier {
  readonly headBytesMax = HEAD_BYTES_MAX;
  readonly id: number;
  readonly #socket: MessageSocket;
  readonly #who: string;
  readonly #over: (id: number) => void;
  readonly #window = new SendWindow();
  #user: CarrierUser | undefined;
  #sent = false;
  #waits = false;
  #held = 0;
  /** Bytes that were taken and are not acknowledged yet. */
  #unsaid = 0;
  /** Of a head that comes in several frames. */
  #headParts: Buffer[] | undefined;
  #headBytes = 0;

  constructor(id: number, socket: MessageSocket, who: string, over: (id: number) => void) {
    this.id = id;
    this.#socket = socket;
    this.#who = who;
    this.#over = over;
  }

  // ── OpenCarrier ──

  use(user: CarrierUser): void {
    this.#user = user;
  }

  head(text: string, hasBody: boolean): void {
    this.#sent = true;
    for (const frame of headerFrames(this.id, text, !hasBody)) this.#send(frame);
  }

  body(payload: Buffer): boolean {
    for (let at = 0; at < payload.length; at += DATA_BYTES_MAX) {
      this.#send(dataFrame(this.id, payload.subarray(at, at + DATA_BYTES_MAX), false));
    }
    // Who was told to wait is told when to go on, even if there is room again by now.
    if (this.#window.paused || !this.#socket.writable) this.#waits = true;
    return !this.#waits;
  }

  bodyEnd(): void {
    this.#send(dataFrame(this.id, EMPTY, true));
  }

  consumed(payloadBytes: number): void {
    this.#held -= payloadBytes;
    this.#acknowledge(payloadBytes);
  }

  abort(error: PolarityError): void {
    this.#leave();
    if (this.#sent) this.#socket.sendBinary(resetFrame(this.id, RESET_INTERNAL, error.code));
    this.#over(this.id);
  }

  finished(): void {
    this.#leave();
    this.#over(this.id);
  }

  // ── what comes ──

  frame({ type, flags, payload }: Frame): void {
    switch (type) {
      case FRAME_DATA:
        return this.#data(payload, (flags & FLAG_STREAM_END) !== 0);
      case FRAME_HEADER:
        return this.#header(payload, flags);
      case FRAME_RESET: {
        const { code, message } = readReset(payload);
        this.#fail(new PolarityError("TARGET_FAILED", `${this.#who} reset the request with ${code}${saying(message)}`));
        return;
      }
      case FRAME_WINDOW_UPDATE:
        if (this.#window.acknowledged(payload.readInt32BE(0))) this.socketDrained();
        return;
      default:
      // What a later version may say besides.
    }
  }

  socketDrained(): void {
    if (this.#unsaid > 0 && this.#socket.writable) this.#acknowledge(0);
    if (!this.#waits || this.#window.paused || !this.#socket.writable) return;
    this.#waits = false;
    this.#user?.drained();
  }

  /** The tunnel is gone. */
  fail(error: PolarityError): void {
    const user = this.#user;
    this.#leave();
    user?.failed(error);
  }

  // ── inside ──

  #data(payload: Buffer, end: boolean): void {
    if (payload.length > 0) {
      this.#held += payload.length;
      if (this.#held > HELD_BYTES_MAX) {
        return this.#breakOff("LINK_LIMIT", `sent ${this.#held} bytes of an answer that nobody has taken`);
      }
      this.#user?.answerBody(payload);
    }
    if (end) this.#user?.answerEnd();
  }

  #header(payload: Buffer, flags: number): void {
    this.#headBytes += payload.length;
    if (this.#headBytes > HEAD_BYTES_MAX) {
      return this.#breakOff("TARGET_PROTOCOL", `sent a head of more than ${HEAD_BYTES_MAX} bytes`);
    }
    // Heads count towards what is acknowledged, but nobody needs to be held back over them.
    if (payload.length > 0) this.#acknowledge(payload.length);
    if ((flags & FLAG_HEADER_END) === 0) {
      // Empty ones would count towards no limit.
      if (payload.length > 0) (this.#headParts ??= []).push(payload);
      return;
    }
    const head = this.#headParts === undefined ? payload : Buffer.concat([...this.#headParts, payload]);
    this.#headParts = undefined;
    this.#user?.answerHead(head.toString("utf8"));
    if ((flags & FLAG_STREAM_END) !== 0) this.#user?.answerEnd();
  }

  /** At once, unless the connector does not read: what it is owed would pile up, for each little frame that it sends. */
  #acknowledge(bytes: number): void {
    this.#unsaid += bytes;
    if (!this.#socket.writable) return;
    this.#socket.sendBinary(windowUpdateFrame(this.id, this.#unsaid));
    this.#unsaid = 0;
  }

  #send(frame: Buffer): void {
    this.#window.sent(frame.length - FRAME_HEADER_BYTES);
    this.#socket.sendBinary(frame);
  }

  /** The connector may not go on with this request. */
  #breakOff(code: "LINK_LIMIT" | "TARGET_PROTOCOL", what: string): void {
    const error = new PolarityError(code, `${this.#who} ${what}`);
    this.#socket.sendBinary(resetFrame(this.id, RESET_INTERNAL, code));
    this.#fail(error);
  }

  #fail(error: PolarityError): void {
    const user = this.#user;
    this.#leave();
    this.#over(this.id);
    user?.failed(error);
  }

  #leave(): void {
    this.#user = undefined;
    this.#headParts = undefined;
  }
}
