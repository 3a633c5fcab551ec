/**
 * Those who wait for a service to get a usable offer: the requests that arrive while a connector restarts.
 *
 * Waiting and cancelling: O(1). A change: O(waiters of that service), in the order in which they came. Sans-IO: the driver
 * calls `tick` at `nextDeadline`. Bounded per node, so that a burst for a dead service cannot fill memory; when most places
 * are taken, those who have most of them get no more.
 */
import type { StreamRequest } from "../base/upstream.ts";
import { StreamRoom } from "../mux/stream-room.ts";
import type { UsedShare } from "../mux/stream-shares.ts";
import { internalError } from "../base/internal-error.ts";
import type { Registry } from "./registry.ts";

/** Deadlines are rounded up to this, so that a crowd that times out one by one costs few scans. */
const DEADLINE_GRAIN_MS = 20;

/** One of the two calls comes, once, unless the wait is cancelled. */
export interface OfferWaiter {
  /** Something changed: pick again, and wait again (with the same deadline) if that finds nothing. */
  ready(): void;
  timedOut(): void;
}

class Wait {
  readonly waiter: OfferWaiter;
  readonly deadline: number;
  readonly service: string | undefined;
  readonly request: StreamRequest | undefined;
  done = false;

  constructor(waiter: OfferWaiter, deadline: number, service: string | undefined, request: StreamRequest | undefined) {
    this.request = request;
    this.waiter = waiter;
    this.deadline = deadline;
    this.service = service;
  }
}

/** A wait that can be cancelled. */
export type WaitHandle = object;

export class OfferWaiters {
  readonly #registry: Registry;
  readonly #room: StreamRoom;
  readonly #stopWatching: () => void;
  /** By service; `undefined` holds those who wait for any change. */
  readonly #waits = new Map<string | undefined, Set<Wait>>();
  #count = 0;
  /** No wait ends before this; it may be earlier than the first that does. */
  #nextDeadline = Number.POSITIVE_INFINITY;

  constructor(registry: Registry, waitersMax: number) {
    this.#registry = registry;
    this.#room = new StreamRoom(waitersMax, () => this.#requests());
    this.#stopWatching = registry.watch((service) => this.#changed(service));
  }

  get size(): number {
    return this.#count;
  }

  /**
   * Waits until the service has a usable offer (or, without a service, until anything changes), at most until `deadline` on
   * the registry's clock. Undefined: too many wait already, or too many of those that `request` is for. Never calls the
   * waiter before it returns.
   */
  wait(
    service: string | undefined,
    deadline: number,
    waiter: OfferWaiter,
    request?: StreamRequest,
  ): WaitHandle | undefined {
    if (!this.#room.takes(request, this.#count)) return undefined;
    this.#room.opened(request);
    const wait = new Wait(waiter, Math.ceil(deadline / DEADLINE_GRAIN_MS) * DEADLINE_GRAIN_MS, service, request);
    const waits = this.#waits.get(service);
    if (waits === undefined) this.#waits.set(service, new Set([wait]));
    else waits.add(wait);
    this.#count++;
    this.#nextDeadline = Math.min(this.#nextDeadline, wait.deadline);
    return wait;
  }

  /** Who has had too many places for `request` to get one; undefined where all of them are taken. */
  usedShare(request: StreamRequest): UsedShare | undefined {
    return this.#count < this.#room.streamsMax ? this.#room.usedShare(request, this.#count) : undefined;
  }

  /** The waiter hears nothing more. Idempotent. */
  cancel(handle: WaitHandle): void {
    if (handle instanceof Wait) this.#finish(handle);
  }

  /** When to call `tick`; undefined when nobody waits. */
  nextDeadline(): number | undefined {
    return this.#count === 0 ? undefined : this.#nextDeadline;
  }

  tick(now: number): void {
    if (now < this.#nextDeadline) return;
    const due: Wait[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const waits of this.#waits.values()) {
      for (const wait of waits) {
        if (wait.deadline <= now) due.push(wait);
        else next = Math.min(next, wait.deadline);
      }
    }
    this.#nextDeadline = next;
    for (const wait of due) {
      if (!this.#finish(wait)) continue;
      // One that fails keeps nobody else waiting.
      try {
        wait.waiter.timedOut();
      } catch (thrown) {
        internalError("timer", thrown);
      }
    }
  }

  /** Ends all waits as timed out and stops listening. */
  close(): void {
    this.#stopWatching();
    this.tick(Number.POSITIVE_INFINITY);
  }

  #changed(service: string): void {
    if (this.#waits.has(service) && this.#registry.usable(service)) this.#wake(service);
    this.#wake(undefined);
  }

  #wake(service: string | undefined): void {
    const waits = this.#waits.get(service);
    if (waits === undefined) return;
    // Only those who wait now: one that waits again from inside `ready` is not woken by the same change.
    const waiting = Array.from(waits);
    for (const wait of waiting) {
      if (!this.#finish(wait)) continue;
      try {
        wait.waiter.ready();
      } catch (thrown) {
        internalError("stream", thrown);
      }
    }
  }

  #finish(wait: Wait): boolean {
    if (wait.done) return false;
    wait.done = true;
    this.#count--;
    this.#room.closed(wait.request, this.#count);
    const waits = this.#waits.get(wait.service);
    waits?.delete(wait);
    if (waits?.size === 0) this.#waits.delete(wait.service);
    return true;
  }

  *#requests(): Generator<StreamRequest | undefined> {
    for (const waits of this.#waits.values()) for (const { request } of waits) yield request;
  }
}
