/**
 * The app for uploads: reads a body of a stated length and answers with how many bytes came, and their SHA-256 if asked.
 *
 * `POST /?hash=1&pace=1000000&for=5` reads a million bytes a second for the first five seconds, then as fast as it can.
 * Speaks only as much HTTP as that needs: nothing is parsed but the head, so that the sink is cheap next to what is measured.
 */
import { createHash, type Hash } from "node:crypto";
import { createServer, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

interface Body {
  readonly bytes: number;
  readonly hash: Hash | undefined;
  readonly paceBytesPerSecond: number;
  readonly paceMs: number;
  readonly startedAt: number;
  received: number;
}

const { port } = JSON.parse(process.argv[2] ?? "{}") as { port: number };
createServer({ noDelay: true }, serve).listen(port, "127.0.0.1");

function serve(socket: Socket): void {
  let head: Buffer = Buffer.alloc(0);
  let body: Body | undefined;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    let rest = chunk;
    if (body === undefined) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(HEAD_END);
      if (end < 0) return;
      body = bodyOf(head.toString("latin1", 0, end));
      rest = head.subarray(end + HEAD_END.length);
      head = Buffer.alloc(0);
    }
    body.received += rest.length;
    body.hash?.update(rest);
    if (body.received < body.bytes) {
      pace(socket, body);
      return;
    }
    answer(socket, body);
    body = undefined;
  });
}

function bodyOf(head: string): Body {
  const target = head.slice(head.indexOf(" ") + 1, head.indexOf(" ", head.indexOf(" ") + 1));
  const query = new URL(target, "http://sink").searchParams;
  return {
    bytes: Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0),
    hash: query.has("hash") ? createHash("sha256") : undefined,
    paceBytesPerSecond: Number(query.get("pace") ?? 0),
    paceMs: Number(query.get("for") ?? 0) * 1_000,
    startedAt: performance.now(),
    received: 0,
  };
}

/** Stops reading for as long as the body is ahead of its pace. */
function pace(socket: Socket, body: Body): void {
  if (body.paceBytesPerSecond === 0) return;
  const elapsedMs = performance.now() - body.startedAt;
  const aheadMs = (body.received / body.paceBytesPerSecond) * 1_000 - elapsedMs;
  if (elapsedMs >= body.paceMs || aheadMs <= 0) return;
  socket.pause();
  setTimeout(() => socket.resume(), Math.min(aheadMs, body.paceMs - elapsedMs));
}

function answer(socket: Socket, body: Body): void {
  const text = JSON.stringify({ bytes: body.received, sha256: body.hash?.digest("hex") });
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
}
