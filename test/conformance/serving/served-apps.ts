/**
 * One small app, written for everything that can serve: web-standard functions, Node's own server and the frameworks on it, a
 * Channel, and a stream on which HTTP is written by hand. The suite asks all of them for the same.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { json, text } from "node:stream/consumers";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { WebSocketServer } from "ws";
import type { Channel, ChannelHandler, ChannelInfo, ServeOptions, ServiceHandler } from "../../../src/index.ts";

export interface ServedApp {
  readonly name: string;
  readonly handler: ServiceHandler;
  readonly options?: ServeOptions;
  /** What is not asked of it, and why. */
  readonly leftOut: Readonly<Record<string, string>>;
}

interface Gone {
  (): void;
  /** An upload has reached the app. */
  readonly begun: () => void;
}

export const ETAG = '"one"';
const EVENT = "data: 1\n\n";

/** What is told, by the app's name: that it notices that its client has gone, and that an upload has reached it. */
export interface Notices {
  readonly gone: (name: string) => void;
  readonly begun: (name: string) => void;
}

export async function servedApps({ gone, begun }: Notices): Promise<readonly ServedApp[]> {
  const app = async (
    name: string,
    make: (gone: Gone) => ServiceHandler | Promise<ServiceHandler>,
    rest: Partial<ServedApp> = {},
  ): Promise<ServedApp> => ({
    name,
    handler: await make(Object.assign(() => gone(name), { begun: () => begun(name) })),
    leftOut: {},
    ...rest,
  });
  return await Promise.all([
    app("a fetch handler", (left) => ({ fetch: (request) => answered(request, left) }), { leftOut: NO_UPGRADE }),
    app("an http.Server", (left) => withWebSockets(createServer(plainListener(left)))),
    app("Express", (left) => withWebSockets(createServer(expressApp(left)))),
    app("Fastify", fastifyServer),
    app("Hono", (left) => ({ fetch: honoApp(left).fetch }), { leftOut: NO_UPGRADE }),
    app("a raw stream", (left) => ({ stream: (stream) => written(stream, left) }), {
      options: { protocol: "http/1.1" },
      leftOut: RAW_LEFT_OUT,
    }),
    app("a Channel", (left) => ({ channel: (channel, info) => conversed(channel, info, left) })),
  ]);
}

const NO_UPGRADE = { upgrade: "a Response cannot switch protocols" };
const RAW_LEFT_OUT = {
  upgrade: "it would be a websocket server by hand; test/system/sdk-streams has raw streams as such",
  throws: "it has no status to answer with: what it throws resets the stream, which is 502 to a client",
};

async function answered(request: Request, gone: Gone): Promise<Response> {
  const { pathname } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "GET /hello":
    case "HEAD /hello":
      return new Response("hello", { headers: { "X-App": "yes", "Content-Length": "5" } });
    case "POST /json":
      return Response.json({ got: await request.json() });
    case "POST /echo":
      return new Response(request.body, { headers: { "Content-Type": "application/octet-stream" } });
    case "GET /events":
      request.signal.addEventListener("abort", gone);
      return new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(EVENT)) }),
        { headers: { "Content-Type": "text/event-stream" } },
      );
    case "POST /upload":
      gone.begun();
      request.signal.addEventListener("abort", gone);
      return new Response(await request.text());
    case "GET /tagged":
      return request.headers.get("if-none-match") === ETAG
        ? new Response(null, { status: 304, headers: { ETag: ETAG } })
        : new Response("tagged", { headers: { ETag: ETAG } });
    case "GET /throws":
      throw new Error("thrown on purpose");
    default:
      return new Response("not here", { status: 404 });
  }
}

function plainListener(gone: Gone): (request: IncomingMessage, response: ServerResponse) => void {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await Promise.resolve();
    switch (`${request.method} ${request.url}`) {
      case "GET /hello":
      case "HEAD /hello":
        response.setHeader("X-App", "yes").setHeader("Content-Length", 5).end("hello");
        return;
      case "POST /json":
        response.setHeader("Content-Type", "application/json").end(JSON.stringify({ got: await json(request) }));
        return;
      case "POST /echo":
        request.pipe(response);
        return;
      case "GET /events":
        events(response, gone);
        return;
      case "POST /upload":
        gone.begun();
        onGone(response, gone);
        response.end(await text(request));
        return;
      case "GET /tagged":
        response.setHeader("ETag", ETAG);
        if (request.headers["if-none-match"] === ETAG) response.writeHead(304).end();
        else response.end("tagged");
        return;
      case "GET /throws":
        throw new Error("thrown on purpose");
      default:
        response.writeHead(404).end("not here");
    }
  };
  // oxlint-disable-next-line typescript/no-misused-promises -- its promise is for nobody, as in many programs
  return serve;
}

function events(response: ServerResponse, gone: Gone): void {
  onGone(response, gone);
  response.writeHead(200, { "Content-Type": "text/event-stream" }).write(EVENT);
}

function onGone(response: ServerResponse, gone: Gone): void {
  response.on("close", () => {
    if (!response.writableFinished) gone();
  });
}

function withWebSockets(server: ReturnType<typeof createServer>): ReturnType<typeof createServer> {
  const webSockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("message", (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    });
  });
  return server;
}

function expressApp(gone: Gone): express.Express {
  const app = express();
  // Its own way of telling about errors is the console.
  app.set("env", "test");
  app.get("/hello", (_request, response) => void response.set({ "X-App": "yes", "Content-Length": "5" }).end("hello"));
  app.post("/json", express.json(), (request, response) => void response.json({ got: request.body as unknown }));
  app.post("/echo", (request, response) => void request.pipe(response));
  app.get("/events", (_request, response) => events(response, gone));
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 hears of rejections, which is what is tested
  app.post("/upload", async (request, response) => {
    gone.begun();
    onGone(response, gone);
    response.end(await text(request));
  });
  app.get("/tagged", (request, response) => {
    response.set("ETag", ETAG);
    if (request.headers["if-none-match"] === ETAG) response.status(304).end();
    else response.send("tagged");
  });
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers -- as above
  app.get("/throws", async () => {
    await Promise.resolve();
    throw new Error("thrown on purpose");
  });
  return app;
}

async function fastifyServer(gone: Gone): Promise<ReturnType<typeof createServer>> {
  const app = fastify();
  app.addContentTypeParser("application/octet-stream", (_request, payload, done) => done(null, payload));
  app.get("/hello", async (_request, reply) => await reply.header("X-App", "yes").send("hello"));
  app.post("/json", (request) => ({ got: request.body }));
  app.post("/echo", async (request, reply) => await reply.send(request.body));
  app.get("/events", (_request, reply) => {
    reply.hijack();
    events(reply.raw, gone);
  });
  app.post("/upload", async (request, reply) => {
    gone.begun();
    onGone(reply.raw, gone);
    return await text(request.body as Readable);
  });
  app.get("/tagged", async (request, reply) => {
    reply.header("ETag", ETAG);
    return request.headers["if-none-match"] === ETAG ? await reply.code(304).send() : await reply.send("tagged");
  });
  app.get("/throws", async () => {
    await Promise.resolve();
    throw new Error("thrown on purpose");
  });
  await app.ready();
  return withWebSockets(app.server);
}

function honoApp(gone: Gone): Hono {
  const app = new Hono();
  app.onError((_error, context) => context.text("failed", 500));
  app.get("/hello", (context) => context.text("hello", 200, { "X-App": "yes", "Content-Length": "5" }));
  app.post("/json", async (context) => context.json({ got: await context.req.json() }));
  for (const path of ["/echo", "/events", "/upload", "/tagged"]) {
    app.all(path, async (context) => await answered(context.req.raw, gone));
  }
  app.get("/throws", async () => {
    await Promise.resolve();
    throw new Error("thrown on purpose");
  });
  return app;
}

/** A channel is not told where a request ends: what it needs to know of it, it finds in the request itself. */
function conversed(channel: Channel, { request }: ChannelInfo, gone: Gone): ChannelHandler {
  const answer = (status: number, headers: Record<string, string>, body: string): ChannelHandler => {
    channel.send({ status, headers, body });
    channel.close();
    return {};
  };
  if (channel.isWebSocket) return { onReceive: (data) => void channel.send(data) };
  const length = Number(request?.headers["content-length"] ?? Number.NaN);
  let received = "";
  switch (`${request?.method} ${request?.path}`) {
    case "GET /hello":
    case "HEAD /hello":
      return answer(200, { "X-App": "yes", "Content-Length": "5" }, "hello");
    case "POST /json":
      return {
        onReceive: (data) => {
          received += String(data);
          if (Number.isNaN(length) || received.length >= length) {
            answer(
              200,
              { "Content-Type": "application/json" },
              JSON.stringify({ got: JSON.parse(received) as unknown }),
            );
          }
        },
      };
    case "POST /echo":
      return {
        onReceive: (data) => {
          channel.send(data);
          received += String(data);
          if (received.endsWith("end")) channel.close();
        },
      };
    case "GET /events":
      channel.send({ headers: { "Content-Type": "text/event-stream" }, body: EVENT });
      return { onClose: gone };
    case "POST /upload":
      gone.begun();
      return { onClose: gone };
    case "GET /tagged":
      return request?.headers["if-none-match"] === ETAG
        ? answer(304, { ETag: ETAG }, "")
        : answer(200, { ETag: ETAG }, "tagged");
    case "GET /throws":
      throw new Error("thrown on purpose");
    default:
      return answer(404, {}, "not here");
  }
}

/** HTTP/1.1 by hand, one exchange on a stream. */
async function written(
  stream: Parameters<Extract<ServiceHandler, { stream: unknown }>["stream"]>[0],
  gone: Gone,
): Promise<void> {
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) await once(stream, "readable");
    else head += chunk.toString("latin1");
  }
  const bodyStart = head.indexOf("\r\n\r\n") + 4;
  stream.unshift(Buffer.from(head.slice(bodyStart), "latin1"));
  head = head.slice(0, bodyStart);
  const [line = ""] = head.split("\r\n");
  const framing = /^(?:content-length|transfer-encoding): .*$/im.exec(head)?.[0] ?? "Content-Length: 0";
  const respond = (status: string, fields: readonly string[], body = ""): void =>
    void stream.end([`HTTP/1.1 ${status}`, ...fields, `Content-Length: ${body.length}`, "", body].join("\r\n"));
  switch (line.replace(" HTTP/1.1", "")) {
    case "GET /hello":
      respond("200 OK", ["X-App: yes"], "hello");
      return;
    case "HEAD /hello":
      stream.end("HTTP/1.1 200 OK\r\nX-App: yes\r\nContent-Length: 5\r\n\r\n");
      return;
    case "POST /json": {
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
      let body = "";
      for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        body += chunk.toString();
        if (body.length >= length) break;
      }
      respond("200 OK", ["Content-Type: application/json"], `{"got":${body}}`);
      return;
    }
    case "POST /echo":
      // The body in its own framing: its end is the stream's.
      stream.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      stream.pipe(stream);
      return;
    case "GET /events":
      stream.on("error", gone);
      stream.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n${EVENT}`);
      return;
    case "POST /upload":
      gone.begun();
      stream.on("error", gone).resume();
      return;
    case "GET /tagged":
      if (head.toLowerCase().includes(`if-none-match: ${ETAG}`)) {
        stream.end(`HTTP/1.1 304 Not Modified\r\nETag: ${ETAG}\r\n\r\n`);
      } else respond("200 OK", [`ETag: ${ETAG}`], "tagged");
      return;
    default:
      respond("404 Not Found", [], "not here");
  }
}
