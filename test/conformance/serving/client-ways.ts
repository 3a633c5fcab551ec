/** The ways of a request to a service of a program: listeners of routers and of the node itself, and every client of a dialer. */
import { once } from "node:events";
import { type Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { Readable } from "node:stream";
import { Agent as UndiciAgent, type Dispatcher, request as undiciRequest } from "undici";
import { WebSocket } from "ws";
import type { Dialer } from "../../../src/index.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is not a text is streamed. */
  readonly body?: string | Readable;
}

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Way {
  readonly name: string;
  /** Aborts with the signal at any stage. */
  ask(asked: Asked, signal: AbortSignal): Promise<Answer>;
  /** Undefined: it has no websockets, and why. */
  readonly webSocket: (() => WebSocket) | string;
}

export interface Places {
  readonly dialer: Dialer;
  /** `http://host:port` of the router's listener, and of one of the node that serves. */
  readonly router: string;
  readonly own: string;
  readonly machine: string;
  readonly service: string;
}

/** `close`: of what a way keeps open. */
export function clientWays({ dialer, router, own, machine, service }: Places): {
  readonly ways: readonly Way[];
  close(): void;
} {
  const named = dialer.url({ machine, service }, "");
  const byHeader = { "X-Service-Id": service };
  const overListener = (name: string, origin: string): Way => ({
    name,
    ask: (asked, signal) =>
      askNode(origin, { ...asked, headers: { ...asked.headers, ...byHeader } }, signal, undefined),
    webSocket: () => new WebSocket(`${origin.replace("http", "ws")}/ws`, { headers: byHeader }),
  });
  const session = connectHttp2(router);
  session.on("error", () => {});
  const agent = dialer.agent();
  const dispatcher = dialer.dispatcher() as unknown as Dispatcher;
  const undiciAgent = new UndiciAgent({ connect: dialer.connector(), pipelining: 0 });
  const ways: readonly Way[] = [
    overListener("an HTTP/1.1 listener", router),
    {
      name: "an h2 listener",
      ask: (asked, signal) =>
        askHttp2(session, { ...asked, headers: { ...asked.headers, "x-service-id": service } }, signal),
      webSocket: "ws speaks HTTP/1.1; test/system/http2 has websockets by extended CONNECT",
    },
    overListener("the node's own listener", own),
    {
      name: "dialer.fetch",
      ask: (asked, signal) => askFetch(dialer, named, asked, signal),
      webSocket: "fetch cannot switch protocols; test/system/sdk-http has the global WebSocket",
    },
    {
      name: "dialer.agent",
      ask: (asked, signal) => askNode(named, asked, signal, agent),
      webSocket: () => new WebSocket(`${named.replace("http", "ws")}/ws`, { agent }),
    },
    {
      name: "undici",
      ask: (asked, signal) => askUndici(dispatcher, named, asked, signal),
      webSocket: "ws takes no dispatcher; test/system/sdk-http has the global WebSocket",
    },
    {
      name: "undici's Agent",
      ask: (asked, signal) => askUndici(undiciAgent, named, asked, signal),
      webSocket: "as undici",
    },
  ];
  const close = (): void => {
    session.destroy();
    void undiciAgent.destroy();
  };
  return { ways, close };
}

async function askNode(origin: string, asked: Asked, signal: AbortSignal, agent: Agent | undefined): Promise<Answer> {
  const { method, path, headers = {}, body } = asked;
  const request = httpRequest(`${origin}${path}`, { method, headers, signal, agent: agent ?? false });
  if (body instanceof Readable) {
    request.flushHeaders();
    body.pipe(request);
  } else {
    if (body !== undefined) request.setHeader("Content-Length", Buffer.byteLength(body));
    request.end(body);
  }
  const [response] = (await once(request, "response")) as [IncomingMessage];
  request.on("error", () => {});
  return {
    status: response.statusCode ?? 0,
    header: (name) => response.headers[name]?.toString(),
    body: response,
  };
}

async function askHttp2(session: ClientHttp2Session, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const { method, path, headers = {}, body } = asked;
  const length = typeof body === "string" ? { "content-length": Buffer.byteLength(body) } : {};
  const fieldsSent = { ":method": method, ":path": path, ...length, ...headers };
  const stream = session.request(fieldsSent, { endStream: body === undefined, signal });
  if (body instanceof Readable) body.pipe(stream);
  else if (body !== undefined) stream.end(body);
  const [fields] = (await once(stream, "response")) as [Record<string, string | number | undefined>];
  stream.on("error", () => {});
  return { status: Number(fields[":status"]), header: (name) => fields[name]?.toString(), body: stream };
}

async function askFetch(dialer: Dialer, origin: string, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const { method, path, headers = {}, body } = asked;
  const sent =
    body instanceof Readable
      ? { body: Readable.toWeb(body) as ReadableStream<Uint8Array>, duplex: "half" as const }
      : { body: body ?? null };
  const response = await dialer.fetch(`${origin}${path}`, { method, headers, signal, ...sent });
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: response.body ?? (new ReadableStream() as ReadableStream<Uint8Array>),
  };
}

async function askUndici(dispatcher: Dispatcher, origin: string, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const { method, path, headers = {}, body } = asked;
  const response = await undiciRequest(`${origin}${path}`, {
    method: method as "GET",
    headers,
    signal,
    dispatcher,
    body: body ?? null,
  });
  // Aborting is an error of the body, for whoever no longer reads it too.
  response.body.on("error", () => {});
  return { status: response.statusCode, header: (name) => response.headers[name]?.toString(), body: response.body };
}
