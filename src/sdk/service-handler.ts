/** What a program may serve a service with, and how each kind of handler takes a stream. */
import { createServer, type RequestListener, Server } from "node:http";
import { Server as NetServer } from "node:net";
import { type ChannelAcceptor, streamChannel } from "./channel.ts";
import { channelRequests } from "./channel-requests.ts";
import { fetchListener, type FetchHandler } from "./fetch-handler.ts";
import { httpTaker } from "./http-serving.ts";
import { invalid, isObject, shown } from "./node-input.ts";
import type { ServiceStream, StreamInfo } from "./stream-duplex.ts";
import { type HandlerFailed, isGone, isThenable, type StreamTaker } from "./stream-taker.ts";

/** Serves one stream of bytes. What it throws, or rejects with, resets the stream. */
export type StreamHandler = (stream: ServiceStream, info: StreamInfo) => void | Promise<void>;

/** Answers requests, as a listener of `http.createServer` does. What it throws, or rejects with, is answered with 500. */
export type HttpHandler = (...parameters: Parameters<RequestListener>) => void | Promise<void>;

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
  | { readonly http: HttpHandler }
  | { readonly fetch: FetchHandler }
  | { readonly stream: StreamHandler }
  | { readonly channel: ChannelAcceptor };

export function takerOf(handler: ServiceHandler, failed: HandlerFailed): StreamTaker {
  if (handler instanceof Server) return httpTaker(handler, failed);
  if ("http" in handler)
    return httpTaker(
      ownServer((request, response) => handler.http(request, response)),
      failed,
    );
  if ("fetch" in handler) return httpTaker(ownServer(fetchListener((request) => handler.fetch(request))), failed);
  if ("stream" in handler) return streamTaker(handler.stream, failed);
  return channelTaker(handler.channel, failed);
}

/** Throws CONFIG_INVALID for what is no handler. */
export function checkHandler(where: string, handler: unknown): void {
  if (handler instanceof Server) return;
  if (isObject(handler)) {
    const kinds = HANDLER_KINDS.filter((kind) => typeof (handler as Record<string, unknown>)[kind] === "function");
    if (kinds.length === 1) return;
    if (kinds.length > 1) {
      throw invalid(`${where}: expected a handler of one kind (got ${kinds.join(" and ")} in one object)`);
    }
  }
  throw invalid(`${where}: expected a handler, which is an http.Server or an object with a function under \
${HANDLER_KINDS.join(", ")} (got ${shown(handler)})${hintFor(handler)}`);
}

const HANDLER_KINDS = ["http", "fetch", "stream", "channel"] as const;

function hintFor(handler: unknown): string {
  if (typeof handler === "function")
    return ": a function does not tell what it takes; Express and the like fit { http: … }";
  if (typeof handler === "string") return ": the URL of an app is for node.register";
  if (handler instanceof NetServer)
    return ': its connections are streams: { stream: (stream) => server.emit("connection", stream) }';
  return "";
}

function ownServer(listener: HttpHandler): Server {
  // oxlint-disable-next-line typescript/no-misused-promises -- what a promise comes to is heard by `httpTaker`
  const server = createServer(listener);
  // Where it is offered as bytes: a client that half-closes behind its request waits for the answer.
  return Object.assign(server, { httpAllowHalfOpen: true });
}

function streamTaker(handler: StreamHandler, failed: HandlerFailed): StreamTaker {
  return {
    protocol: "tcp",
    upgrades: true,
    answersRequests: false,
    take: (stream, info) => {
      // A handler that listens for no errors must not end the program when a client goes away.
      stream.on("error", () => {});
      const broken = (error: unknown): void => {
        if (!isGone(stream, error)) stream.destroy(failed(error));
      };
      try {
        const done: unknown = handler(stream, info);
        if (isThenable(done)) done.then(undefined, broken);
      } catch (error) {
        broken(error);
      }
    },
    close: () => {},
  };
}

function channelTaker(acceptor: ChannelAcceptor, failed: HandlerFailed): StreamTaker {
  const channels = channelRequests(acceptor, failed);
  const requests = httpTaker(channels.server, failed);
  const streams = streamTaker((stream, info) => {
    streamChannel(stream, "server", acceptor, info, failed);
  }, failed);
  return {
    protocol: "http/1.1",
    upgrades: true,
    answersRequests: true,
    take: (stream, info, oneExchange) => (oneExchange ? requests : streams).take(stream, info, oneExchange),
    close: () => {
      channels.close();
      requests.close();
    },
  };
}
