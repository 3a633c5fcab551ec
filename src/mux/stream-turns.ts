/**
 * Which streams of a session have something to send, and in what order they do: payload in turns of one frame, credit and
 * acknowledgements once a flush or a tick.
 *
 * Every operation is O(1) but those that send. A stream that is released leaves every list at once: a peer that opens and
 * resets streams while it reads nothing must not make the session remember them.
 */
import type { MuxOutput } from "./mux-output.ts";
import type { WindowBudget } from "./mux-limits.ts";
import type { MuxStream } from "./mux-stream.ts";

export class StreamTurns {
  #readyHead: MuxStream | undefined;
  #readyTail: MuxStream | undefined;
  #updatesDue: MuxStream[] = [];
  readonly #unacknowledged: MuxStream[] = [];
  #drained: MuxStream[] = [];

  get someReady(): boolean {
    return this.#readyHead !== undefined;
  }

  /** The stream has queued bytes and window. False: it waits for its turn already. */
  schedule(stream: MuxStream): boolean {
    if (stream.ready) return false;
    stream.ready = true;
    stream.previousReady = this.#readyTail;
    if (this.#readyTail === undefined) this.#readyHead = stream;
    else this.#readyTail.nextReady = stream;
    this.#readyTail = stream;
    return true;
  }

  /** The stream owes credit to the peer. */
  updateDue(stream: MuxStream): void {
    stream.updateDueAt = this.#updatesDue.push(stream) - 1;
  }

  /** The peer opened the stream and has not heard of it since. */
  accepted(stream: MuxStream): void {
    stream.unacknowledgedAt = this.#unacknowledged.push(stream) - 1;
  }

  acknowledged(stream: MuxStream): void {
    const at = stream.unacknowledgedAt;
    if (at < 0) return;
    stream.unacknowledgedAt = -1;
    const last = this.#unacknowledged.pop()!;
    if (last === stream) return;
    this.#unacknowledged[at] = last;
    last.unacknowledgedAt = at;
  }

  /** The stream is over. */
  remove(stream: MuxStream): void {
    if (stream.ready) this.#leaveReady(stream);
    this.acknowledged(stream);
    const at = stream.updateDueAt;
    if (at < 0) return;
    stream.updateDueAt = -1;
    const last = this.#updatesDue.pop()!;
    if (last === stream) return;
    this.#updatesDue[at] = last;
    last.updateDueAt = at;
  }

  /** Puts frames of the ready streams into `output` until it holds `bytesMax`. True when there were any. */
  sendQueued(output: MuxOutput, bytesMax: number): boolean {
    let some = false;
    while (this.#readyHead !== undefined && output.bytes < bytesMax) {
      const stream = this.#readyHead;
      this.#leaveReady(stream);
      const more = stream.sendFrame();
      some = true;
      if (stream.drainDue) this.#drained.push(stream);
      if (more) this.schedule(stream);
    }
    return some;
  }

  sendWindowUpdates(
    now: number,
    roundTripMs: number | undefined,
    maxBytes: number,
    budgets: readonly WindowBudget[],
  ): void {
    if (this.#updatesDue.length === 0) return;
    const due = this.#updatesDue;
    this.#updatesDue = [];
    for (const stream of due) {
      stream.updateDueAt = -1;
      stream.sendWindowUpdate(now, roundTripMs, maxBytes, budgets);
    }
  }

  /** Openers that count unanswered streams must hear of theirs even while an app is slow to answer. */
  sendAcknowledgements(): void {
    // Each one leaves the list as its flag leaves.
    for (let last = this.#unacknowledged.at(-1); last !== undefined; last = this.#unacknowledged.at(-1)) {
      last.sendAcknowledgement();
    }
  }

  /** Tells the writers of emptied queues to go on; they may do anything. */
  notifyDrained(): void {
    if (this.#drained.length === 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const stream of drained) stream.sendDrain();
  }

  #leaveReady(stream: MuxStream): void {
    const { previousReady, nextReady } = stream;
    if (previousReady === undefined) this.#readyHead = nextReady;
    else previousReady.nextReady = nextReady;
    if (nextReady === undefined) this.#readyTail = previousReady;
    else nextReady.previousReady = previousReady;
    stream.previousReady = undefined;
    stream.nextReady = undefined;
    stream.ready = false;
  }
}
