/**
 * A logger for whatever peers and strangers can cause again and again: at most one line in 10 s for each key.
 *
 * The first line of a key is written at once. Those that follow within 10 s are counted, and the latest of them is written
 * when the 10 s are over, with the count: nothing is lost when nothing follows. The owner calls `tick` several times a
 * second and `flush` at its end. log: O(1). tick: O(keys whose time is over).
 *
 * A key begins with its kind, a word of ours; what follows it may come from a peer. A kind has a bounded number of keys;
 * what has none of its own shares one with all others of its kind.
 */
import type { Clock, LogFields, Logger } from "./clock.ts";

export const QUIET_MS = 10_000;
/** Of one kind, within 10 s. */
const KEYS_MAX = 200;

interface Entry {
  readonly kind: string;
  /** Until then lines are counted. */
  until: number;
  leftOut: number;
  level: keyof Logger;
  fields: LogFields;
  message: string;
}

export class QuietLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** In the order in which their time is over. */
  readonly #entries = new Map<string, Entry>();
  readonly #keysOfKind = new Map<string, number>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `key`: `kind` or `kind subject`. */
  log(key: string, level: keyof Logger, fields: LogFields, message: string): void {
    const now = this.#clock.now();
    this.#tellOver(now);
    const blank = key.indexOf(" ");
    const kind = blank === -1 ? key : key.slice(0, blank);
    let known = this.#entries.get(key);
    if (known === undefined && (this.#keysOfKind.get(kind) ?? 0) >= KEYS_MAX) {
      key = kind;
      known = this.#entries.get(key);
    }
    if (known !== undefined) {
      known.leftOut++;
      known.level = level;
      known.fields = fields;
      known.message = message;
      return;
    }
    this.#entries.set(key, { kind, until: now + QUIET_MS, leftOut: 0, level, fields, message });
    this.#keysOfKind.set(kind, (this.#keysOfKind.get(kind) ?? 0) + 1);
    this.#logger[level](fields, message);
  }

  /** Tells what was left out, of keys whose time is over. */
  tick(): void {
    if (this.#entries.size > 0) this.#tellOver(this.#clock.now());
  }

  /** Tells all that was left out. */
  flush(): void {
    for (const entry of this.#entries.values()) this.#tell(entry);
    this.#entries.clear();
    this.#keysOfKind.clear();
  }

  #tellOver(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.until > now) return;
      this.#entries.delete(key);
      if (entry.leftOut > 0) {
        this.#tell(entry);
        entry.until = now + QUIET_MS;
        this.#entries.set(key, entry);
        continue;
      }
      const left = this.#keysOfKind.get(entry.kind)! - 1;
      if (left === 0) this.#keysOfKind.delete(entry.kind);
      else this.#keysOfKind.set(entry.kind, left);
    }
  }

  #tell(entry: Entry): void {
    const { leftOut, level, fields, message } = entry;
    if (leftOut === 0) return;
    entry.leftOut = 0;
    const more = leftOut - 1;
    if (more === 0) this.#logger[level](fields, message);
    else this.#logger[level]({ ...fields, notShown: more }, `${message} (and ${more} like it not shown)`);
  }
}
