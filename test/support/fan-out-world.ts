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
import { CATCH_UP_MS } from "../../src/session/slowest-watch.ts";

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
  /** How often it was written to. */
  writes = 0;
  readonly #checkByte: (byte: number, at: number) => void;

  constructor(checkByte: (byte: number, at: number) => void) {
    this.#checkByte = checkByte;
  }

  write(chunk: Buffer): boolean {
    this.writes++;
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

  get picture(): string {
    const { over, stalled, owesDrain, spoken, spokenAll, broken, ended, writtenBytes, creditBytes } = this;
    // Whether who is over was stalled is nothing any more.
    return [stalled && !over, owesDrain && !over, spoken, spokenAll, broken, ended, writtenBytes, creditBytes].join();
  }
}

export const CLIENT_EVENTS = 4;
export const SERVER_EVENTS = 4;

/** The kinds of event, for the client and for each server; 0 is a chunk, or joining. */
const SAYS_ALL = 1;
const BREAKS = 2;
const STALLS = 3;

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
  #now = 0;

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
      clock: { now: () => this.#now },
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

  /** Whether it can happen now. */
  can(event: number): boolean {
    if (this.finished > 0) return false;
    const kind = event & 3;
    if (event < CLIENT_EVENTS) return !this.client.broken && (kind > SAYS_ALL || this.client.speaks);
    const index = (event - CLIENT_EVENTS) >> 2;
    const server = this.servers[index];
    if (server === undefined) {
      return kind === 0 && index === this.servers.length && index < this.#count && this.fanOut.admission === "welcome";
    }
    return !server.over && (kind > SAYS_ALL || server.speaks);
  }

  /** What can happen, happens. */
  apply(event: number): void {
    const kind = event & 3;
    const index = (event - CLIENT_EVENTS) >> 2;
    const stream = this.#streamOf(event);
    if (stream === undefined) this.#join();
    else if (kind === STALLS) this.#toggle(stream);
    else if (kind === SAYS_ALL) {
      stream.spokenAll = true;
      stream.sink.end();
    } else if (kind === BREAKS) {
      stream.broken = true;
      this.#aborted ||= stream === this.client;
      stream.sink.reset(stream === this.client ? ABORTED : BROKE);
    } else if (stream === this.client) this.#speak(stream, CLIENT_CHUNK_BYTES, (at) => at & 255);
    else this.#speak(stream, ANSWER_BYTES, (at) => (index << 5) | (at & 31));
    // Enough for whoever is behind to be too slow.
    this.#now += CATCH_UP_MS;
    this.fanOut.sweep();
  }

  /** Whether a stream's stall begins or ends by it without the session's hearing of that. */
  isUnheardStall(event: number): boolean {
    return (event & 3) === STALLS && !this.#streamOf(event)!.owesDrain;
  }

  /** How often the stream that the event is about has been written to. */
  writesTo(event: number): number {
    return this.#streamOf(event)!.writes;
  }

  /** Undefined for a server that has not joined. */
  #streamOf(event: number): CheckedStream | undefined {
    return event < CLIENT_EVENTS ? this.client : this.servers[(event - CLIENT_EVENTS) >> 2];
  }

  /** All that streams and sides show; which server is which does not matter. */
  get picture(): string {
    const servers = this.servers.map((server, index) => {
      const { state, written, taken, full, owed, latched, reason } = this.sides[index]!;
      return [server.picture, state, written, taken, full, owed.bytes, latched, reason].join();
    });
    return [this.client.picture, ...servers.toSorted(), this.fanOut.state, this.fanOut.admission].join(" ");
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
      must(client.creditBytes <= slowest + policy.bufferBytes, "no more than the buffer");
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
