/** The client's side of channels: opens a stream, an HTTP exchange or a websocket to a service. */
import { request as httpRequest } from "node:http";
import { WebSocket } from "ws";
import {
  type Channel,
  type ChannelAcceptor,
  type ChannelInfo,
  type ChannelOptions,
  PortChannel,
  streamChannel,
} from "./channel.ts";
import { webSocketChannel } from "./channel-websocket.ts";
import type { ConnectOptions } from "./connect-options.ts";
import type { ServiceAddress } from "./service-address.ts";
import type { ServiceStream } from "./stream-duplex.ts";
import { serviceHost } from "./service-address.ts";

/** Of a dialer. */
export interface StreamOpener {
  open(service: ServiceAddress, options: ConnectOptions): ServiceStream;
}

/** How long a closed exchange may still send what was queued before it is reset. */
const CLOSE_GRACE_MS = 1_000;

export async function openChannel(
  opener: StreamOpener,
  address: ServiceAddress,
  acceptor: ChannelAcceptor,
  options: ChannelOptions,
): Promise<Channel> {
  const { kind = "stream", timeoutMs, signal } = options;
  const protocol = options.protocol ?? (kind === "stream" ? "tcp" : "http/1.1");
  const stream = opener.open(address, {
    protocol,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  });
  const info: ChannelInfo = { service: address.service, client: "" };
  if (kind === "websocket") return await openWebSocket(stream, address, acceptor, info, options);
  await connected(stream);
  return kind === "stream"
    ? streamChannel(stream, "client", acceptor, info)
    : exchangeChannel(stream, address, acceptor, info, options);
}

function connected(stream: ServiceStream): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.once("connect", resolve);
  // Stays: an error that comes between turns must not end the program.
  stream.on("error", reject);
  return promise;
}

function openWebSocket(
  stream: ServiceStream,
  address: ServiceAddress,
  acceptor: ChannelAcceptor,
  info: ChannelInfo,
  { path = "/", headers = {}, subprotocols = [] }: ChannelOptions,
): Promise<Channel> {
  const { promise, resolve, reject } = Promise.withResolvers<Channel>();
  const webSocket = new WebSocket(`ws://${serviceHost(address)}${path}`, [...subprotocols], {
    headers,
    createConnection: () => stream,
  });
  webSocket.once("open", () => {
    const channel = webSocketChannel(webSocket, "client");
    channel.use(acceptor, info);
    resolve(channel);
  });
  webSocket.on("error", reject);
  return promise;
}

function exchangeChannel(
  stream: ServiceStream,
  address: ServiceAddress,
  acceptor: ChannelAcceptor,
  info: ChannelInfo,
  { method = "POST", path = "/", headers = {} }: ChannelOptions,
): Channel {
  const host = serviceHost(address);
  const request = httpRequest({ host, path, method, headers, createConnection: () => stream });
  const channel = new PortChannel(
    {
      send: ({ body }) => {
        if (body !== undefined && body.length > 0) request.write(body);
      },
      close: () => {
        request.end();
        const late = setTimeout(() => request.destroy(), CLOSE_GRACE_MS);
        request.once("close", () => clearTimeout(late));
      },
      fail: () => request.destroy(),
    },
    "client",
    false,
  );
  request.on("response", (response) => {
    channel.responded(response.statusCode ?? 0, response.headers);
    response.on("data", (chunk: Buffer) => channel.received(chunk));
    response.on("end", () => {
      channel.ended();
      request.destroy();
    });
    response.on("error", (error) => channel.broken(error));
  });
  request.on("error", (error) => channel.broken(error));
  request.on("close", () => channel.ended());
  // A server may answer before anything is sent.
  request.flushHeaders();
  channel.use(acceptor, info);
  return channel;
}
