/**
 * Statistics of PostgreSQL's protocol, version 3: queries and how often they come, errors, and how long queries take,
 * simple, extended and pipelined.
 *
 * A query is a simple Query message or an Execute. A connection that turns to TLS cannot be read and is counted as such.
 */
import type { Analyzer, Tap } from "./analyzer.ts";
import type { Meters } from "./meters.ts";
import { PendingQueue } from "./pending-queue.ts";
import { PostgresFrames } from "./postgres-frames.ts";

export function createPostgresAnalyzer(meters: Meters): Analyzer {
  return { open: () => new PostgresTap(meters) };
}

type Asked = "query" | "execute" | "sync";

class PostgresTap implements Tap {
  readonly #meters: Meters;
  readonly #client = new PostgresFrames("client", (type) => this.#fromClient(type));
  readonly #server = new PostgresFrames("server", (type) => this.#fromServer(type));
  readonly #pending = new PendingQueue<Asked>();
  #ordered = true;
  #over = false;
  #now = 0;
  #queries = 0;
  #errors = 0;

  constructor(meters: Meters) {
    this.#meters = meters;
  }

  fromClient(bytes: Buffer, now: number): void {
    this.#now = now;
    this.#feed(this.#client, bytes);
    // The server answers each wish for encryption with one letter.
    this.#server.lettersExpected += this.#client.takeWishes();
  }

  fromServer(bytes: Buffer, now: number): void {
    this.#now = now;
    this.#feed(this.#server, bytes);
    if (this.#server.encrypted && !this.#over) {
      this.#over = true;
      this.#meters.counter("connections_encrypted").add(now);
    }
  }

  statistics() {
    return { queries: this.#queries, errors: this.#errors };
  }

  #feed(frames: PostgresFrames, bytes: Buffer): void {
    if (this.#over) return;
    frames.push(bytes);
    if (!frames.broken) return;
    this.#over = true;
    this.#pending.clear();
    this.#meters.counter("connections_unreadable").add(this.#now);
  }

  #fromClient(type: string): void {
    if (type === "Q") this.#asked("query");
    else if (type === "E") this.#asked("execute");
    else if (type === "S" && this.#ordered) this.#ordered = this.#pending.push("sync", this.#now);
  }

  #asked(kind: Asked): void {
    this.#queries++;
    this.#meters.meter("queries").add(this.#now);
    if (!this.#ordered) return;
    if (this.#pending.size > 0) this.#meters.counter("queries_pipelined").add(this.#now);
    this.#ordered = this.#pending.push(kind, this.#now);
  }

  #fromServer(type: string): void {
    const { kind } = this.#pending;
    switch (type) {
      case "C": // CommandComplete, EmptyQueryResponse, PortalSuspended: an Execute is done; a Query may go on.
      case "I":
      case "s":
        if (kind === "execute") this.#answered();
        return;
      case "E":
        this.#errors++;
        this.#meters.meter("errors").add(this.#now);
        // What was sent before the next Sync is skipped.
        if (kind === "execute") this.#answered();
        while (this.#pending.kind === "execute") this.#pending.take();
        return;
      case "Z":
        while (this.#pending.kind === "execute") this.#pending.take();
        if (this.#pending.kind === "query") this.#answered();
        else this.#pending.take();
    }
  }

  #answered(): void {
    const since = this.#pending.take();
    if (since !== undefined && this.#ordered) this.#meters.durations("query").record(this.#now - since);
  }
}
