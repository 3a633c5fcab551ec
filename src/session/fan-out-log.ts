/**
 * What a client sent and not every server of its session has taken yet: one copy, for however many wait for it.
 *
 * A list of records, oldest first; each counts who waits for it, so that passing a record on costs the same for any number
 * of servers. push, take and trim: O(1). Small chunks that the same servers wait for share a record, so that bytes sent one
 * by one cost no more than bytes. Large parts of a bulk read are held where they were read. Pure.
 */
import { BLOCK_BYTES, giveBlock, takeBlock } from "../base/block-pool.ts";
import { hold, type ReadBlock } from "../base/read-block.ts";

const NOTHING: Buffer = Buffer.alloc(0);

export class LogRecord {
  /** Offsets in the client's stream. */
  start = 0;
  end = 0;
  data: Buffer = NOTHING;
  next: LogRecord | undefined;
  previous: LogRecord | undefined;
  /** Servers that have not taken it. */
  waiting = 0;
  /** Of those, the ones that it was written to. */
  pending = 0;
  #block: Buffer | undefined;
  #held: ReadBlock | undefined;

  begin(chunk: Buffer, start: number, waiting: number): void {
    this.data = chunk;
    this.start = start;
    this.end = start + chunk.length;
    this.waiting = waiting;
  }

  /** Makes the bytes, which were lent, its own. */
  own(): void {
    const chunk = this.data;
    this.#held = hold(chunk);
    if (this.#held !== undefined) return;
    if (chunk.length > BLOCK_BYTES) {
      this.data = Buffer.from(chunk);
      return;
    }
    this.#block = takeBlock();
    this.#block.set(chunk);
    this.data = this.#block.subarray(0, chunk.length);
  }

  /** Takes the bytes of the next record too, if it has room. */
  append({ data, end }: LogRecord): boolean {
    const used = this.data.length;
    if (this.#block === undefined || used + data.length > BLOCK_BYTES) return false;
    this.#block.set(data, used);
    this.data = this.#block.subarray(0, used + data.length);
    this.end = end;
    return true;
  }

  release(): void {
    if (this.#block !== undefined) giveBlock(this.#block);
    this.#held?.letGo();
    this.#block = undefined;
    this.#held = undefined;
    this.data = NOTHING;
    this.next = undefined;
    this.previous = undefined;
    this.pending = 0;
  }
}

export class FanOutLog {
  #head: LogRecord | undefined;
  #tail: LogRecord | undefined;
  /** The last record that went, for the next chunk: who keeps up costs no object for each. */
  #spare: LogRecord | undefined;
  #end = 0;

  /** The oldest record that somebody waits for. */
  get head(): LogRecord | undefined {
    return this.#head;
  }

  /** All that the client has sent, in bytes. */
  get end(): number {
    return this.#end;
  }

  /** Nobody waits: the bytes only count. */
  skip(bytes: number): void {
    this.#end += bytes;
  }

  /** `chunk` is lent until `settle`, which follows within the same call. */
  push(chunk: Buffer, waiting: number): LogRecord {
    const record = this.#spare ?? new LogRecord();
    this.#spare = undefined;
    record.begin(chunk, this.#end, waiting);
    record.previous = this.#tail;
    if (this.#tail === undefined) this.#head = record;
    else this.#tail.next = record;
    this.#tail = record;
    this.#end = record.end;
    return record;
  }

  /** The lending of a record's bytes is over: whoever was not written them will be later. */
  settle(record: LogRecord): void {
    const { previous } = record;
    if (record.waiting === record.pending) {
      record.data = NOTHING;
      return;
    }
    // Who waits for a record waits for all that follow, so equal numbers are the same servers.
    const same = previous?.pending === 0 && record.pending === 0 && previous.waiting === record.waiting;
    if (same && record === this.#tail && previous.append(record)) {
      previous.next = undefined;
      this.#tail = previous;
      this.#recycle(record);
    } else record.own();
  }

  /** One who waits from `first` on waits no more. */
  leave(first: LogRecord | undefined): void {
    for (let record = first; record !== undefined; record = record.next) record.waiting--;
  }

  /** One more waits, for all that is here. */
  enter(): void {
    for (let record = this.#head; record !== undefined; record = record.next) record.waiting++;
  }

  /** Lets go of what nobody waits for. */
  trim(): void {
    let head = this.#head;
    while (head !== undefined && head.waiting === 0) {
      const { next } = head;
      this.#recycle(head);
      head = next;
    }
    this.#head = head;
    if (head === undefined) this.#tail = undefined;
    else head.previous = undefined;
  }

  clear(): void {
    for (let record = this.#head; record !== undefined;) {
      const { next } = record;
      record.release();
      record = next;
    }
    this.#head = undefined;
    this.#tail = undefined;
  }

  #recycle(record: LogRecord): void {
    record.release();
    this.#spare = record;
  }
}
