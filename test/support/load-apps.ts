/** The apps of a mixed load: each does what its request says, and judges what was uploaded to it. */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BodyCheck, writeBody } from "./load-bytes.ts";
import type { Certificate } from "./certificates.ts";
import { ANSWER_HEAD_BYTES, type AnswerTime, type BodyForm, type Pace } from "./load-plan.ts";

export interface LoadApps {
  /** As targets of services. */
  readonly h1: string;
  readonly h2: string;
  readonly tls: string;
  readonly unix: string;
  readonly raw: string;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export async function startLoadApps(t: TestContext, folder: string, certificate: Certificate): Promise<LoadApps> {
  const path = join(folder, "app.sock");
  const listen = { host: "127.0.0.1", port: 0 };
  const [h1, h2, tls, raw] = [
    await start(t, createHttpServer({ keepAliveTimeout: 60_000 }, serve), listen),
    await start(t, createHttp2Server({}, serve), listen),
    await start(t, createHttpsServer({ ...certificate, keepAliveTimeout: 60_000 }, serve), listen),
    await start(t, createServer({ allowHalfOpen: true }, serveRaw), listen),
  ];
  await start(t, createHttpServer({ keepAliveTimeout: 60_000 }, serve), { path });
  return {
    h1: `http://127.0.0.1:${h1}`,
    h2: `h2c://127.0.0.1:${h2}`,
    tls: `https://127.0.0.1:${tls}`,
    unix: `unix://${path}`,
    raw: `tcp://127.0.0.1:${raw}`,
  };
}

async function start(t: TestContext, server: Server, where: { path?: string; port?: number }): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(where, resolve));
  t.after(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return where.path === undefined ? (server.address() as AddressInfo).port : 0;
}

function serve(request: Request, response: Response): void {
  request.on("error", () => {});
  response.on("error", () => {});
  const asked = new URL(request.url ?? "/", "http://app").searchParams;
  const number = (name: string): number => Number(asked.get(name) ?? 0);
  const [id, up, down] = [number("id"), number("up"), number("down")];
  const answer = asked.get("answer") as AnswerTime;
  const check = new BodyCheck(id);
  if (answer !== "unread") request.on("data", (chunk: Buffer) => check.take(chunk));
  const begin = (): void => {
    const form = asked.get("form") as BodyForm;
    response.setHeader("x-verdict", answer === "after" ? check.verdict(up) : "ok");
    if (form === "length") response.setHeader("content-length", down);
    if (form === "length" && "useChunkedEncodingByDefault" in response) fillHead(request, response);
    if (form === "close" && "useChunkedEncodingByDefault" in response) {
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
    }
    const written = writeBody(response, id + 1, down, asked.get("pace") as Pace);
    void written.then(() => response.end());
  };
  if (answer === "after") request.on("end", begin);
  else begin();
}

/** Makes the head as long as plans count on. */
function fillHead(request: Request, response: ServerResponse): void {
  response.sendDate = false;
  response.setHeader("connection", request.headers.connection ?? "keep-alive");
  const fields = Object.entries(response.getHeaders()).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  const bytes = `HTTP/1.1 200 OK\r\n${fields.join("")}x-fill: \r\n\r\n`.length;
  response.setHeader("x-fill", "x".repeat(Math.max(0, ANSWER_HEAD_BYTES - bytes)));
}

/** The first line says what is wanted; a byte behind the answer says whether the upload was whole. */
function serveRaw(socket: Socket): void {
  let line = "";
  let check: BodyCheck | undefined;
  const uploaded = Promise.withResolvers<void>();
  const begin = async (): Promise<void> => {
    const [id = 0, up = 0, down = 0] = line.split(" ", 3).map(Number);
    const [, , , answer, pace] = line.split(" ");
    if (answer === "after") await uploaded.promise;
    await writeBody(socket, id + 1, down, pace as Pace);
    await uploaded.promise;
    socket.end(check!.verdict(up) === "ok" ? "+" : "-");
  };
  socket.on("data", (chunk: Buffer) => {
    if (check !== undefined) {
      check.take(chunk);
      return;
    }
    const end = chunk.indexOf("\n");
    line += chunk.toString("latin1", 0, end < 0 ? chunk.length : end);
    if (end < 0) return;
    check = new BodyCheck(Number(line.split(" ")[0]));
    check.take(chunk.subarray(end + 1));
    void begin();
  });
  socket.on("end", uploaded.resolve);
  socket.on("close", uploaded.resolve);
}
