/**
 * A one-to-N session among streams that do as they are told, and check every byte and every call that they get.
 *
 * Events are numbers, so that all sequences of them can be counted through. After each, `check` holds what is written in
 * its comments.
 */
import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import { PolarityError } from "../../src/base/errors.ts";
import type { FanOutPolicy } from "../../src/base/fan-out-policy.ts";
import { FanOut } from "../../src/session/fan-out.ts";
import type { FanOutSide } from "../../src/session/fan-out-side.ts";

const CLIENT_CHUNK_BYTES = 3;
const ANSWER_BYTES = 2;

const ABORTED = new PolarityError("CLIENT_GONE", "as the test says");
const BROKE = new PolarityError("TARGET_FAILED", "as the test says");

/** What each of the client's and servers' streams is; the session writes to it, and the test speaks through its sink. */
class CheckedStream implements ByteStream {
  sink!: ByteSink;
  /** It asks to wait after each write. */
  stalled = false;
  /** It asked, and owes a `drain`. */
  owesDrain = false;
  spoken = 0;
  spokenAll = false;
  /** It broke, or was broken. */
  broken = false;
  resetBy: PolarityError | undefined;
  ended = false;
  writtenBytes = 0;
  creditBytes = 0;
  readonly #checkByte: (byte: number, at: number) => void;

  constructor(checkByte: (byte: number, at: number) => void) {
    this.#checkByte = checkByte;
  }

  write(chunk: Buffer): boolean {
    must(!this.ended, "nothing is written after the end");
    if (this.broken) return true;
    for (const byte of chunk) this.#checkByte(byte, this.writtenBytes++);
    this.owesDrain ||= this.stalled;
    return !this.stalled;
  }

  writeLatin1(): boolean {
    throw new Error("a one-to-N session writes bytes");
  }

  end(): void {
    must(!this.ended, "one end");
    this.ended = true;
  }

  reset(error: PolarityError): void {
    must(!this.broken, "one reset, and none of what broke");
    this.broken = true;
    this.resetBy = error;
  }

  consumed(bytes: number): void {
    this.creditBytes += bytes;
    must(bytes > 0 && (this.creditBytes <= this.spoken || this.broken), "credit for bytes that were delivered, once");
  }

  /** It can speak. */
  get speaks(): boolean {
    return !this.spokenAll && !this.broken;
  }

  get over(): boolean {
    return this.broken || (this.spokenAll && this.ended);
  }
}

export const CLIENT_EVENTS = 4;
export const SERVER_EVENTS = 4;

export class FanOutWorld {
  readonly client: CheckedStream;
  readonly servers: CheckedStream[] = [];
  readonly sides: FanOutSide[] = [];
  readonly fanOut: FanOut;
  readonly policy: FanOutPolicy;
  readonly #count: number;
  readonly #heard: number[];
  finished = 0;
  deserted = 0;
  latches = 0;
  #aborted = false;

  /** `count` servers take part; `later` of them join by an event. */
  constructor(policy: FanOutPolicy, count: number, later = 0) {
    this.policy = policy;
    this.#count = count;
    this.#heard = Array.from({ length: count }, () => 0);
    this.client = new CheckedStream((byte) => {
      // Every byte of an answer says whose it is and which.
      const server = byte >> 5;
      must((byte & 31) === (this.#heard[server]! & 31), "answers in order");
      this.#heard[server]!++;
      must(this.latches === 0 || this.sides[server]!.latched, "no byte of a server that lost");
    });
    this.fanOut = new FanOut({
      client: this.client,
      policy,
      clock: { now: () => 0 },
      unanswered: "end",
      events: {
        answered: (side) => {
          if (side.latched) this.latches++;
        },
        deserted: () => void this.deserted++,
        finished: () => void this.finished++,
      },
    });
    for (let index = 0; index < count - later; index++) this.#join();
    this.fanOut.begin();
  }

  #join(): void {
    const server = new CheckedStream((byte, at) => must(byte === (at & 255), "the client's bytes in order"));
    const side = this.fanOut.side(`server-${this.servers.length}`);
    this.servers.push(server);
    this.sides.push(side);
    server.sink = side;
    this.fanOut.add(side, server);
  }

  /** False: it cannot happen now. */
  apply(event: number): boolean {
    if (this.finished > 0) return false;
    if (event < CLIENT_EVENTS) return this.#applyToClient(event);
    const server = this.servers[(event - CLIENT_EVENTS) >> 2];
    return server === undefined ? this.#applyJoin(event) : this.#applyToServer(server, event & 3, event);
  }

  #applyToClient(event: number): boolean {
    const { client } = this;
    if (client.broken) return false;
    switch (event) {
      case 0:
        if (!client.speaks) return false;
        this.#speak(client, CLIENT_CHUNK_BYTES, (at) => at & 255);
        return true;
      case 1:
        if (!client.speaks) return false;
        client.spokenAll = true;
        client.sink.end();
        return true;
      case 2:
        client.broken = true;
        this.#aborted = true;
        client.sink.reset(ABORTED);
        return true;
      default:
        this.#toggle(client);
        return true;
    }
  }

  #applyJoin(event: number): boolean {
    if ((event & 3) !== 0 || this.servers.length >= this.#count || this.fanOut.admission !== "welcome") return false;
    if ((event - CLIENT_EVENTS) >> 2 !== this.servers.length) return false;
    this.#join();
    return true;
  }

  #applyToServer(server: CheckedStream, kind: number, event: number): boolean {
    if (server.over) return false;
    const index = (event - CLIENT_EVENTS) >> 2;
    switch (kind) {
      case 0:
        if (!server.speaks) return false;
        this.#speak(server, ANSWER_BYTES, (at) => (index << 5) | (at & 31));
        return true;
      case 1:
        if (!server.speaks) return false;
        server.spokenAll = true;
        server.sink.end();
        return true;
      case 2:
        server.broken = true;
        server.sink.reset(BROKE);
        return true;
      default:
        this.#toggle(server);
        return true;
    }
  }

  #speak(stream: CheckedStream, bytes: number, byteAt: (at: number) => number): void {
    const chunk = Buffer.allocUnsafe(bytes);
    for (let index = 0; index < bytes; index++) chunk[index] = byteAt(stream.spoken + index);
    stream.spoken += bytes;
    stream.sink.data(chunk);
    // It was lent for the call.
    chunk.fill(255);
  }

  #toggle(stream: CheckedStream): void {
    stream.stalled = !stream.stalled;
    if (stream.stalled || !stream.owesDrain) return;
    stream.owesDrain = false;
    stream.sink.drain();
  }

  check(): void {
    const { client, servers, sides, policy } = this;
    const halfDuplex = policy.mode === "half-duplex";
    const over = this.finished > 0;
    must(this.latches <= (halfDuplex ? 1 : 0), "one latch at most");
    let hope = false;
    let everybodyOver = true;
    let slowest = Number.POSITIVE_INFINITY;
    let waited = false;
    for (let index = 0; index < servers.length; index++) {
      const server = servers[index]!;
      const { latched } = sides[index]!;
      must(this.latches === 0 || latched || server.over, "after a latch no other server is left");
      hope ||= server.speaks;
      everybodyOver &&= server.over;
      if (!server.ended && !server.broken) {
        slowest = Math.min(slowest, server.writtenBytes);
        waited ||= server.owesDrain;
      }
      this.#checkServer(server, this.#heard[index]!, !halfDuplex || latched, !server.over && !over);
    }
    const orderly = !this.#aborted && client.resetBy === undefined;
    must(!orderly || client.ended === !hope, "the client's end comes when nobody could answer, and not before");
    must(client.resetBy === undefined || sides.some((side) => side.latched), "who broke alone with the client is told");
    if (!over) {
      must(waited || client.creditBytes === client.spoken, "credit for all that everybody took");
      must(policy.slowest === "drop" || client.creditBytes <= slowest + policy.bufferBytes, "no more than the buffer");
    }
    must(this.finished <= 1 && this.deserted <= 1, "one end of all");
    must(over ? everybodyOver && client.over : !everybodyOver || !client.spokenAll, "over when nobody is left");
    must((this.fanOut.state === "over") === over, "the state says so");
  }

  /** Gives its memory back. */
  release(): void {
    this.fanOut.reset(ABORTED);
  }

  #checkServer(server: CheckedStream, heard: number, mayAnswer: boolean, lives: boolean): void {
    const { client } = this;
    must(server.writtenBytes <= client.spoken, "no byte that the client did not send");
    must(!server.ended || (client.spokenAll && server.writtenBytes === client.spoken), "the end comes after all");
    if (lives && !server.stalled) {
      must(server.writtenBytes === client.spoken, "every live server gets every byte");
      must(server.ended === client.spokenAll, "and the end");
    }
    if (!mayAnswer) must(heard === 0, "nothing of who did not latch");
    else if (!this.#aborted) must(heard === server.spoken, "the client gets all that is said");
    if (lives && !client.stalled) must(server.creditBytes === server.spoken, "credit for what the client took");
    const code = server.resetBy?.code;
    if (code === "CLIENT_GONE") must(this.#aborted, "an abort is the client's");
    else if (code === "SERVER_TOO_SLOW") must(this.policy.slowest === "drop", "nobody is too slow when all wait");
    else if (code !== undefined) must(code === "SESSION_LATCHED" && this.latches > 0, "losers are told who won");
  }
}

/** As assert.ok, which costs too much for as many. */
function must(holds: boolean, promise: string): void {
  if (!holds) throw new Error(`broken promise: ${promise}`);
}
