/**
 * The open streams of a session by id.
 *
 * Streams come and go with every request, and the ids of those that are open lie close together, so a power of two of short
 * chains does it. get, add and delete: O(1). A Map would keep its former tables reachable from one another whenever it
 * grows or shrinks, and with them streams that are long over.
 */
import type { MuxStream } from "./mux-stream.ts";

const BUCKETS_MIN = 16;

export class StreamTable {
  #buckets: (MuxStream | undefined)[] = emptyBuckets(BUCKETS_MIN);
  #size = 0;
  /** The most since the last `shrink`. */
  #sizeMost = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): MuxStream | undefined {
    let stream = this.#buckets[(id >>> 1) & (this.#buckets.length - 1)];
    while (stream !== undefined && stream.id !== id) stream = stream.nextInBucket;
    return stream;
  }

  /** The id must not be in the table. */
  add(stream: MuxStream): void {
    if (this.#size >= this.#buckets.length) this.#resize(this.#buckets.length * 2);
    this.#insert(stream);
    this.#size++;
    if (this.#size > this.#sizeMost) this.#sizeMost = this.#size;
  }

  delete(stream: MuxStream): void {
    const bucket = (stream.id >>> 1) & (this.#buckets.length - 1);
    let before: MuxStream | undefined;
    let at = this.#buckets[bucket];
    while (at !== undefined && at !== stream) {
      before = at;
      at = at.nextInBucket;
    }
    if (at === undefined) return;
    if (before === undefined) this.#buckets[bucket] = stream.nextInBucket;
    else before.nextInBucket = stream.nextInBucket;
    stream.nextInBucket = undefined;
    this.#size--;
  }

  /** Now and then: gives up room that has not been needed since the last time. Not as streams go, as they come again. */
  shrink(): void {
    const most = this.#sizeMost;
    this.#sizeMost = this.#size;
    if (this.#buckets.length > BUCKETS_MIN && most < this.#buckets.length / 16) this.#resize(this.#buckets.length / 4);
  }

  /** All streams now, in no order; a copy, so that they may go meanwhile. */
  all(): MuxStream[] {
    const streams: MuxStream[] = [];
    for (const first of this.#buckets) {
      for (let stream = first; stream !== undefined; stream = stream.nextInBucket) streams.push(stream);
    }
    return streams;
  }

  #resize(count: number): void {
    const streams = this.all();
    this.#buckets = emptyBuckets(Math.max(BUCKETS_MIN, count));
    for (const stream of streams) this.#insert(stream);
  }

  #insert(stream: MuxStream): void {
    const bucket = (stream.id >>> 1) & (this.#buckets.length - 1);
    stream.nextInBucket = this.#buckets[bucket];
    this.#buckets[bucket] = stream;
  }
}

function emptyBuckets(count: number): (MuxStream | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
