/** What a program may serve a service with, and how each kind of handler takes a stream. */
import { createServer, type RequestListener, Server } from "node:http";
import type { Duplex } from "node:stream";
import { messageOf, PolarityError } from "../base/errors.ts";
import { type ChannelAcceptor, streamChannel } from "./channel.ts";
import { channelRequests } from "./channel-requests.ts";
import { fetchListener, type FetchHandler } from "./fetch-handler.ts";
import type { ServiceStream, StreamDuplex, StreamInfo } from "./stream-duplex.ts";

/** Serves one stream of bytes. What it throws, or rejects with, resets the stream. */
export type StreamHandler = (stream: ServiceStream, info: StreamInfo) => void | Promise<void>;

/**
 * What serves a service within this program, without a port:
 * - an `http.Server`, which need not listen; its `upgrade` event works, with `ws` and `noServer` for one;
 * - `{ http }`: a listener for requests, as `http.createServer` takes it;
 * - `{ fetch }`: a function from a `Request` to a `Response`;
 * - `{ stream }`: a function that takes each stream as a Duplex;
 * - `{ channel }`: a function that takes each websocket, request or stream as a Channel.
 */
export type ServiceHandler =
  | Server
  | { readonly http: RequestListener }
  | { readonly fetch: FetchHandler }
  | { readonly stream: StreamHandler }
  | { readonly channel: ChannelAcceptor };

/** What a service of this program may be offered as: whole connections, or one HTTP/1.1 exchange a stream. */
export type HandlerProtocol = "tcp" | "http/1.1";

/** Takes streams on behalf of a handler. `failed`: the handler failed in a way that is for the program to hear. */
export interface StreamTaker {
  /** As it is offered, unless options say otherwise. */
  readonly protocol: HandlerProtocol;
  /** A request may ask it for another protocol, such as a websocket. */
  readonly upgrades: boolean;
  take(stream: StreamDuplex, info: StreamInfo, oneExchange: boolean): void;
  /** Ends what only the taker keeps. */
  close(): void;
}

export function takerOf(handler: ServiceHandler, failed: (error: PolarityError) => void): StreamTaker {
  if (handler instanceof Server) return httpTaker(handler);
  if ("http" in handler) return httpTaker(createServer(handler.http));
  if ("fetch" in handler) return httpTaker(createServer(fetchListener(handler.fetch, failed)));
  if ("stream" in handler) return streamTaker(handler.stream, failed);
  return channelTaker(handler.channel, failed);
}

function httpTaker(server: Server): StreamTaker {
  // The answer says that its connection ends with it, where it does; before anybody else sees the request.
  server.prependListener("request", (request, response) => {
    if (isOneExchange(request.socket)) response.shouldKeepAlive = false;
  });
  return {
    protocol: "http/1.1",
    get upgrades() {
      return server.listenerCount("upgrade") > 0;
    },
    take: (stream, _info, oneExchange) => {
      if (oneExchange) ONE_EXCHANGE.add(stream);
      // What breaks here is told to the server's own sockets by their errors; without a listener it would end the program.
      stream.on("error", () => {});
      server.emit("connection", stream);
    },
    close: () => server.closeAllConnections(),
  };
}

const ONE_EXCHANGE = new WeakSet<Duplex>();

function isOneExchange(socket: Duplex): boolean {
  return ONE_EXCHANGE.has(socket);
}

function streamTaker(handler: StreamHandler, failed: (error: PolarityError) => void): StreamTaker {
  return {
    protocol: "tcp",
    upgrades: true,
    take: (stream, info) => {
      // A handler that listens for no errors must not end the program when a client goes away.
      stream.on("error", () => {});
      const broken = (error: unknown): void => {
        const problem = new PolarityError(
          "TARGET_FAILED",
          `the handler of service "${info.service}" failed: ${messageOf(error)}`,
          error,
        );
        stream.destroy(problem);
        failed(problem);
      };
      try {
        const done = handler(stream, info);
        if (done instanceof Promise) done.catch(broken);
      } catch (error) {
        broken(error);
      }
    },
    close: () => {},
  };
}

function channelTaker(acceptor: ChannelAcceptor, failed: (error: PolarityError) => void): StreamTaker {
  const channels = channelRequests(acceptor, failed);
  const requests = httpTaker(channels.server);
  const streams = streamTaker((stream, info) => {
    streamChannel(stream, "server", acceptor, info);
  }, failed);
  return {
    protocol: "http/1.1",
    upgrades: true,
    take: (stream, info, oneExchange) => (oneExchange ? requests : streams).take(stream, info, oneExchange),
    close: () => {
      channels.close();
      requests.close();
    },
  };
}
