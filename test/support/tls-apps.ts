/** Apps that speak TLS, on ports that the system chooses, closed with all their connections. */
import { createServer as createHttpsServer } from "node:https";
import type { RequestListener } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import type { TestContext } from "node:test";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";

export interface TlsApp {
  readonly port: number;
  /** `HOST:PORT`. */
  readonly place: string;
  /** How many connections came, and of those, how many in a resumed session. */
  readonly seen: { connections: number; resumed: number; plainBytes: number };
}

export function startHttpsApp(context: TestContext, options: TlsOptions, listener: RequestListener): Promise<TlsApp> {
  return start(context, createHttpsServer(options, listener));
}

export function startTlsApp(
  context: TestContext,
  options: TlsOptions,
  accepted: (socket: TLSSocket) => void,
): Promise<TlsApp> {
  return start(context, createServer({ ...options, ...({ allowHalfOpen: true } as object) }, accepted));
}

async function start(context: TestContext, server: Server): Promise<TlsApp> {
  const sockets = new Set<Socket>();
  const seen = { connections: 0, resumed: 0, plainBytes: 0 };
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    seen.connections++;
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.isSessionReused()) seen.resumed++;
    // Tests look at how connections end by `close`.
    socket.on("error", () => {});
    socket.on("close", () => {
      seen.plainBytes += socket.bytesRead;
    });
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
  return { port, place: `127.0.0.1:${port}`, seen };
}
