/**
 * Moves large bodies over one connection each, and counts them.
 *
 * Downloads are read into one buffer again and again; uploads send one block again and again, or a file when the content
 * matters. Prints one JSON line (`BulkReport`); a task that loops prints it at SIGTERM.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { connect, type Socket } from "node:net";
import { ResponseReader } from "./measure/response-reader.ts";
import type { BulkReport, BulkTask } from "./measure/bulk.ts";

const BUFFER_BYTES = 256 * 1024;

const task = JSON.parse(process.argv[2] ?? "{}") as BulkTask;
const hash = task.hash ? createHash("sha256") : undefined;
const start = performance.now();
let bytes = 0;
let firstByteMs = 0;
let answer = "";

process.on("SIGTERM", finish);
await Promise.all(Array.from({ length: task.parallel }, run));
finish();

async function run(): Promise<void> {
  do {
    await (task.direction === "download" ? download() : upload());
  } while (task.loop);
}

function finish(): void {
  const report: BulkReport = {
    bytes,
    seconds: (performance.now() - start) / 1_000,
    firstByteMs,
    sha256: hash?.digest("hex"),
    answerSha256: /"sha256":"([0-9a-f]+)"/.exec(answer)?.[1],
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

async function download(): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const startedAt = performance.now();
    let head = "";
    let left = -1;
    let received = 0;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    const take = (chunk: Buffer): boolean => {
      let body = chunk;
      if (left < 0) {
        if (firstByteMs === 0) firstByteMs = performance.now() - startedAt;
        head += chunk.toString("latin1");
        const headEnd = head.indexOf("\r\n\r\n");
        if (headEnd < 0) return true;
        if (!head.startsWith("HTTP/1.1 200")) throw new Error(`download refused: ${head.slice(0, 200)}`);
        left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
        body = Buffer.from(head.slice(headEnd + 4), "latin1");
      }
      left -= body.length;
      received += body.length;
      bytes += body.length;
      hash?.update(body);
      if (left > 0) return waitForPace(socket, received, startedAt);
      socket.end();
      return true;
    };
    const socket: Socket = connect({
      port: task.port,
      host: "127.0.0.1",
      noDelay: true,
      onread: { buffer, callback: (count) => take(buffer.subarray(0, count)) },
    });
    socket.write(`GET ${task.path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    socket.on("error", reject);
    socket.on("close", () => {
      if (left === 0) resolve();
      else reject(new Error(`download ended after ${received} bytes, ${left} short`));
    });
  });
}

/** False, and a later resume, while the download is ahead of its pace. */
function waitForPace(socket: Socket, received: number, startedAt: number): boolean {
  if (task.pace === undefined) return true;
  const elapsedMs = performance.now() - startedAt;
  const aheadMs = (received / task.pace.bytesPerSecond) * 1_000 - elapsedMs;
  const pacedMs = task.pace.seconds * 1_000 - elapsedMs;
  if (aheadMs <= 0 || pacedMs <= 0) return true;
  setTimeout(() => socket.resume(), Math.min(aheadMs, pacedMs));
  return false;
}

async function upload(): Promise<void> {
  const socket = connect({ port: task.port, host: "127.0.0.1", noDelay: true });
  const answered = new Promise<void>((resolve, reject) => {
    const reader = new ResponseReader();
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (reader.receive(chunk) === "more") return;
      if (reader.status === 200) resolve();
      else reject(new Error(`upload refused with ${reader.status}`));
      socket.end();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`upload cut after ${bytes} bytes`)));
  });
  answered.catch(() => {});
  socket.write(`POST ${task.path} HTTP/1.1\r\nHost: bench\r\nContent-Length: ${task.bytes}\r\n\r\n`);
  for await (const block of blocks()) {
    bytes += block.length;
    hash?.update(block);
    if (!socket.write(block)) await Promise.race([once(socket, "drain"), answered]);
  }
  await answered;
}

async function* blocks(): AsyncGenerator<Buffer> {
  if (task.file !== undefined) {
    yield* createReadStream(task.file, { highWaterMark: BUFFER_BYTES });
    return;
  }
  const block = Buffer.alloc(BUFFER_BYTES, "u");
  for (let left = task.bytes; left > 0; left -= block.length)
    yield left < block.length ? block.subarray(0, left) : block;
}
