/** Node's own HTTP parser (llhttp, strict) behind its server, asked without a socket: the other opinion. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { after } from "node:test";
import type { Message } from "./request-reading.ts";

const OPTIONS = { maxHeaderSize: 64 * 1024, keepAliveTimeout: 60_000 };
const oracle = createServer(OPTIONS);
const lenientOracle = createServer({ ...OPTIONS, insecureHTTPParser: true });
after(() => {
  oracle.close();
  lenientOracle.close();
});

/** What Node's server makes of these bytes on one connection. `lenient`: by a parser that takes almost anything for HTTP. */
export async function askServer(text: string, lenient = false): Promise<Message[]> {
  const messages: Message[] = [];
  const socket = new Duplex({
    read() {},
    write(_chunk, _encoding, callback) {
      callback();
    },
  });
  listeners.set(socket, messages);
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  (lenient ? lenientOracle : oracle).emit("connection", socket);
  socket.push(Buffer.from(text, "latin1"));
  socket.push(null);
  await closed;
  return messages;
}

const listeners = new WeakMap<object, Message[]>();

function noteMessage(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    listeners.get(request.socket)?.push({
      method: request.method ?? "",
      target: request.url ?? "",
      fields: request.rawHeaders,
      body: Buffer.concat(chunks).toString("latin1"),
    });
    response.writeHead(204).end();
  });
}

for (const server of [oracle, lenientOracle]) {
  server.on("request", noteMessage);
  server.on("checkContinue", noteMessage);
  server.on("checkExpectation", noteMessage);
  server.on("clientError", (_error, socket) => socket.destroy());
}
