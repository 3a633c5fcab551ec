/**
 * Statistics of Redis: commands by name and how often they come, errors by kind, what is pushed to subscribers, and how long
 * answers take, pipelined or not.
 *
 * Answers have no numbers: the first belongs to the first command that has none yet. Where that stops being so (a subscriber of
 * RESP2, a monitor, answers that were switched off), durations end and everything else is counted on. A replica's connection is
 * looked at no further.
 */
import type { Analyzer, Tap } from "./analyzer.ts";
import type { Meters } from "./meters.ts";
import { PendingQueue } from "./pending-queue.ts";
import { RespReader } from "./resp-reader.ts";

export function createRedisAnalyzer(meters: Meters): Analyzer {
  return { open: () => new RedisTap(meters) };
}

/** In RESP3 these are answered by pushes, in RESP2 by what looks like an answer, one for each channel. */
const SUBSCRIBING = /^(?:P|S)?(?:UN)?SUBSCRIBE$/;
const REPLICATING = /^P?SYNC$/;
const PUSHED = /^(?:P|S)?MESSAGE$/;
/** Names are counted apart only where they look like one: anybody may send anything. */
const NAME = /^[A-Z][A-Z0-9._-]*$/;

class RedisTap implements Tap {
  readonly #meters: Meters;
  readonly #commands = new RespReader(
    { value: (_kind, name, second) => this.#command(name, second), error: () => {} },
    true,
  );
  readonly #replies = new RespReader(
    { value: (kind, name) => this.#reply(kind, name), error: (name) => this.#error(name) },
    false,
  );
  readonly #pending = new PendingQueue<true>();
  #ordered = true;
  #pushesApart = false;
  #subscribed = false;
  /** What follows is nothing that can be read. */
  #over = false;
  #now = 0;
  #asked = 0;
  #failed = 0;

  constructor(meters: Meters) {
    this.#meters = meters;
  }

  fromClient(bytes: Buffer, now: number): void {
    this.#now = now;
    this.#feed(this.#commands, bytes);
  }

  fromServer(bytes: Buffer, now: number): void {
    this.#now = now;
    this.#feed(this.#replies, bytes);
  }

  statistics() {
    return { commands: this.#asked, errors: this.#failed };
  }

  #feed(reader: RespReader, bytes: Buffer): void {
    if (this.#over) return;
    reader.push(bytes);
    if (reader.broken) this.#end("connections_unreadable");
  }

  #command(name: string, second: string): void {
    if (this.#over) return;
    this.#asked++;
    this.#meters.meter("commands").add(this.#now);
    this.#meters.counter(NAME.test(name) ? `command_${name}` : "command_unnamed").add(this.#now);
    if (REPLICATING.test(name)) this.#end("connections_replicating");
    if (name === "RESET" || (name === "HELLO" && second !== "")) this.#pushesApart = second === "3";
    if (SUBSCRIBING.test(name)) {
      this.#subscribed = true;
      if (!this.#pushesApart) this.#unordered();
    } else if (name === "MONITOR" || (name === "CLIENT" && second === "REPLY")) this.#unordered();
    else if (this.#ordered) this.#expect();
  }

  #expect(): void {
    if (!this.#pending.push(true, this.#now)) this.#unordered();
    else if (this.#pending.size > 1) this.#meters.counter("commands_pipelined").add(this.#now);
  }

  #reply(kind: string, name: string): void {
    if (kind === ">" || (kind === "*" && this.#subscribed && PUSHED.test(name))) {
      if (!SUBSCRIBING.test(name)) this.#meters.counter("pushes").add(this.#now);
      return;
    }
    const since = this.#ordered ? this.#pending.take() : undefined;
    if (since !== undefined) this.#meters.durations("answer").record(this.#now - since);
  }

  #error(name: string): void {
    this.#failed++;
    this.#meters.meter("errors").add(this.#now);
    this.#meters.counter(NAME.test(name) ? `error_${name}` : "error_unnamed").add(this.#now);
  }

  #unordered(): void {
    this.#ordered = false;
    this.#pending.clear();
  }

  #end(why: string): void {
    this.#over = true;
    this.#unordered();
    this.#meters.counter(why).add(this.#now);
  }
}
