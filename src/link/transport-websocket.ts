/**
 * A link over a websocket: the link's bytes as binary messages whose borders mean nothing.
 *
 * Never compressed: payload is often compressed already, and compressing what a stranger chose together with secrets
 * leaks them. Backpressure is that of the socket underneath.
 */
import type { WriteOutcome } from "../base/byte-stream.ts";
import type { Socket } from "node:net";

import type { RawData, WebSocket } from "ws";

import type { Transport, TransportHandler } from "./transport.ts";

export const WEBSOCKET_SUBPROTOCOL = "polarity.1";

const NORMAL_CLOSURE = 1000;
const UNSUPPORTED_DATA = 1003;
const SEND_OPTIONS = { binary: true, compress: false } as const;

export interface WebSocketTransportOptions {
  readonly kind: "ws" | "wss";
  readonly remoteAddress: string;
  readonly certificateIdentity?: string | undefined;
}

export class WebSocketTransport implements Transport {
  readonly kind: string;
  readonly remoteAddress: string;
  readonly certificateIdentity: string | undefined;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #writesAtOnce: boolean;

  /** Takes an open websocket and the socket under it. Call in the same turn in which it opened, or messages are lost. */
  constructor(webSocket: WebSocket, socket: Socket, options: WebSocketTransportOptions) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.kind = options.kind;
    this.remoteAddress = options.remoteAddress;
    this.certificateIdentity = options.certificateIdentity;
    this.#writesAtOnce = options.kind === "ws";
    socket.setNoDelay(true);
    webSocket.pause();
    // An error before `start` shows in the close that follows it.
    webSocket.on("error", () => {});
  }

  start(handler: TransportHandler): void {
    const webSocket = this.#webSocket;
    let cause: Error | undefined;
    webSocket.on("message", (data: RawData, isBinary: boolean) => {
      if (isBinary) {
        handler.received(data as Buffer);
      } else {
        cause = new Error("the peer sent a text message where only binary ones are expected");
        webSocket.close(UNSUPPORTED_DATA, "binary messages only");
      }
    });
    webSocket.on("error", (error) => {
      cause = error;
    });
    webSocket.on("close", (code: number) => {
      // 1006: the connection ended without a close frame, which for a link is an end like any other.
      cause ??= code === NORMAL_CLOSURE || code === 1006 ? undefined : new Error(`the websocket closed with ${code}`);
      handler.closed(cause);
    });
    this.#socket.on("drain", () => handler.drained());
    if (webSocket.readyState === webSocket.CLOSED) queueMicrotask(() => handler.closed(undefined));
    else webSocket.resume();
  }

  write(buffers: readonly Buffer[]): WriteOutcome {
    const socket = this.#socket;
    socket.cork();
    for (const buffer of buffers) this.#webSocket.send(buffer, SEND_OPTIONS);
    socket.uncork();
    if (this.#writesAtOnce && socket.writableLength === 0) return "taken";
    return socket.writableNeedDrain ? "full" : "queued";
  }

  get settled(): boolean {
    return this.#socket.writableLength === 0 && this.#webSocket.bufferedAmount === 0;
  }

  end(): void {
    this.#webSocket.close(NORMAL_CLOSURE);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }
}
