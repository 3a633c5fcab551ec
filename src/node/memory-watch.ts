/** Sees to it that what nobody reads stays within `limits.held`: looks now and then, and at once when the bound is passed. */
import type { Clock } from "../base/clock.ts";
import { HeldMemory, type HeldSource, type Holder } from "../base/held-memory.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { Link } from "../link/link.ts";
import type { WindowBudget } from "../mux/mux-limits.ts";

export interface MemoryWatchOptions {
  readonly clock: Clock;
  readonly quiet: QuietLog;
  readonly links: HeldByLinks;
  /** What is held otherwise. */
  readonly others: readonly HeldSource[];
}

/** What arrived on links and was not read. */
export interface HeldByLinks {
  readonly budget: WindowBudget;
  readonly links: ReadonlySet<Link>;
}

export class MemoryWatch {
  readonly held: HeldMemory;
  readonly #options: MemoryWatchOptions;
  #due: NodeJS.Immediate | undefined;

  constructor(options: MemoryWatchOptions) {
    const { links, others } = options;
    const { budget } = links;
    this.#options = options;
    this.held = new HeldMemory(budget.heldBytesMax, [new LinkSource(links), ...others]);
    budget.relieve = () => this.look();
    // Not within the call: it comes from the middle of reading a link.
    budget.exceeded = () => {
      this.#due ??= setImmediate(() => {
        this.#due = undefined;
        this.look();
      });
    };
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
