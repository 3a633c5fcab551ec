/**
 * How many streams of ours the peer takes, and for whom another may be opened.
 *
 * A session that has room for everybody does no more than compare two numbers.
 */
import type { StreamRequest } from "../base/upstream.ts";
import { StreamShares, type UsedShare } from "./stream-shares.ts";

export class StreamRoom {
  /** Streams that the peer takes, the control stream included. */
  streamsMax = 0;
  /** The link serves no more than one service, which may have all of it. */
  alone = false;
  #uncounted = 0;
  readonly #shares = new StreamShares();
  /** What is open, and what counts as open. */
  readonly #requests: () => Iterable<StreamRequest | undefined>;

  constructor(streamsMax: number, requests: () => Iterable<StreamRequest | undefined>) {
    this.#requests = requests;
    this.limit(streamsMax);
  }

  limit(streamsMax: number): void {
    this.streamsMax = streamsMax;
    this.#uncounted = StreamShares.uncounted(streamsMax);
  }

  /** True: a stream may be opened while `used` are. */
  takes(request: StreamRequest | undefined, used: number): boolean {
    if (used < this.#uncounted || request === undefined) return used < this.streamsMax;
    return used < this.streamsMax && this.usedShare(request, used) === undefined;
  }

  /** Whose share a stream would be too much for. */
  usedShare(request: StreamRequest, used: number): UsedShare | undefined {
    if (used < this.#uncounted) return undefined;
    if (!this.#shares.counting) this.#shares.begin(this.#requests());
    return this.#shares.refusal(request, used, this.streamsMax, this.alone);
  }

  opened(request: StreamRequest | undefined): void {
    if (this.#shares.counting) this.#shares.opened(request);
  }

  /** A stream is over at both ends; `used` are left. */
  closed(request: StreamRequest | undefined, used: number): void {
    if (!this.#shares.counting) return;
    // Far enough below that it is not begun again soon: to begin costs a look at each stream.
    if (used < this.#uncounted / 2) this.#shares.end();
    else this.#shares.closed(request);
  }
}
