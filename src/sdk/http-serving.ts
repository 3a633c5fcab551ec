/**
 * Serves streams with a Node HTTP server that need not listen: each stream becomes one of its connections.
 *
 * What a handler throws, or rejects with, stays with its exchange: the client gets 500 where nothing was answered yet, or
 * a cut-off answer, and the program hears of it. The server's own ports, if it listens, are served as before.
 */
import { EventEmitter } from "node:events";
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { type HandlerFailed, isGone, type StreamTaker } from "./stream-taker.ts";
import type { StreamDuplex } from "./stream-duplex.ts";

export function httpTaker(server: Server, failed: HandlerFailed): StreamTaker {
  containFailures(server);
  return {
    protocol: "http/1.1",
    get upgrades() {
      return server.listenerCount("upgrade") > 0;
    },
    answersRequests: true,
    take: (stream, _info, oneExchange) => {
      SERVED.set(stream, { stream, oneExchange, failed });
      // What breaks here is told to the server's own sockets by their errors; without a listener it would end the program.
      stream.on("error", () => {});
      server.emit("connection", stream);
    },
    close: () => server.closeAllConnections(),
  };
}

/** A connection of some server that is a stream of ours. */
interface Served {
  readonly stream: StreamDuplex;
  readonly oneExchange: boolean;
  readonly failed: HandlerFailed;
}

const SERVED = new WeakMap<Duplex, Served>();
const CONTAINED = new WeakSet<Server>();

type Emit = (event: string | symbol, ...values: unknown[]) => boolean;

/** Everything that a server asks of its handlers goes through `emit`; what belongs to no stream of ours passes untouched. */
function containFailures(server: Server): void {
  if (CONTAINED.has(server)) return;
  CONTAINED.add(server);
  const emit = server.emit.bind(server) as Emit;
  const contained: Emit = (event, ...values) => {
    const served = servedOf(values);
    if (served === undefined) return emit(event, ...values);
    prepare(served, event, values);
    try {
      return emit(event, ...values);
    } catch (error) {
      contain(served, error, values);
      return true;
    }
  };
  server.emit = contained;
  captureRejections(server);
}

/** What an async listener rejects with is told to the server, as for any emitter that is made with `captureRejections`. */
function captureRejections(server: Server): void {
  const standard = server[EventEmitter.captureRejectionSymbol]?.bind(server);
  server[EventEmitter.captureRejectionSymbol] = (error, event, ...values) => {
    const served = servedOf(values);
    if (served === undefined) standard?.(error, event, ...values);
    else contain(served, error, values);
  };
  // A server that exists takes the option only so; Node's constructors do the same.
  const { init } = EventEmitter as unknown as {
    readonly init: (options: { readonly captureRejections: true }) => void;
  };
  Reflect.apply(init, server, [{ captureRejections: true }]);
}

/** Of the events of a server, those that are about a connection begin with its request, or have it at their end. */
function servedOf(values: readonly unknown[]): Served | undefined {
  const [first, second] = values;
  if (first instanceof Duplex) return SERVED.get(first);
  if (second instanceof Duplex) return SERVED.get(second);
  if (second instanceof ServerResponse) return SERVED.get((first as IncomingMessage).socket);
  return undefined;
}

function prepare({ stream, oneExchange, failed }: Served, event: string | symbol, values: readonly unknown[]): void {
  const [, response] = values;
  if (response instanceof ServerResponse) {
    // The answer says that its connection ends with it, where it does; before anybody else sees the request.
    if (oneExchange) response.shouldKeepAlive = false;
    // Such as a write after the end: an error without a listener would end the program.
    response.on("error", (error) => {
      if (!isGone(stream, error)) failed(error);
    });
  } else if (event === "upgrade" || event === "connect") {
    stream.releaseEnd();
  }
}

function contain({ stream, failed }: Served, error: unknown, values: readonly unknown[]): void {
  if (!isGone(stream, error)) failed(error);
  const [, response] = values;
  if (response instanceof ServerResponse) failResponse(response);
  else if (stream.bytesWritten === 0 && stream.writable) stream.end(FAILED_TEXT);
  else stream.destroy();
}

const FAILED_TEXT = "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** Tells the client that the handler failed, or cuts off the answer that has begun. */
export function failResponse(response: ServerResponse): void {
  if (response.headersSent || response.writableEnded) {
    // An answer that is complete stays so.
    if (!response.writableEnded) response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.writeHead(500).end();
}
