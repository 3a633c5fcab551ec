/** Apps behind connectors: real servers on ports that the system chooses, closed with all their connections. */
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { formatUnixUrl } from "../../src/base/address.ts";

export interface App<ServerKind> {
  readonly server: ServerKind;
  readonly port: number;
  /** `http://127.0.0.1:PORT`, or `tcp://` for raw apps. */
  readonly url: string;
}

export async function startHttpApp(context: TestContext, listener: RequestListener): Promise<App<HttpServer>> {
  const server = createHttpServer(listener);
  // Upgraded connections are no longer the HTTP server's to close.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  context.after(async () => {
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}` };
}

/** `where`: a path for a unix socket; one that begins with a zero byte is a name. */
export async function startRawApp(
  context: TestContext,
  accepted: (socket: Socket) => void,
  where?: string,
): Promise<App<Server>> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    // Tests look at how connections end by `close`; an error is one way to get there.
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    accepted(socket);
  });
  await new Promise<void>((resolve) => {
    if (where === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(where, resolve);
  });
  context.after(async () => {
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  if (where !== undefined) return { server, port: 0, url: formatUnixUrl({ kind: "unix", path: where }) };
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `tcp://127.0.0.1:${port}` };
}

/** A raw app that answers as HTTP: `answer` gets each request head that arrives, with the socket to write to. */
export async function startWireApp(
  context: TestContext,
  answer: (head: string, socket: Socket) => void,
): Promise<App<Server>> {
  const app = await startRawApp(context, (socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (;;) {
        const end = text.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = text.slice(0, end + 4);
        text = text.slice(end + 4);
        answer(head, socket);
      }
    });
  });
  return { ...app, url: `http://127.0.0.1:${app.port}` };
}
