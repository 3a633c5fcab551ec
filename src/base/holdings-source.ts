/**
 * What sessions hold that no link counts: answers of this node's own apps and of other connectors, and uploads over HTTP/2.
 *
 * Nothing is counted as bytes pass. All sessions are looked at a few times a second instead, where there are enough of them
 * to matter. Whoever holds just as much as at the last look stands still. look: O(sessions). Pure.
 */
import { clientPath } from "./client-path.ts";
import type { PolarityError } from "./errors.ts";
import type { HeldSource, Holder, Holding } from "./held-memory.ts";

const LOOK_EVERY_MS = 250;

/** Where sessions are. */
export interface HoldingPlace {
  /** Cheap to ask for. */
  readonly sessionsActive: number;
  holdings(): Iterable<Holding>;
}

export class HoldingsSource implements HeldSource {
  readonly #places: () => Iterable<HoldingPlace>;
  readonly #sessionsMin: number;
  #heldBytes = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  readonly #marks = new WeakMap<Holding, Mark>();

  /** `bytesMax`: of all that a node may hold. */
  constructor(bytesMax: number, places: () => Iterable<HoldingPlace>) {
    this.#places = places;
    this.#sessionsMin = bytesMax / 2 / SESSION_BYTES_MAX;
  }

  /** At the last look. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  tick(now: number): void {
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    this.#heldBytes = 0;
    let sessions = 0;
    for (const { sessionsActive } of this.#places()) sessions += sessionsActive;
    if (sessions < this.#sessionsMin) return;
    for (const holding of this.#all()) {
      const { heldBytes } = holding;
      if (heldBytes === 0) continue;
      this.#heldBytes += heldBytes;
      const mark = this.#marks.get(holding);
      if (mark === undefined) this.#marks.set(holding, { bytes: heldBytes, since: now });
      else if (mark.bytes !== heldBytes) {
        mark.bytes = heldBytes;
        mark.since = now;
      }
    }
  }

  holders(now: number): readonly Holder[] {
    const holders: Holder[] = [];
    // What was counted at the last look has changed since.
    this.#heldBytes = 0;
    for (const holding of this.#all()) {
      const { heldBytes } = holding;
      if (heldBytes === 0) continue;
      this.#heldBytes += heldBytes;
      const mark = this.#marks.get(holding);
      const stillMs = mark?.bytes === heldBytes ? now - mark.since : 0;
      holders.push(new SessionHolder(holding, stillMs, (bytes) => (this.#heldBytes -= bytes)));
    }
    return holders;
  }

  *#all(): Iterable<Holding> {
    for (const place of this.#places()) yield* place.holdings();
  }
}

/** About what one session may hold: a window each way. */
const SESSION_BYTES_MAX = 512 * 1024;

interface Mark {
  bytes: number;
  since: number;
}

class SessionHolder implements Holder {
  readonly path: readonly string[];
  readonly amount: number;
  readonly stillMs: number;
  readonly #holding: Holding;
  readonly #freed: (bytes: number) => void;

  constructor(holding: Holding, stillMs: number, freed: (bytes: number) => void) {
    this.#holding = holding;
    this.#freed = freed;
    this.path = clientPath(holding.client, holding.payer);
    this.amount = holding.heldBytes;
    this.stillMs = stillMs;
  }

  shed(error: PolarityError): void {
    this.#freed(this.amount);
    this.#holding.shed(error);
  }
}
