/**
 * A one-to-N session with the servers that its node found: opens their streams, and keeps the books of each.
 *
 * What is passed on to whom is fan-out.ts's to say.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import type { FanOutPolicy } from "../base/fan-out-policy.ts";
import type { StreamRequest, Upstream } from "../base/upstream.ts";
import type { ServerTallies } from "../registry/server-tallies.ts";
import { AlignedSink, AlignedStream, MissingStream } from "./datagram-sides.ts";
import { type Admission, FanOut, type FanOutEvents } from "./fan-out.ts";
import type { FanOutSide, FanOutSideView } from "./fan-out-side.ts";

/** A server to take part. */
export interface FanOutServer {
  /** What it is called in statistics. */
  readonly name: string;
  readonly upstream: Upstream;
  /** Its part is over. */
  left?(failed: boolean): void;
}

export interface FanOutSessionOptions {
  /** The client's side, as the session reads and writes it. */
  readonly client: ByteStream;
  readonly request: StreamRequest;
  readonly policy: FanOutPolicy;
  readonly clock: Clock;
  readonly tallies: ServerTallies;
  /** It is over. */
  readonly finished: (session: FanOutSession) => void;
}

/** How long a client that nobody can answer may still send, before it is cut. */
const DESERTED_MS = 30_000;
/** Sides that are gone, still shown. */
const GONE_SHOWN_MAX = 64;
/** Datagrams, of whatever size, that a server may be behind. */
const DATAGRAMS_BEHIND_MAX = 4096;

export class FanOutSession implements FanOutEvents {
  readonly #options: FanOutSessionOptions;
  readonly #fanOut: FanOut;
  readonly #servers = new Map<FanOutSide, FanOutServer>();
  /** Of sessions in datagrams, servers that may miss some. */
  readonly #missing = new Map<FanOutSide, MissingStream>();
  readonly #gone: FanOutSide[] = [];
  #desertedAt = Number.POSITIVE_INFINITY;

  constructor(options: FanOutSessionOptions) {
    this.#options = options;
    const { client, policy, clock, request } = options;
    const unanswered = request.protocol === "http/1.1" ? "reset" : "end";
    const datagrams = request.protocol === "udp";
    const stream = datagrams ? new AlignedStream(client) : client;
    this.#fanOut = new FanOut({ client: stream, policy, clock, unanswered, datagrams, events: this });
  }

  get admission(): Admission {
    return this.#fanOut.admission;
  }

  get sides(): readonly FanOutSideView[] {
    return [...this.#servers.keys(), ...this.#gone].map((side) => side.view);
  }

  /** True while somebody takes part. */
  get any(): boolean {
    return this.#servers.size > 0;
  }

  /** False: it takes no stream now. */
  add(server: FanOutServer): boolean {
    const { tallies, request } = this.#options;
    const side = this.#fanOut.side(server.name);
    const stream = request.protocol === "udp" ? this.#openDatagrams(server, side) : this.#open(server, side);
    if (stream === undefined) return false;
    const tally = tallies.of(server.name);
    tally.sessions++;
    tally.active++;
    this.#servers.set(side, server);
    this.#fanOut.add(side, stream);
    return true;
  }

  #open({ upstream }: FanOutServer, sink: ByteSink): ByteStream | undefined {
    return upstream.open(this.#options.request, "", "", sink);
  }

  #openDatagrams(server: FanOutServer, side: FanOutSide): ByteStream | undefined {
    const { slowest, bufferBytes } = this.#options.policy;
    const sink = new AlignedSink(() => side);
    const stream = this.#open(server, sink);
    if (stream === undefined || slowest === "wait") return stream;
    const missing = new MissingStream(stream, { bytes: bufferBytes, datagrams: DATAGRAMS_BEHIND_MAX });
    sink.drained = () => missing.drained();
    this.#missing.set(side, missing);
    return missing;
  }

  begin(): void {
    this.#fanOut.begin();
  }

  abort(error: PolarityError): void {
    this.#fanOut.abort(error);
  }

  sweep(now: number): void {
    this.#fanOut.sweep();
    if (now - this.#desertedAt < DESERTED_MS) return;
    this.abort(new PolarityError("TARGET_FAILED", `no server is left, and the client goes on after ${DESERTED_MS} ms`));
  }

  // ── FanOutEvents ──

  answered(side: FanOutSide): void {
    const tally = this.#options.tallies.of(side.name);
    tally.answered++;
    tally.firstByteMsSum += side.firstByteMs!;
    if (side.latched) tally.latched++;
  }

  left(side: FanOutSide): void {
    const server = this.#servers.get(side);
    this.#servers.delete(side);
    this.#gone.push(side);
    if (this.#gone.length > GONE_SHOWN_MAX) this.#gone.shift();
    const tally = this.#options.tallies.of(side.name);
    tally.active--;
    tally.bytesIn += side.bytesIn;
    tally.datagramsMissed += this.#missing.get(side)?.missed ?? 0;
    this.#missing.delete(side);
    tally.bytesOut += side.bytesOut;
    if (side.reason !== "") tally.countCut(side.reason);
    server?.left?.(side.reason !== "" && !NOT_ITS_FAULT.has(side.reason));
  }

  deserted(): void {
    this.#desertedAt = this.#options.clock.now();
  }

  finished(): void {
    this.#options.finished(this);
  }
}

const NOT_ITS_FAULT: ReadonlySet<string> = new Set(["SESSION_LATCHED", "CLIENT_GONE", "NODE_STOPPED"]);
