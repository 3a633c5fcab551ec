/**
 * The HTTP side of an acceptor: turns upgrade requests into websockets and tells everybody else what this port is for.
 *
 * A request with an Origin comes from a browser. No page may open a link, least of all to the loopback of whoever looks at
 * it, so such requests are refused.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

import { type WebSocket, WebSocketServer } from "ws";

import { dateLine } from "../socket/date-line.ts";
import { guarded } from "../base/internal-error.ts";
import { http } from "../socket/node-http.ts";
import { accept } from "../socket/shared-read.ts";
import { WEBSOCKET_SUBPROTOCOL } from "./transport-websocket.ts";
import type { UpgradeAsker, UpgradeTaker } from "./upgrade-taker.ts";

export interface UpgradeGateEvents {
  upgraded(webSocket: WebSocket, socket: Socket): void;
  /** An answer was sent and the connection is being closed. */
  refused(socket: Socket, why: string): void;
  /** Who asks for what is not a link. Undefined: its connection is given up already. */
  asker(socket: Socket): UpgradeAsker | undefined;
}

const HEAD_BYTES_MAX = 16 * 1024;

export class UpgradeGate {
  readonly #events: UpgradeGateEvents;
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  readonly #taker: UpgradeTaker | undefined;

  constructor(messageBytesMax: number, taker: UpgradeTaker | undefined, events: UpgradeGateEvents) {
    this.#events = events;
    this.#taker = taker;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: messageBytesMax,
      handleProtocols: () => WEBSOCKET_SUBPROTOCOL,
    });
    this.#webSockets.on("wsClientError", (error: Error, socket: Duplex) =>
      accept(socket as Socket, (refused) => events.refused(refused, error.message)),
    );
    // It never listens: sockets are handed to it. Its own timeouts are the acceptor's deadline.
    this.#http = http.createServer({ maxHeaderSize: HEAD_BYTES_MAX });
    this.#http.on("request", (request, response) => accept(request.socket, () => this.#request(request, response)));
    this.#http.on("upgrade", (request, socket, head) =>
      accept(socket as Socket, (upgraded) => this.#upgrade(request, upgraded, head)),
    );
    this.#http.on("clientError", (error: Error, socket: Duplex) => {
      guarded("accept", () => events.refused(socket as Socket, `its HTTP request cannot be read: ${error.message}`));
      socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n${dateLine()}\r\n`);
    });
  }

  /** Takes a paused socket with its first bytes put back. */
  take(socket: Socket): void {
    this.#http.emit("connection", socket);
    socket.resume();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const body =
      "This port takes links of Polarity nodes, not web requests.\n" +
      `Join it with: polarity connect web=http://127.0.0.1:3000 --router ws://${safeHost(request.headers.host)}\n` +
      "For the services behind it, ask one of the node's http listeners.\n";
    response.writeHead(426, {
      Connection: "Upgrade, close",
      Upgrade: "websocket",
      "Sec-WebSocket-Protocol": WEBSOCKET_SUBPROTOCOL,
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Length": body.length,
    });
    response.end(body);
    this.#events.refused(request.socket, `a plain HTTP request: ${request.method ?? ""}`);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (request.headers.origin !== undefined) {
      this.#refuse(socket, "403 Forbidden", "a browser cannot open a link");
      return;
    }
    if (this.#taker?.takes(request) === true) {
      const asker = this.#events.asker(socket);
      if (asker === undefined) socket.destroy();
      else this.#taker.take(request, socket, head, asker);
      return;
    }
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    if (!offered.includes(WEBSOCKET_SUBPROTOCOL)) {
      this.#refuse(socket, "400 Bad Request", `the subprotocol ${WEBSOCKET_SUBPROTOCOL} was not offered`);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#events.upgraded(webSocket, socket));
  }

  #refuse(socket: Socket, status: string, why: string): void {
    this.#events.refused(socket, why);
    const body = `${why}\n`;
    socket.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
        `Content-Length: ${body.length}\r\n${dateLine()}\r\n${body}`,
    );
  }
}

/** The client's word for this host, if it is nothing but a host. */
function safeHost(host: string | undefined): string {
  return host !== undefined && /^[\w.:[\]-]{1,255}$/.test(host) ? host : "HOST:PORT";
}
