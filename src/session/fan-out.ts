/**
 * One client and any number of servers: every server gets each of the client's bytes, in order and once.
 *
 * Half duplex: the first server that says a byte latches the session; the others are cut, and it is one to one from then
 * on. Full duplex: the client gets what all of them say, as it comes. Who is refused, breaks or ends only removes itself;
 * the client sees the end when nobody is left who could answer. The lifecycles are in fan-out-states.ts.
 *
 * Servers may be apart by `bufferBytes`: beyond that the fastest wait, and where the policy says so the slowest are cut if
 * they do not catch up in time (slowest-watch.ts). The client is given credit for what that allows, so nothing here grows
 * further than the buffer and what the client may send without credit.
 *
 * A chunk that everybody takes is passed on as it was lent. Passing a byte on to one server costs the same for any number
 * of servers. Pure: streams are handed in, time is read from a clock that is.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import type { FanOutPolicy } from "../base/fan-out-policy.ts";
import { FanOutLog, type LogRecord } from "./fan-out-log.ts";
import { FanOutSide, type FanOutSideHost } from "./fan-out-side.ts";
import { type FanOutEvent, type FanOutState, nextFanOutState } from "./fan-out-states.ts";
import { SlowestWatch, tooSlow } from "./slowest-watch.ts";

export interface FanOutEvents {
  /** A server said its first byte. */
  answered?(side: FanOutSide): void;
  /** A server takes part no more; `side.reason` says why, unless it had just ended. Called once for each. */
  left?(side: FanOutSide): void;
  /** Nobody can answer any more, and the client knows. */
  deserted?(): void;
  /** Nothing is left. Called once. `error`: why, unless everybody ended in order. */
  finished(error: PolarityError | undefined): void;
}

export interface FanOutOptions {
  readonly client: ByteStream;
  readonly policy: FanOutPolicy;
  readonly clock: Clock;
  readonly events: FanOutEvents;
  /** When nobody answered at all: `end` for raw bytes; `reset` where an end would look like an answer. */
  readonly unanswered: "end" | "reset";
  /** Chunks are whole datagrams: who comes late just begins there. */
  readonly datagrams?: boolean;
}

/** `late`: the client's first bytes are gone. `closed`: nobody may take part any more. */
export type Admission = "welcome" | "late" | "closed";

export class FanOut implements ByteSink, FanOutSideHost {
  readonly #client: ByteStream;
  readonly #policy: FanOutPolicy;
  readonly #clock: Clock;
  readonly #events: FanOutEvents;
  readonly #unanswered: "end" | "reset";
  readonly #datagrams: boolean;
  readonly #log = new FanOutLog();
  readonly #slowestWatch: SlowestWatch;
  /** Who gets what the client sends; and who has not gone. */
  readonly #receivers = new Set<FanOutSide>();
  readonly #live = new Set<FanOutSide>();
  readonly #owing = new Set<FanOutSide>();
  #state: FanOutState;
  #answerers = 0;
  #begun = false;
  #clientEnded = false;
  /** Everything so far is kept, for servers to come: one more waits for all records. */
  #keepsAll: boolean;
  /** The furthest that any receiver has taken; negative when it has to be looked for. */
  #furthest = 0;
  #credited = 0;
  /** Bytes are being written; what follows from that waits until they are. */
  #busy = false;
  #again = false;
  #answered = false;
  #lastError: PolarityError | undefined;

  constructor({ client, policy, clock, events, unanswered, datagrams = false }: FanOutOptions) {
    this.#client = client;
    this.#policy = policy;
    this.#clock = clock;
    this.#slowestWatch = new SlowestWatch(clock);
    this.#events = events;
    this.#unanswered = unanswered;
    this.#state = policy.mode === "half-duplex" ? "racing" : "merging";
    this.#datagrams = datagrams;
    this.#keepsAll = policy.join && !datagrams;
    client.sink = this;
  }

  get state(): FanOutState {
    return this.#state;
  }

  /** Whether a server may take part from now on. */
  get admission(): Admission {
    if (this.#state !== "racing" && this.#state !== "merging") return "closed";
    if (!this.#begun) return "welcome";
    if (!this.#policy.join) return "closed";
    return this.#keepsAll || this.#datagrams ? "welcome" : "late";
  }

  /** A side for a server whose stream is opened next, with the side as its sink. */
  side(name: string): FanOutSide {
    return new FanOutSide(this, name, this.#clock.now());
  }

  /** The server takes part, and gets all that the client has sent; of datagrams, what comes. Only while `admission` says welcome. */
  add(side: FanOutSide, stream: ByteStream): void {
    side.stream = stream;
    this.#live.add(side);
    this.#receivers.add(side);
    this.#answerers++;
    if (this.#datagrams && this.#begun) side.beginAt(this.#log.end);
    else {
      this.#log.enter();
      side.at = this.#log.head;
    }
    this.#pump(side);
    this.#settle();
  }

  /** All that are there at the start have been added; from now on their leaving counts. */
  begin(): void {
    this.#begun = true;
    this.#afterLeaving();
    this.#settle();
  }

  /** Time has passed: who is too slow by now is cut. */
  sweep(): void {
    if (this.#policy.slowest === "drop") this.#settle();
  }

  /** Ends everything at once. */
  abort(error: PolarityError): void {
    if (this.#state === "over") return;
    this.#client.reset(error);
    this.#over("aborted", error);
  }

  // ── the client: ByteSink ──

  data(chunk: Buffer): void {
    if (this.#state === "over") return;
    const waiting = this.#receivers.size + (this.#keepsAll ? 1 : 0);
    if (waiting === 0) {
      this.#log.skip(chunk.length);
      this.#settle();
      return;
    }
    const record = this.#log.push(chunk, waiting);
    if (this.#busy) {
      this.#log.settle(record);
      for (const side of this.#receivers) if (side.written <= record.start) side.at ??= record;
      this.#again = true;
      return;
    }
    this.#busy = true;
    for (const side of this.#receivers) {
      // One that has joined since has it already.
      if (side.written > record.start) continue;
      if (side.full || side.at !== undefined) side.at ??= record;
      else this.#write(side, record);
    }
    this.#busy = false;
    if (this.#log.head !== undefined) this.#log.settle(record);
    this.#settle();
  }

  end(): void {
    if (this.#state === "over" || this.#clientEnded) return;
    this.#clientEnded = true;
    for (const side of this.#receivers) this.#pump(side);
    this.#settle();
  }

  reset(error: PolarityError): void {
    this.#over("aborted", error);
  }

  drain(): void {
    for (const side of this.#owing) {
      this.#owing.delete(side);
      side.owed.settle();
    }
  }

  // ── the servers: FanOutSideHost ──

  sideData(side: FanOutSide, chunk: Buffer): void {
    if (!side.mayAnswer) {
      side.stream.consumed(chunk.length);
      return;
    }
    if (side.firstByteMs === undefined) this.#firstByte(side);
    side.bytesOut += chunk.length;
    if (this.#client.write(chunk) || !side.mayAnswer) {
      side.stream.consumed(chunk.length);
      return;
    }
    side.owed = side.owed.plus(side.stream, chunk.length);
    this.#owing.add(side);
  }

  sideEnded(side: FanOutSide): void {
    this.#move(side, "said-all");
    this.#settle();
  }

  sideLost(side: FanOutSide, error: PolarityError): void {
    if (side.state === "gone") return;
    side.reason = error.code;
    this.#lastError = error;
    this.#move(side, "lost");
    this.#settle();
  }

  sideDrained(side: FanOutSide): void {
    if (!side.full || !side.receives) return;
    side.full = false;
    this.#take(side);
    this.#pump(side);
    this.#settle();
  }

  // ── passing on ──

  #write(side: FanOutSide, record: LogRecord): void {
    side.written = record.end;
    side.untaken = record;
    record.pending++;
    const room = side.stream.write(record.data);
    // It may have left within the call, and has waited for nothing since.
    if (!side.receives) return;
    if (room) this.#take(side);
    else side.full = true;
  }

  #take(side: FanOutSide): void {
    const record = side.untaken!;
    side.untaken = undefined;
    record.pending--;
    record.waiting--;
    side.taken = record.end;
    if (this.#furthest >= 0 && side.taken > this.#furthest) this.#furthest = side.taken;
  }

  /** Passes on what waits for a server, then the client's end. */
  #pump(side: FanOutSide): void {
    const outer = this.#busy;
    this.#busy = true;
    while (side.at !== undefined && !side.full && side.receives) {
      const record = side.at;
      side.at = record.next;
      this.#write(side, record);
    }
    this.#busy = outer;
    if (this.#clientEnded && side.at === undefined && side.receives) {
      side.stream.end();
      this.#move(side, "told-all");
    }
  }

  // ── latching and leaving ──

  #firstByte(side: FanOutSide): void {
    this.#answered = true;
    side.firstByteMs = this.#clock.now() - side.joinedAt;
    this.#state = nextFanOutState(this.#state, "answered");
    if (this.#state === "latched") {
      side.latched = true;
      this.#keepNoMore();
      for (const other of this.#live) if (other !== side) this.#cut(other, outrun(side));
    }
    this.#events.answered?.(side);
    this.#settle();
  }

  #cut(side: FanOutSide, error: PolarityError): void {
    side.reason = error.code;
    side.stream.reset(error);
    this.#move(side, "cut");
  }

  #move(side: FanOutSide, event: "said-all" | "told-all" | "lost" | "cut"): void {
    const received = side.receives;
    const couldAnswer = side.mayAnswer;
    if (!side.move(event)) return;
    if (received && !side.receives) this.#stopSending(side);
    if (couldAnswer && !side.mayAnswer) this.#answerers--;
    if (side.state === "gone") {
      this.#live.delete(side);
      this.#owing.delete(side);
      this.#events.left?.(side);
    }
    const broke = event === "lost" && couldAnswer;
    if (broke && this.#state === "latched") {
      this.#client.reset(this.#lastError!);
      this.#over("broken", this.#lastError);
    } else if (this.#begun) this.#afterLeaving();
  }

  #stopSending(side: FanOutSide): void {
    this.#receivers.delete(side);
    if (side.untaken !== undefined) side.untaken.pending--;
    this.#log.leave(side.untaken ?? side.at);
    side.untaken = undefined;
    side.at = undefined;
    if (side.taken === this.#furthest) this.#furthest = -1;
  }

  get #fastest(): number {
    if (this.#furthest < 0) {
      this.#furthest = 0;
      for (const { taken } of this.#receivers) if (taken > this.#furthest) this.#furthest = taken;
    }
    return this.#furthest;
  }

  #afterLeaving(): void {
    if (this.#answerers > 0 || this.#state === "deserted" || this.#state === "over") return;
    const error = this.#lastError;
    if (!this.#answered && this.#unanswered === "reset" && error !== undefined) {
      this.#client.reset(error);
      this.#over("aborted", error);
      return;
    }
    this.#state = nextFanOutState(this.#state, "no-answerer");
    this.#keepNoMore();
    this.#client.end();
    this.#events.deserted?.();
  }

  /** The client's first bytes are kept no longer. */
  #keepNoMore(): void {
    if (!this.#keepsAll) return;
    this.#keepsAll = false;
    this.#log.leave(this.#log.head);
  }

  // ── what follows from having passed on ──

  #settle(): void {
    if (this.#busy || this.#state === "over") return;
    while (this.#again) {
      this.#again = false;
      for (const side of this.#receivers) this.#pump(side);
    }
    if (this.#log.end > this.#policy.bufferBytes) this.#keepNoMore();
    if (this.#policy.slowest === "drop") this.#cutSlowest();
    this.#log.trim();
    this.#giveCredit();
    if (this.#state === "deserted" && this.#clientEnded && this.#live.size === 0) this.#over("done", this.#unheard);
  }

  #cutSlowest(): void {
    for (;;) {
      this.#log.trim();
      const { head, end } = this.#log;
      const { bufferBytes } = this.#policy;
      const fastest = this.#receivers.size === 0 ? end : this.#fastest;
      const due = this.#slowestWatch.due(head?.start ?? end, fastest, bufferBytes);
      if (due === 0) return;
      for (const side of this.#receivers) {
        if (side.taken < due) this.#cut(side, tooSlow(side.name, fastest - side.taken, bufferBytes));
      }
    }
  }

  #giveCredit(): void {
    const { head, end } = this.#log;
    if (!this.#begun) return;
    let upTo = this.#receivers.size === 0 ? end : this.#fastest;
    if (head !== undefined) upTo = Math.min(upTo, head.start + this.#policy.bufferBytes);
    const bytes = upTo - this.#credited;
    if (bytes <= 0) return;
    this.#credited = upTo;
    this.#client.consumed(bytes);
  }

  /** Why nobody answered; undefined when somebody did, or nobody failed. */
  get #unheard(): PolarityError | undefined {
    return this.#answered ? undefined : this.#lastError;
  }

  #over(event: FanOutEvent, error: PolarityError | undefined): void {
    const next = nextFanOutState(this.#state, event);
    if (next === this.#state) return;
    this.#state = next;
    for (const side of this.#live) this.#cut(side, error ?? outrun(undefined));
    this.#log.clear();
    this.#events.finished(error);
  }
}

function outrun(winner: FanOutSide | undefined): PolarityError {
  return new PolarityError("SESSION_LATCHED", `"${winner?.name ?? ""}" answered first and has the session to itself`);
}
