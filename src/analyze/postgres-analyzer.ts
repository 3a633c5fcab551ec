/**
 * Statistics of PostgreSQL's protocol, version 3: queries and how often they come, errors, what is copied, and how long queries
 * take, simple, extended and pipelined.
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

/** What the server is to do, in its order. `copied`: the client has sent all that an Execute is to copy. */
type Asked = "query" | "execute" | "sync" | "copied";

class PostgresTap implements Tap {
  readonly #meters: Meters;
  readonly #client = new PostgresFrames("client", (type) => this.#fromClient(type));
  readonly #server = new PostgresFrames("server", (type) => this.#fromServer(type));
  readonly #pending = new PendingQueue<Asked>();
  #ordered = true;
  /** The server has said that it is ready for the first time. */
  #started = false;
  /** Since when an Execute takes what the client copies; the server passes over each Sync meanwhile. */
  #copyingSince: number | undefined;
  #passesSyncs = false;
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
    if (this.#server.encrypted && !this.#over) this.#end("connections_encrypted");
  }

  statistics() {
    return { queries: this.#queries, errors: this.#errors };
  }

  #feed(frames: PostgresFrames, bytes: Buffer): void {
    if (this.#over) return;
    frames.push(bytes);
    if (frames.broken) this.#end("connections_unreadable");
  }

  #end(why: string): void {
    this.#over = true;
    this.#pending.clear();
    this.#meters.counter(why).add(this.#now);
  }

  #fromClient(type: string): void {
    switch (type) {
      case "Q":
        this.#query("query");
        return;
      case "E":
        this.#query("execute");
        return;
      case "S":
        if (!this.#passesSyncs) this.#expect("sync");
        return;
      case "F": // FunctionCall: what it returns is not told, but that the server is ready again is.
        this.#expect("sync");
        return;
      case "c": // CopyDone, CopyFail
      case "f":
        if (this.#passesSyncs) this.#passesSyncs = false;
        else this.#expect("copied");
    }
  }

  #query(kind: Asked): void {
    this.#queries++;
    this.#meters.meter("queries").add(this.#now);
    if (this.#ordered && this.#pending.size > 0) this.#meters.counter("queries_pipelined").add(this.#now);
    this.#expect(kind);
  }

  #expect(kind: Asked): void {
    if (this.#ordered && !this.#pending.push(kind, this.#now)) {
      this.#ordered = false;
      this.#pending.clear();
    }
  }

  #fromServer(type: string): void {
    switch (type) {
      case "C": // CommandComplete, EmptyQueryResponse, PortalSuspended: an Execute is done; a Query may go on.
      case "I":
      case "s":
        this.#executed();
        return;
      case "G": // CopyInResponse
        this.#copies();
        return;
      case "H": // CopyOutResponse
        this.#meters.counter("copies_out").add(this.#now);
        return;
      case "E":
        this.#errors++;
        this.#meters.meter("errors").add(this.#now);
        this.#executed();
        // What was sent before the next Sync is passed over.
        this.#dropBeforeSync();
        return;
      case "Z":
        this.#ready();
    }
  }

  #executed(): void {
    const since = this.#copyingSince;
    this.#copyingSince = undefined;
    this.#passesSyncs = false;
    if (since !== undefined) this.#took(since);
    else if (this.#nextKind() === "execute") this.#took(this.#pending.take());
  }

  /**
   * The server copies from the client for what is next. It passes over a Sync until all is copied, so those that came before will
   * not be answered.
   */
  #copies(): void {
    this.#meters.counter("copies_in").add(this.#now);
    const isQuery = this.#nextKind() === "query";
    if (!isQuery) {
      this.#copyingSince = this.#pending.take();
      while (this.#pending.kind === "sync") this.#pending.take();
      if (this.#pending.kind === "copied") this.#pending.take();
    }
    // What else is there was sent behind the end of what is copied.
    this.#passesSyncs = this.#pending.size === (isQuery ? 1 : 0);
  }

  #ready(): void {
    if (!this.#started) {
      this.#started = true;
      return;
    }
    this.#dropBeforeSync();
    const kind = this.#pending.kind;
    const since = this.#pending.take();
    if (kind === "query") this.#took(since);
    this.#nextKind();
  }

  #dropBeforeSync(): void {
    while (this.#nextKind() === "execute") this.#pending.take();
  }

  /** A Query that copies has no part in the order of what follows it. */
  #nextKind(): Asked | undefined {
    while (this.#pending.kind === "copied") this.#pending.take();
    return this.#pending.kind;
  }

  #took(since: number | undefined): void {
    if (since !== undefined) this.#meters.durations("query").record(this.#now - since);
  }
}
