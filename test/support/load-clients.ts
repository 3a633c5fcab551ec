/** The clients of a mixed load: they do what a plan says, and say what did not end whole in its time. */
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { asChunk, BodyCheck, Pacer, writeBody } from "./load-bytes.ts";
import type { ConnectionPlan, Exchange } from "./load-plan.ts";

/** Where a plan's connection goes. */
export interface LoadPlace {
  readonly to: NetConnectOpts;
  readonly service: string;
  /** For TLS. */
  readonly ca: string;
}

export interface LoadCount {
  whole: number;
  aborted: number;
}

/** An exchange that failed, in words that let it be repeated. */
export class LoadFailure extends Error {
  constructor(plan: ConnectionPlan, exchange: Exchange, what: string) {
    const { seed, number, client, way, app } = plan;
    super(`seed ${seed}, connection ${number}: ${client} by ${way} to ${app}: ${what}\n  ${JSON.stringify(exchange)}`);
    this.name = "LoadFailure";
  }
}

interface Progress {
  exchange: Exchange;
  step: string;
  received: number;
  /** What the system has taken of what was asked. */
  sent: () => number;
}

/** Takes a connection through its turns. Rejects with the first `LoadFailure`. */
export async function runConnection(
  plan: ConnectionPlan,
  place: LoadPlace,
  withinMs: number,
  count: LoadCount,
): Promise<void> {
  if (plan.client === "h2" || plan.client === "h2s") return runHttp2(plan, place, withinMs, count);
  const socket =
    plan.client === "h1s" ? connectTls({ ...place.to, ca: place.ca }) : connect({ ...place.to, allowHalfOpen: true });
  socket.on("error", () => {});
  const reader = new PieceReader(socket);
  try {
    for (const turn of plan.turns) {
      const progress: Progress = {
        exchange: turn[0]!,
        step: "asking",
        received: 0,
        sent: () => socket.bytesWritten - socket.writableLength,
      };
      const going =
        plan.client === "raw" ? raw(socket, reader, progress) : pipelined(plan, place, socket, reader, turn, progress);
      const left = await inTime(plan, progress, withinMs, going);
      if (left) count.aborted++;
      count.whole += turn.length - (left ? 1 : 0);
      if (left || reader.ended) return;
    }
  } finally {
    socket.destroy();
  }
}

/**
 * Rejects when nothing moves for too long, and with what went wrong. True: the client left before the end, as it was to.
 *
 * Time is counted in turns of a timer: where the machine has no time for us, it stands still for the clock too.
 */
async function inTime(
  plan: ConnectionPlan,
  progress: Progress,
  withinMs: number,
  going: Promise<boolean>,
): Promise<boolean> {
  const late = Promise.withResolvers<never>();
  let before = "";
  let quiet = 0;
  const timer = setInterval(() => {
    const now = `${progress.exchange.id} ${progress.step} ${progress.received} ${progress.sent()}`;
    quiet = now === before ? quiet + 1 : 0;
    before = now;
    if (quiet * LOOK_MS < withinMs) return;
    clearInterval(timer);
    late.reject(new Error(`HUNG for ${withinMs} ms while ${progress.step}, after ${progress.received} bytes`));
  }, LOOK_MS);
  try {
    return await Promise.race([going, late.promise]);
  } catch (error) {
    throw new LoadFailure(plan, progress.exchange, (error as Error).message);
  } finally {
    clearInterval(timer);
  }
}

const LOOK_MS = 100;

/** Reads piece by piece, as fast as it is asked to; what it was not asked for waits at the sender. */
class PieceReader {
  readonly #stream: Socket | ClientHttp2Stream;
  readonly #aheadBytes: number;
  #pieces: Buffer[] = [];
  #waitingBytes = 0;
  #rest: Buffer = Buffer.alloc(0);
  #over = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();
  /** All was read, and nothing more comes. */
  ended = false;

  /** `aheadBytes`: how much it takes unasked. */
  constructor(stream: Socket | ClientHttp2Stream, aheadBytes = 64 * 1024) {
    this.#stream = stream;
    this.#aheadBytes = aheadBytes;
    stream.on("data", (chunk: Buffer) => {
      this.#pieces.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes >= this.#aheadBytes) stream.pause();
      this.#wake();
    });
    stream.on("error", (error) => (this.#error = error));
    const over = (): void => {
      this.#over = true;
      this.#wake();
    };
    stream.on("end", over);
    stream.on("close", over);
  }

  /** What is there, at most `most` bytes; empty at the end. */
  async some(most = Number.POSITIVE_INFINITY): Promise<Buffer> {
    if (this.#rest.length === 0) await this.#more();
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  async to(mark: string): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf(mark, 0, "latin1");
      if (at >= 0) {
        const text = this.#rest.toString("latin1", 0, at + mark.length);
        this.#rest = this.#rest.subarray(at + mark.length);
        return text;
      }
      const before = this.#rest;
      this.#rest = Buffer.alloc(0);
      await this.#more();
      if (this.#rest.length === 0) throw new Error(`the connection ended before ${JSON.stringify(mark)}${this.why}`);
      this.#rest = Buffer.concat([before, this.#rest]);
    }
  }

  get why(): string {
    return this.#error === undefined ? "" : ` (${this.#error.message})`;
  }

  async #more(): Promise<void> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#rest = piece;
        this.#waitingBytes -= piece.length;
        if (this.#stream.isPaused() && this.#waitingBytes < this.#aheadBytes / 2) this.#stream.resume();
        return;
      }
      if (this.#over) {
        this.ended = true;
        return;
      }
      await this.#changed.promise;
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

// ── HTTP/1.1 ──

async function pipelined(
  plan: ConnectionPlan,
  place: LoadPlace,
  socket: Socket,
  reader: PieceReader,
  turn: readonly Exchange[],
  progress: Progress,
): Promise<boolean> {
  const asking = (async () => {
    for (const exchange of turn) await askHttp1(socket, place, exchange);
  })();
  asking.catch(() => {});
  for (const exchange of turn) {
    progress.exchange = exchange;
    progress.received = 0;
    if (await answerOfHttp1(socket, reader, exchange, progress)) return true;
  }
  // A client whose upload nobody wants stops.
  if (turn.at(-1)!.answer === "after") {
    progress.step = "sending the rest of the upload";
    await asking;
  } else if (plan.turns.at(-1) === turn) socket.destroy();
  return false;
}

async function askHttp1(socket: Socket, { service }: LoadPlace, exchange: Exchange): Promise<void> {
  const { up, upForm, upPace, id } = exchange;
  const method = up > 0 ? "POST" : "GET";
  const framing = up === 0 ? "" : upForm === "length" ? `Content-Length: ${up}\r\n` : "Transfer-Encoding: chunked\r\n";
  socket.write(`${method} ${pathOf(exchange)} HTTP/1.1\r\nHost: load\r\nX-Service-Id: ${service}\r\n${framing}\r\n`);
  if (up === 0) return;
  await writeBody(socket, id, up, upPace, upForm === "chunked" ? asChunk : undefined);
  if (upForm === "chunked" && !socket.destroyed) socket.write("0\r\n\r\n");
}

/** True: the client left. */
async function answerOfHttp1(
  socket: Socket,
  reader: PieceReader,
  exchange: Exchange,
  progress: Progress,
): Promise<boolean> {
  progress.step = "waiting for the head";
  const head = await reader.to("\r\n\r\n");
  if (!head.startsWith("HTTP/1.1 200 ")) {
    // An answer of this product says why in a line.
    const why = /^x-polarity-error:/im.test(head) ? await reader.to("}") : "";
    throw new Error(`answered ${head.slice(0, 300)}${why}`);
  }
  const field = (name: string): string => new RegExp(`\r\n${name}: ([^\r]*)`, "i").exec(head)?.[1] ?? "";
  if (field("x-verdict") !== "ok") throw new Error(`the app got of the upload: ${field("x-verdict")}`);
  const check = new BodyCheck(exchange.id + 1);
  const pacer = new Pacer(exchange.readerPace, exchange.id);
  progress.step = "reading the body";
  const take = async (most: number): Promise<number> => {
    await pacer.step();
    const piece = await reader.some(most);
    check.take(piece);
    progress.received = check.bytes;
    return piece.length;
  };
  const leaves = (): boolean => exchange.abortAt !== undefined && check.bytes >= exchange.abortAt;
  const ended = (): never => {
    throw new Error(`the connection ended in the middle of the answer, after ${check.bytes} bytes`);
  };
  if (leaves()) return (socket.destroy(), true);
  if (field("transfer-encoding") === "chunked") {
    for (;;) {
      let left = Number.parseInt(await reader.to("\r\n"), 16);
      if (left === 0) break;
      while (left > 0) {
        const bytes = await take(left);
        if (bytes === 0) ended();
        left -= bytes;
        if (leaves()) return (socket.destroy(), true);
      }
      await reader.to("\r\n");
    }
    await reader.to("\r\n");
  } else {
    const length = field("content-length");
    let left = length === "" ? Number.POSITIVE_INFINITY : Number(length);
    while (left > 0) {
      const bytes = await take(left);
      if (bytes === 0 && length === "") break;
      if (bytes === 0) ended();
      left -= bytes;
      if (leaves()) return (socket.destroy(), true);
    }
  }
  const verdict = check.verdict(exchange.down);
  if (verdict !== "ok") throw new Error(`the answer: ${verdict}`);
  if (/\r\nconnection: close\r\n/i.test(head)) reader.ended = true;
  return false;
}

function pathOf({ id, up, down, downForm, appPace, answer }: Exchange): string {
  return `/?id=${id}&up=${up}&down=${down}&form=${downForm}&pace=${appPace}&answer=${answer}`;
}

// ── HTTP/2 ──

async function runHttp2(plan: ConnectionPlan, place: LoadPlace, withinMs: number, count: LoadCount): Promise<void> {
  const socket =
    plan.client === "h2s" ? connectTls({ ...place.to, ca: place.ca, ALPNProtocols: ["h2"] }) : connect(place.to);
  const session = connectHttp2("http://load", { createConnection: () => socket });
  session.on("error", () => {});
  try {
    for (const turn of plan.turns) {
      await Promise.all(
        turn.map(async (exchange) => {
          const progress: Progress = { exchange, step: "asking", received: 0, sent: () => 0 };
          const left = await inTime(plan, progress, withinMs, askHttp2(session, place, exchange, progress));
          if (left) count.aborted++;
          else count.whole++;
        }),
      );
    }
  } finally {
    session.destroy();
  }
}

async function askHttp2(
  session: ClientHttp2Session,
  { service }: LoadPlace,
  exchange: Exchange,
  progress: Progress,
): Promise<boolean> {
  const { up, upForm, upPace, id, abortAt } = exchange;
  const length = up > 0 && upForm === "length" ? { "content-length": up } : {};
  const stream = session.request(
    {
      ":path": pathOf(exchange),
      ":method": up > 0 ? "POST" : "GET",
      ":authority": "load",
      "x-service-id": service,
      ...length,
    },
    { endStream: up === 0 },
  );
  progress.sent = () => (stream.closed ? -1 : (stream.state.localWindowSize ?? 0) - stream.writableLength);
  let why = "";
  // Node drops what waits of an answer when the server ends a stream whose upload is under way.
  const reader = new PieceReader(stream, exchange.answer === "after" ? undefined : Number.POSITIVE_INFINITY);
  stream.on("error", (error) => (why = ` (${error.message})`));
  const head = new Promise<Record<string, unknown> | undefined>((resolve) => {
    stream.once("response", resolve);
    stream.once("close", () => resolve(undefined));
  });
  if (up > 0) void writeBody(stream, id, up, upPace).then(() => stream.end());
  progress.step = "waiting for the head";
  const fields = await head;
  if (fields === undefined) throw new Error(`the stream closed with code ${stream.rstCode} before the head${why}`);
  if (fields[":status"] !== 200) throw new Error(`answered ${String(fields[":status"])}`);
  if (fields["x-verdict"] !== "ok") throw new Error(`the app got of the upload: ${String(fields["x-verdict"])}`);
  progress.step = "reading the body";
  const check = new BodyCheck(id + 1);
  const pacer = new Pacer(exchange.readerPace, id);
  for (;;) {
    if (abortAt !== undefined && check.bytes >= abortAt) return (stream.destroy(), true);
    await pacer.step();
    const piece = await reader.some();
    if (piece.length === 0) break;
    check.take(piece);
    progress.received = check.bytes;
  }
  const verdict = check.verdict(exchange.down);
  if (verdict !== "ok") throw new Error(`the answer: ${verdict}, code ${stream.rstCode}${why}`);
  if (exchange.answer !== "after") stream.close();
  return false;
}

// ── raw bytes ──

async function raw(socket: Socket, reader: PieceReader, progress: Progress): Promise<boolean> {
  const { id, up, down, answer, appPace, upPace, readerPace, abortAt } = progress.exchange;
  socket.write(`${id} ${up} ${down} ${answer} ${appPace}\n`);
  void writeBody(socket, id, up, upPace).then(() => socket.end());
  progress.step = "reading";
  const check = new BodyCheck(id + 1);
  const pacer = new Pacer(readerPace, id);
  while (check.bytes < down) {
    if (abortAt !== undefined && check.bytes >= abortAt) return (socket.destroy(), true);
    await pacer.step();
    const piece = await reader.some(down - check.bytes);
    if (piece.length === 0) break;
    check.take(piece);
    progress.received = check.bytes;
  }
  const verdict = check.verdict(down);
  if (verdict !== "ok") throw new Error(`the answer: ${verdict}`);
  progress.step = "waiting for the verdict and the end";
  const last = (await reader.some()).toString("latin1");
  if (last !== "+") throw new Error(`the app got the upload wrong, or it ended early: ${JSON.stringify(last)}`);
  if ((await reader.some()).length > 0) throw new Error("bytes behind the end");
  return false;
}
