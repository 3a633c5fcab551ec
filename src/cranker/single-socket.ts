/**
 * A websocket of cranker 1.0: it waits for a request, carries that one, and is done.
 *
 * To the connector: a text with the head and a marker, then for a body binary messages and a last text. Back: a text with
 * the head, binary messages, and the close code 1000. While the client is slow the socket is not read, since nobody
 * else's bytes are on it.
 */
import { PolarityError } from "../base/errors.ts";
import type { CarrierUser, OpenCarrier } from "./carrier.ts";
import {
  CLOSE_FAILED,
  CLOSE_GOING_AWAY,
  CLOSE_LOST,
  CLOSE_NORMAL,
  CLOSE_POLICY,
  CLOSE_PROTOCOL_ERROR,
  type MessageSocket,
  type MessageSocketUser,
} from "./message-socket.ts";
import { saying } from "./peer-words.ts";
import { PAUSE_BYTES, RESUME_BYTES } from "./send-window.ts";

const BODY_FOLLOWS = "_1";
const NO_BODY = "_2";
const BODY_ENDED = "_3";

/** Of messages to connectors: some of them close with 1009 on more. A head is one message, with its marker. */
const MESSAGE_BYTES_MAX = 32 * 1024;
/** What a connector says of a request that failed. Any other close ends an answer that has no other end; many say no code. */
const FAILURES: ReadonlySet<number> = new Set([CLOSE_FAILED, CLOSE_POLICY, CLOSE_LOST]);

/** How long a connector may take to close after its answer was whole. */
const GOODBYE_MS = 5_000;

export interface SingleSocketOwner {
  /** For errors. */
  readonly who: string;
  /** It was taken, but no request was sent: it may be taken again. */
  givenBack(socket: SingleSocket): void;
  /** It is closed, or of no more use. */
  gone(socket: SingleSocket): void;
  /** The connector broke the protocol. */
  misbehaved(why: string): void;
}

export class SingleSocket implements OpenCarrier, MessageSocketUser {
  readonly headBytesMax = MESSAGE_BYTES_MAX - BODY_FOLLOWS.length;
  readonly #socket: MessageSocket;
  readonly #owner: SingleSocketOwner;
  #state: "idle" | "taken" | "asked" | "done" | "closed" = "idle";
  #user: CarrierUser | undefined;
  #answered = false;
  #held = 0;
  #paused = false;
  #doneAt = -1;

  constructor(socket: MessageSocket, owner: SingleSocketOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  get idle(): boolean {
    return this.#state === "idle";
  }

  /** A request is on it. */
  get busy(): boolean {
    return this.#state === "taken" || this.#state === "asked";
  }

  /** No more requests: says goodbye if it waits for one. */
  retire(): void {
    if (this.#state === "idle") this.#close(CLOSE_GOING_AWAY, "Going away");
  }

  sweep(now: number): void {
    if (this.#state !== "done") return;
    if (this.#doneAt < 0) this.#doneAt = now;
    else if (now - this.#doneAt >= GOODBYE_MS) this.#close(CLOSE_NORMAL, "");
  }

  // ── OpenCarrier ──

  use(user: CarrierUser): void {
    this.#state = "taken";
    this.#user = user;
  }

  head(text: string, hasBody: boolean): void {
    this.#state = "asked";
    this.#socket.sendText(text + (hasBody ? BODY_FOLLOWS : NO_BODY));
  }

  body(payload: Buffer): boolean {
    // An empty message would mean nothing, and the payload is only lent.
    for (let at = 0; at < payload.length; at += MESSAGE_BYTES_MAX) {
      this.#socket.sendBinary(Buffer.from(payload.subarray(at, at + MESSAGE_BYTES_MAX)));
    }
    return this.#socket.writable;
  }

  bodyEnd(): void {
    this.#socket.sendText(BODY_ENDED);
  }

  consumed(payloadBytes: number): void {
    this.#held -= payloadBytes;
    if (!this.#paused || this.#held >= RESUME_BYTES) return;
    this.#paused = false;
    this.#socket.resume();
  }

  abort(): void {
    this.#user = undefined;
    if (this.#state === "taken") {
      this.#state = "idle";
      this.#owner.givenBack(this);
    } else {
      this.#close(CLOSE_GOING_AWAY, "Going away");
    }
  }

  finished(): void {
    this.#user = undefined;
    if (this.#state === "closed") return;
    this.#state = "done";
    if (this.#paused) this.#socket.resume();
  }

  // ── MessageSocketUser ──

  text(message: string): void {
    if (this.#state === "asked") {
      this.#answered = true;
      this.#user?.answerHead(message);
    } else if (this.#state === "idle" || this.#state === "taken") this.#misbehaved("a text without a request");
  }

  binary(message: Buffer): void {
    if (this.#state === "asked") {
      this.#held += message.length;
      if (this.#held > PAUSE_BYTES && !this.#paused) {
        this.#paused = true;
        this.#socket.pause();
      }
      this.#user?.answerBody(message);
    } else if (this.#state === "idle" || this.#state === "taken")
      this.#misbehaved("a binary message without a request");
  }

  drained(): void {
    this.#user?.drained();
  }

  closed(code: number, reason: string): void {
    const user = this.#user;
    const asked = this.#state === "asked";
    this.#user = undefined;
    if (this.#state !== "closed") {
      this.#state = "closed";
      this.#owner.gone(this);
    }
    if (user === undefined) return;
    if (asked && (code === CLOSE_NORMAL || (this.#answered && !FAILURES.has(code)))) user.answerEnd();
    else user.failed(asked ? this.#closeError(code, reason) : this.#neverAsked());
  }

  // ── inside ──

  #closeError(code: number, reason: string): PolarityError {
    const { who } = this.#owner;
    const words = saying(reason);
    switch (code) {
      case CLOSE_FAILED:
        return new PolarityError("TARGET_FAILED", `${who} could not get an answer of its app${words}`);
      case CLOSE_POLICY:
        return new PolarityError("BAD_REQUEST", `${who} refused the request${words}`);
      case CLOSE_LOST:
        return new PolarityError("LINK_LOST", `${who} closed its websocket in the middle of a request`);
      default:
        return new PolarityError("TARGET_FAILED", `${who} closed its websocket with ${code}${words}`);
    }
  }

  #neverAsked(): PolarityError {
    return new PolarityError("LINK_DRAINING", `${this.#owner.who} closed its websocket before it was asked`);
  }

  #misbehaved(what: string): void {
    this.#owner.misbehaved(what);
    const user = this.#user;
    this.#user = undefined;
    this.#close(CLOSE_PROTOCOL_ERROR, what);
    user?.failed(this.#neverAsked());
  }

  #close(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#socket.close(code, reason);
    this.#owner.gone(this);
  }
}
