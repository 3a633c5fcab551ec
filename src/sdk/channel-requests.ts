/** The serving side of channels over HTTP: each request is a channel, each websocket too. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { WebSocketServer } from "ws";
import { type ChannelAcceptor, type ChannelInfo, PortChannel } from "./channel.ts";
import { webSocketChannel } from "./channel-websocket.ts";
import { failResponse } from "./http-serving.ts";
import { StreamDuplex } from "./stream-duplex.ts";
import type { HandlerFailed } from "./stream-taker.ts";

const INTERNAL_ERROR = 1011;
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

export interface ChannelRequests {
  readonly server: Server;
  close(): void;
}

export function channelRequests(acceptor: ChannelAcceptor, failed: HandlerFailed): ChannelRequests {
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX });
  const accept = (channel: PortChannel, request: IncomingMessage, fail: () => void): void => {
    try {
      channel.use(acceptor, infoOf(request), failed);
    } catch (error) {
      failed(error);
      fail();
    }
  };
  const server = createServer((request, response) => {
    accept(responseChannel(request, response), request, () => failResponse(response));
  });
  server.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      accept(webSocketChannel(webSocket, "server"), request, () => webSocket.close(INTERNAL_ERROR));
    });
  });
  return {
    server,
    close: () => {
      for (const webSocket of webSockets.clients) webSocket.terminate();
      webSockets.close();
    },
  };
}

function responseChannel(request: IncomingMessage, response: ServerResponse): PortChannel {
  const channel = new PortChannel(
    {
      send: ({ status = 200, headers = {}, body }, first) => {
        if (first) {
          response.writeHead(status, headers as Record<string, string | string[]>);
          response.flushHeaders();
        }
        if (body !== undefined && body.length > 0) response.write(body);
      },
      close: () => response.end(),
      fail: () => failResponse(response),
    },
    "server",
    false,
  );
  request.on("data", (chunk: Buffer) => channel.received(chunk));
  request.on("error", () => {});
  response.on("error", () => {});
  response.on("close", () => channel.ended());
  return channel;
}

function infoOf(request: IncomingMessage): ChannelInfo {
  const { method = "GET", url = "/", headers, socket } = request;
  const { remoteAddress, remotePort } = socket;
  const service = socket instanceof StreamDuplex ? socket.service : "";
  const client =
    remoteAddress === undefined
      ? ""
      : `${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort ?? 0}`;
  return { service, client, request: { method, path: url, headers } };
}
