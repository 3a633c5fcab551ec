/** An app for tests with browsers: a page, and behind it one address for each thing that pages do. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { WebSocketServer } from "ws";
import { startHttpApp } from "./apps.ts";

const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const PAGE = `<!doctype html><title>a page</title><link rel="icon" href="data:,">
<form method="post" action="/form" enctype="multipart/form-data">
  <input name="word" value="blue"><input type="file" name="file"><button>Send</button>
</form>`;

export interface PageApp {
  readonly url: string;
  /** What it was asked: `GET /`, in order. */
  readonly asked: string[];
  /** What it knows of ends: `stream closed`, `events closed`, `socket closed 1001`. */
  readonly ends: string[];
}

export async function startPageApp(context: TestContext): Promise<PageApp> {
  const asked: string[] = [];
  const ends: string[] = [];
  const open = new Set<ServerResponse>();
  const app = await startHttpApp(context, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const [path = ""] = (request.url ?? "").split("?");
    const [, name = "", rest = ""] = path.split("/");
    if (name === "events" || name === "stream") {
      const type = name === "events" ? "text/event-stream" : "text/plain";
      response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).flushHeaders();
      response.on("close", () => ends.push(`${name} closed`));
      open.add(response);
      response.on("close", () => open.delete(response));
      if (name === "events") response.write(`retry: 20\n\ndata: after ${String(request.headers["last-event-id"])}\n\n`);
    } else if (name === "say") {
      // Each part is sent when the page has seen the one before it, and asks for it.
      for (const stream of open) stream.write(decodeURIComponent(rest));
      response.end();
    } else if (name === "hangup") {
      for (const stream of open) stream.end();
      response.end();
    } else answer(name, rest, request, response);
  });
  const sockets = new WebSocketServer({ server: app.server, maxPayload: 64 * 1024 * 1024 });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, binary) => {
      if (!binary && (data as Buffer).toString() === "leave") socket.close(4001, "as you wish");
      else socket.send(data, { binary });
    });
    socket.on("close", (code) => ends.push(`socket closed ${code}`));
  });
  context.after(() => sockets.close());
  return { url: app.url, asked, ends };
}

function answer(name: string, rest: string, request: IncomingMessage, response: ServerResponse): void {
  switch (name) {
    case "":
      response.setHeader("Content-Type", "text/html");
      response.end(PAGE);
      return;
    case "echo":
      request.pipe(response);
      return;
    case "form":
      void describeForm(request).then((text) => response.setHeader("Content-Type", "text/plain").end(text));
      return;
    case "cookies":
      if (request.headers.cookie === undefined)
        response.setHeader("Set-Cookie", ["a=1; Path=/", "b=2; Path=/; HttpOnly; SameSite=Strict", "c=3; Path=/other"]);
      response.end(request.headers.cookie ?? "none");
      return;
    case "redirect":
      request.resume();
      response.writeHead(Number(rest), { Location: "../echo" }).end();
      return;
    case "tagged":
      response.setHeader("ETag", '"one"').setHeader("Cache-Control", "no-cache");
      if (request.headers["if-none-match"] === '"one"') response.writeHead(304).end();
      else response.end("tagged");
      return;
    case "kept":
      response.setHeader("Cache-Control", "max-age=600").end("kept");
      return;
    case "image":
      response.writeHead(200, { "Content-Type": "image/png", "Content-Length": PIXEL.length }).end(PIXEL);
      return;
    default:
      response.writeHead(404).end("no such thing");
  }
}

async function describeForm(request: IncomingMessage): Promise<string> {
  const body = Buffer.concat((await request.toArray()) as Buffer[]);
  const type = request.headers["content-type"] ?? "";
  const form = await new Response(body, { headers: { "Content-Type": type } }).formData();
  const parts = [...form].map(([name, value]) =>
    typeof value === "string" ? `${name}=${value}` : `${name}: ${value.name}, ${value.size} bytes`,
  );
  return parts.join("; ");
}
