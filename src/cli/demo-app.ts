/** The demo's app: a plain HTTP server, and one of the Foo Protocol, that know nothing of Polarity. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

import type { AddressInfo, Server } from "node:net";
import { WebSocketServer } from "ws";
import { http } from "../socket/node-http.ts";
import { messageOf } from "../base/errors.ts";
import { DEMO_PAGE } from "./demo-page.ts";
import { EXIT } from "./exit-code.ts";
import { createFooServer } from "./foo-server.ts";
import { announceReady } from "./parent.ts";

export const DEMO_SERVER = "polarity-demo-app";
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Serves until a signal; resolves with the process's exit code. */
export async function runDemoApp(port: number): Promise<number> {
  const server = http.createServer((request, response) => {
    response.setHeader("Server", DEMO_SERVER);
    answer(request, response).catch((error: unknown) => fail(response, error));
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: BODY_BYTES_MAX });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("error", () => socket.terminate());
  });
  server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (webSocket) => sockets.emit("connection", webSocket, request));
  });
  const stopped = Promise.withResolvers<void>();
  server.on("error", stopped.reject);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopped.resolve());
  const foo = createFooServer().on("error", stopped.reject);
  try {
    const [web, tcp] = await Promise.race([
      Promise.all([listen(server, port), listen(foo, 0)]),
      stopped.promise.then(() => [0, 0]),
    ]);
    announceReady({ links: [], listeners: [`http://127.0.0.1:${web}`, `tcp://127.0.0.1:${tcp}`], admin: undefined });
    await stopped.promise;
  } finally {
    for (const client of sockets.clients) client.terminate();
    foo.close();
    server.close();
    server.closeAllConnections();
  }
  return EXIT.done;
}

/** Resolves with the port. */
function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  return promise;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://app");
  switch (url.pathname) {
    case "/echo":
      return echo(request, response);
    case "/upload":
      return json(response, await describeUpload(request));
    case "/query":
      return json(response, { query: [...url.searchParams] });
    case "/headers":
      return json(response, request.headers);
    default:
      request.resume();
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(DEMO_PAGE);
  }
}

/** The body as it came, while it comes. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("Content-Type", request.headers["content-type"] ?? "application/octet-stream");
  const length = request.headers["content-length"];
  if (length !== undefined) response.setHeader("Content-Length", length);
  request.pipe(response);
}

/** The parts of a multipart form, each with its size and hash. */
async function describeUpload(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`the upload is larger than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const type = request.headers["content-type"] ?? "";
  const form = await new Response(Buffer.concat(chunks), { headers: { "Content-Type": type } }).formData();
  const parts = await Promise.all(
    [...form].map(async ([name, value]) => {
      const content = typeof value === "string" ? Buffer.from(value) : Buffer.from(await value.arrayBuffer());
      const sha256 = createHash("sha256").update(content).digest("hex");
      return { name, file: typeof value === "string" ? null : value.name, bytes: content.length, sha256 };
    }),
  );
  return { parts };
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("Content-Type", "application/json");
  response.end(`${JSON.stringify(value, null, 2)}\n`);
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(400, { "Content-Type": "text/plain" }).end(`${messageOf(error)}\n`);
}
