/**
 * Statistics of Redis: commands by name and how often they come, errors by kind, and how long answers take, pipelined or not.
 *
 * A subscriber is sent messages that answer nothing; from its first subscription on, its answers are not matched.
 */
import type { Analyzer, Tap } from "./analyzer.ts";
import type { Meters } from "./meters.ts";
import { PendingQueue } from "./pending-queue.ts";
import { RespReader } from "./resp-reader.ts";

export function createRedisAnalyzer(meters: Meters): Analyzer {
  return { open: () => new RedisTap(meters) };
}

/** What follows these is not one answer for one command. */
const STREAMING = /^(?:P|S)?SUBSCRIBE$|^(?:MONITOR|SYNC|PSYNC)$/;
/** Names are counted apart only where they look like one: anybody may send anything. */
const NAME = /^[A-Z][A-Z0-9._-]*$/;

class RedisTap implements Tap {
  readonly #meters: Meters;
  readonly #commands = new RespReader({ value: (_kind, name) => this.#command(name) }, true);
  readonly #replies = new RespReader({ value: (kind, name) => this.#reply(kind, name) }, false);
  readonly #pending = new PendingQueue<true>();
  #ordered = true;
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
    if (reader.broken) return;
    reader.push(bytes);
    if (!reader.broken) return;
    this.#unordered();
    this.#meters.counter("connections_unreadable").add(this.#now);
  }

  #command(name: string): void {
    this.#asked++;
    this.#meters.meter("commands").add(this.#now);
    this.#meters.counter(NAME.test(name) ? `command_${name}` : "command_unnamed").add(this.#now);
    if (!this.#ordered) return;
    if (STREAMING.test(name) || !this.#pending.push(true, this.#now)) this.#unordered();
    else if (this.#pending.size > 1) this.#meters.counter("commands_pipelined").add(this.#now);
  }

  #reply(kind: string, name: string): void {
    // RESP3 pushes answer nothing.
    if (kind === ">") return;
    if (kind === "-" || kind === "!") {
      this.#failed++;
      this.#meters.meter("errors").add(this.#now);
      this.#meters.counter(NAME.test(name) ? `error_${name}` : "error_unnamed").add(this.#now);
    }
    const since = this.#ordered ? this.#pending.take() : undefined;
    if (since !== undefined) this.#meters.durations("answer").record(this.#now - since);
  }

  #unordered(): void {
    this.#ordered = false;
    this.#pending.clear();
  }
}
