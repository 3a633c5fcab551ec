/** Sees to it that what nobody reads stays within `limits.held`: looks now and then, and at once when the bound is passed. */
import { bytesAreHeld } from "../base/held-copy.ts";
import type { Clock } from "../base/clock.ts";
import { HeldMemory, type HeldSource, type Holder } from "../base/held-memory.ts";
import { type HoldingPlace, HoldingsSource } from "../base/holdings-source.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { Link } from "../link/link.ts";
import type { WindowBudget } from "../mux/mux-limits.ts";
import { collectNow } from "./collection.ts";

/** Less than this is not worth a collection, which takes some tens of milliseconds. */
const WORTH_BYTES = 64 * 1024 * 1024;
const GIVE_BACK_AFTER_MS = 2_000;
/** Whoever lets much be held again and again must not have the node collect all the time. */
const COLLECT_EVERY_MS = 30_000;

export interface MemoryWatchOptions {
  readonly clock: Clock;
  readonly quiet: QuietLog;
  readonly links: HeldByLinks;
  /** Where sessions are that may hold bytes of something else than links. */
  readonly places: () => Iterable<HoldingPlace>;
}

/** What arrived on links and was not read. */
export interface HeldByLinks {
  readonly budget: WindowBudget;
  readonly links: ReadonlySet<Link>;
}

export class MemoryWatch {
  readonly held: HeldMemory;
  readonly #options: MemoryWatchOptions;
  readonly #sessions: HoldingsSource;
  /** Since memory was last given back. */
  #mostHeld = 0;
  #freeSince = 0;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #due: NodeJS.Immediate | undefined;

  constructor(options: MemoryWatchOptions) {
    const { links, places } = options;
    const { budget } = links;
    this.#options = options;
    this.#sessions = new HoldingsSource(budget.heldBytesMax, places);
    this.held = new HeldMemory(budget.heldBytesMax, [new LinkSource(links), this.#sessions]);
    budget.relieve = () => this.look();
    // Not within the call: it comes from the middle of reading a link.
    budget.exceeded = () => {
      this.#due ??= setImmediate(() => {
        this.#due = undefined;
        this.look();
      });
    };
  }

  /** Several times a second. */
  tick(now: number): void {
    this.#sessions.tick(now);
    this.look();
    this.#giveBack(now);
  }

  /** Cheap as long as there is room. */
  look(): void {
    const shed = this.held.relieve(this.#options.clock.now());
    if (shed === undefined) return;
    const { streams, bytes, most, mostBytes, heldBytes } = shed;
    const { bytesMax } = this.held;
    this.#options.quiet.log(
      "held",
      "warn",
      { code: "OVER_SHARE", streams, bytes, most },
      `${heldBytes} of ${bytesMax} bytes (limits.held) were held for readers that do not read: ` +
        `${streams} streams with ${bytes} bytes were cut off, most of them (${mostBytes} bytes) of ${most}`,
    );
  }

  /** When much was held and is not any more, its memory is collected, unless that has happened by itself. */
  #giveBack(now: number): void {
    const { heldBytes } = this.held;
    bytesAreHeld(heldBytes);
    if (heldBytes >= this.#mostHeld) this.#mostHeld = heldBytes;
    if (this.#mostHeld < WORTH_BYTES || heldBytes > this.#mostHeld / 4) {
      this.#freeSince = now;
      return;
    }
    if (now - this.#freeSince < GIVE_BACK_AFTER_MS || now - this.#collectedAt < COLLECT_EVERY_MS) return;
    this.#mostHeld = heldBytes;
    // Mapped copies count as external memory, but not as array buffers.
    if (process.memoryUsage().external <= heldBytes + WORTH_BYTES) return;
    this.#collectedAt = now;
    collectNow();
  }

  close(): void {
    clearImmediate(this.#due);
    const { budget } = this.#options.links;
    budget.exceeded = () => {};
    budget.relieve = () => {};
  }
}

class LinkSource implements HeldSource {
  readonly #links: HeldByLinks;

  constructor(links: HeldByLinks) {
    this.#links = links;
  }

  get heldBytes(): number {
    return this.#links.budget.heldBytes;
  }

  holders(now: number): readonly Holder[] {
    return [...this.#links.links].flatMap((link) => link.holders(now));
  }
}
