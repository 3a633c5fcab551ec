/** The app of the Cranker example: plain HTTP and websockets, and nothing of Polarity. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { WebSocketServer } from "ws";

const CHUNK = Buffer.alloc(64 * 1024, "0123456789abcdef");

/** Serves on 127.0.0.1; returns what stops it. `name` is in every answer's `Server` field. */
export async function startApp(name: string, port: number): Promise<() => void> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    response.setHeader("Server", name);
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  new WebSocketServer({ server }).on("connection", (socket) => {
    socket.on("message", (data: Buffer, binary) => {
      const text = data.toString();
      if (text === "leave me") socket.close(4321, "as you wish");
      else socket.send(data, { binary });
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://app");
  // Names of services arrive as the first segment, where they were asked for that way.
  switch (pathname.replace(/^.*\//, "/")) {
    case "/echo":
      response.setHeader("Content-Type", request.headers["content-type"] ?? "application/octet-stream");
      request.pipe(response);
      return;
    case "/hash":
      response.end(await hashOf(request));
      return;
    case "/bytes":
      await sendBytes(response, Number(searchParams.get("count")));
      return;
    case "/form": {
      const type = request.headers["content-type"] ?? "";
      const body = new Response(Buffer.concat(await request.toArray()), { headers: { "Content-Type": type } });
      const file = (await body.formData()).get("file");
      response.end(
        file instanceof File ? `${file.name} ${file.size} ${await hashOf([await file.bytes()])}` : "no file",
      );
      return;
    }
    case "/request":
      response.end(JSON.stringify({ url: request.url, headers: request.headers }));
      return;
    default:
      request.resume();
      response.setHeader("Content-Type", "text/html");
      response.end("<h1>The app's page</h1>\n");
  }
}

/** What `/bytes` sends is known beforehand, so that a client can tell whether it arrived. */
export function hashOfBytes(count: number): string {
  const hash = createHash("sha256");
  for (let left = count; left > 0; left -= CHUNK.length) hash.update(CHUNK.subarray(0, left));
  return hash.digest("hex");
}

async function sendBytes(response: ServerResponse, count: number): Promise<void> {
  for (let left = count; left > 0; left -= CHUNK.length) {
    if (!response.write(CHUNK.subarray(0, left))) await once(response, "drain");
  }
  response.end();
}

export async function hashOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}
