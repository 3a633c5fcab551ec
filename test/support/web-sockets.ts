/** Apps and clients that speak websockets through the `ws` package, closed when the test ends. */
import type { IncomingMessage } from "node:http";
import type { TestContext } from "node:test";
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from "ws";
import { type App, startHttpApp } from "./apps.ts";
import { soon } from "./patience.ts";

export interface Message {
  readonly data: Buffer;
  readonly binary: boolean;
}

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** An app whose plain requests are answered with `plain`, and whose websockets go to `connected`. */
export async function startWebSocketApp(
  context: TestContext,
  connected: (socket: WebSocket, request: IncomingMessage) => void,
  options: ServerOptions = {},
): Promise<App<WebSocketServer>> {
  const app = await startHttpApp(context, (_request, response) => response.end("plain"));
  const server = new WebSocketServer({ server: app.server, ...options });
  server.on("connection", (socket, request) => {
    socket.on("error", () => {});
    connected(socket, request);
  });
  context.after(() => server.close());
  return { ...app, server };
}

/** A client's end of a websocket, whose messages are read one by one. */
export class WebSocketClient {
  readonly socket: WebSocket;
  /** Resolves with the response to the handshake's request. */
  readonly upgraded: Promise<IncomingMessage>;
  readonly #closed: Promise<Closing>;
  readonly #opened: Promise<void>;
  readonly #messages: Message[] = [];
  #arrived = Promise.withResolvers<void>();

  constructor(
    context: TestContext,
    url: string,
    protocols: string | string[] = [],
    options: ClientOptions & { perMessageDeflate?: boolean } = {},
  ) {
    this.socket = new WebSocket(url, protocols, { maxPayload: 256 * 1024 * 1024, ...options });
    context.after(() => this.socket.terminate());
    const upgraded = Promise.withResolvers<IncomingMessage>();
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<Closing>();
    this.upgraded = upgraded.promise;
    this.#opened = opened.promise;
    this.#closed = closed.promise;
    for (const { promise } of [upgraded, opened]) promise.catch(() => {});
    this.socket.on("upgrade", upgraded.resolve);
    this.socket.on("open", opened.resolve);
    this.socket.on("message", (data: Buffer, binary) => {
      this.#messages.push({ data, binary });
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    });
    this.socket.on("error", (error) => {
      upgraded.reject(error);
      opened.reject(error);
    });
    this.socket.on("close", (code, reason) => closed.resolve({ code, reason: reason.toString() }));
  }

  async opened(): Promise<this> {
    await soon("an open websocket", this.#opened);
    return this;
  }

  /** The next message. */
  async message(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await soon("a message", this.#arrived.promise, 60_000);
    }
  }

  async text(): Promise<string> {
    return (await this.message()).data.toString();
  }

  closed(): Promise<Closing> {
    return soon("the end of a websocket", this.#closed);
  }
}

/** How an app's end of a websocket closes. */
export function closingOf(socket: WebSocket): Promise<Closing> {
  return new Promise((resolve) => socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));
}
