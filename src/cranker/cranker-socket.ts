/**
 * A connector's websocket over the `ws` package: messages, what the socket takes, and whether the peer is alive.
 *
 * It is pinged every 5 s, and lost after 20 s in which not a byte came. A socket that we do not read says nothing, so its
 * peer is not judged; it is told by unasked pongs that we live, for connectors that wait for one.
 */
import type { Socket } from "node:net";

import type { RawData, WebSocket } from "ws";

import { guarded, internalError } from "../base/internal-error.ts";
import { CLOSE_LOST, type MessageSocket, type MessageSocketUser } from "./message-socket.ts";

export const PING_MS = 5_000;
export const DEAD_MS = 20_000;

const BINARY = { binary: true, compress: false, fin: true } as const;
const TEXT = { binary: false, compress: false, fin: true } as const;

export class CrankerSocket implements MessageSocket {
  readonly address: string;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #paused = false;
  #heardAt: number;
  #pingedAt: number;
  #bytesReadBefore = 0;

  constructor(webSocket: WebSocket, socket: Socket, address: string, now: number) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.address = address;
    this.#heardAt = now;
    this.#pingedAt = now;
    socket.setNoDelay(true);
  }

  /** Begins to tell `user`. Call in the turn in which the websocket opened. `ended` comes once, after `closed`. */
  start(user: MessageSocketUser, ended: () => void): void {
    const webSocket = this.#webSocket;
    const broke = (): void => webSocket.terminate();
    const drained = (): void => guarded("cranker", () => user.drained(), broke);
    this.#socket.on("drain", drained);
    webSocket.on("message", (data: RawData, isBinary: boolean) => {
      try {
        if (isBinary) user.binary(data as Buffer);
        else user.text((data as Buffer).toString("utf8"));
      } catch (thrown) {
        internalError("cranker", thrown);
        broke();
      }
    });
    // What went wrong shows in the close that follows.
    webSocket.on("error", () => {});
    webSocket.on("close", (code: number, reason: Buffer) => {
      this.#socket.off("drain", drained);
      guarded("cranker", () => user.closed(code, reason.toString("utf8")));
      guarded("cranker", ended);
    });
  }

  get bytesIn(): number {
    return this.#socket.bytesRead;
  }

  get bytesOut(): number {
    return this.#socket.bytesWritten;
  }

  get writable(): boolean {
    return !this.#socket.writableNeedDrain;
  }

  sendText(text: string): void {
    this.#webSocket.send(text, TEXT, ignore);
  }

  sendBinary(message: Buffer): void {
    this.#webSocket.send(message, BINARY, ignore);
  }

  pause(): void {
    this.#paused = true;
    this.#webSocket.pause();
  }

  resume(): void {
    this.#paused = false;
    // Its silence was ours.
    this.#bytesReadBefore = -1;
    this.#webSocket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#paused) this.resume();
    this.#webSocket.close(code === CLOSE_LOST ? 1011 : code, reason.slice(0, 100));
  }

  /** Without a goodbye. */
  destroy(): void {
    this.#webSocket.terminate();
  }

  /** Returns false when the peer is dead. */
  sweep(now: number): boolean {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#bytesReadBefore || this.#paused) {
      this.#bytesReadBefore = bytesRead;
      this.#heardAt = now;
    }
    if (now - this.#heardAt >= DEAD_MS) return false;
    if (now - this.#pingedAt >= PING_MS && this.#webSocket.readyState === this.#webSocket.OPEN) {
      this.#pingedAt = now;
      this.#webSocket.ping("ping", false, ignore);
      if (this.#paused) this.#webSocket.pong("", false, ignore);
    }
    return true;
  }
}

/** A socket that broke says so in its close. */
function ignore(): void {}
