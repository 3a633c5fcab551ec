/**
 * Whether a target may be used: active checks (rise and fall) and passive ones (ejection after failures in a row).
 *
 * The two facets are independent, and the target is up while both say so. Sans-IO: the driver calls `tick` at
 * `nextDeadline`, starts a check when `probe` asks for one and reports how it ended. requestPassed: O(1), one comparison.
 *
 * active facet:   unchecked -> passing | failing, passing <-> failing
 * passive facet:  trusted -> ejected -> probation -> trusted | ejected
 */

export interface ActiveHealthOptions {
  /** From one check's end to the next one's start, give or take a tenth so that checks do not run in step. */
  readonly intervalMs: number;
  /** Checks in a row that must pass before a failing target is up again. */
  readonly rise: number;
  /** Checks in a row that must fail before a passing target is down. */
  readonly fall: number;
}

export interface PassiveHealthOptions {
  /** Requests in a row that must fail before the target is ejected. On probation one is enough. */
  readonly failuresMax: number;
  /** How long the first ejection lasts; each further one that follows soon doubles it. */
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
}

export interface HealthOptions {
  /** Undefined: no checks; the target passes until requests say otherwise. */
  readonly active: ActiveHealthOptions | undefined;
  /** Undefined: requests do not matter. */
  readonly passive: PassiveHealthOptions | undefined;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface HealthEvents {
  /** Start a check, and answer with `probePassed` or `probeFailed`, once. */
  probe(): void;
  /** `why` is for people: `3 checks failed (connection refused)`; empty when the target is up. */
  changed(up: boolean, why: string): void;
}

type ActiveState = "unchecked" | "passing" | "failing";
type PassiveState = "trusted" | "ejected" | "probation";

export class Health {
  readonly #options: HealthOptions;
  readonly #events: HealthEvents;

  #active: ActiveState;
  /** Checks in a row that contradict the state. */
  #streak = 0;
  /** Undefined while a check is under way, and without checks. */
  #probeAt: number | undefined;
  #activeWhy = "not checked yet";

  #passive: PassiveState = "trusted";
  #failures = 0;
  #ejections = 0;
  #ejectedUntil = 0;
  /** On probation until then; the ejection counter starts anew afterwards. */
  #probationUntil = 0;
  #passiveWhy = "";

  /** With active checks the first one is due at once, and the target is down until it passed. */
  constructor(options: HealthOptions, events: HealthEvents, now: number) {
    this.#options = options;
    this.#events = events;
    this.#active = options.active === undefined ? "passing" : "unchecked";
    this.#probeAt = options.active === undefined ? undefined : now;
  }

  get up(): boolean {
    return this.#active === "passing" && this.#passive !== "ejected";
  }

  /** Why it is not up; empty when it is. */
  get why(): string {
    if (this.#passive === "ejected") return this.#passiveWhy;
    return this.#active === "passing" ? "" : this.#activeWhy;
  }

  nextDeadline(): number | undefined {
    const returnAt = this.#passive === "ejected" ? this.#ejectedUntil : undefined;
    if (returnAt === undefined || this.#probeAt === undefined) return returnAt ?? this.#probeAt;
    return Math.min(returnAt, this.#probeAt);
  }

  tick(now: number): void {
    if (this.#passive === "ejected" && now >= this.#ejectedUntil) {
      this.#change(() => {
        this.#passive = "probation";
        this.#probationUntil = now + this.#ejectionMs();
      });
    }
    if (this.#probeAt !== undefined && now >= this.#probeAt) {
      this.#probeAt = undefined;
      this.#events.probe();
    }
  }

  probePassed(now: number): void {
    const active = this.#nextProbe(now);
    if (active === undefined) return;
    if (this.#active === "passing") {
      this.#streak = 0;
    } else if (this.#active === "unchecked" || ++this.#streak >= active.rise) {
      this.#change(() => {
        this.#active = "passing";
        this.#streak = 0;
      });
    }
  }

  /** `why` is how the check failed: `connection refused`, `status 503`. */
  probeFailed(now: number, why: string): void {
    const active = this.#nextProbe(now);
    if (active === undefined) return;
    if (this.#active === "failing") {
      this.#streak = 0;
      return;
    }
    this.#streak++;
    this.#activeWhy = `${this.#streak === 1 ? "1 check" : `${this.#streak} checks`} failed (${why})`;
    // An unchecked target was never up: its first failure decides.
    if (this.#active === "passing" && this.#streak < active.fall) return;
    this.#change(() => {
      this.#active = "failing";
      this.#streak = 0;
    });
  }

  /** A request to the target went well. */
  requestPassed(now: number): void {
    if (this.#failures !== 0) this.#failures = 0;
    if (this.#passive === "probation" && now >= this.#probationUntil) {
      this.#passive = "trusted";
      this.#ejections = 0;
    }
  }

  /** A request to the target failed, by the target's fault. */
  requestFailed(now: number): void {
    const { passive } = this.#options;
    if (passive === undefined || this.#passive === "ejected") return;
    this.#failures++;
    if (this.#passive === "probation" && now >= this.#probationUntil) {
      this.#passive = "trusted";
      this.#ejections = 0;
    }
    if (this.#passive === "trusted" && this.#failures < passive.failuresMax) return;
    const failures = this.#failures;
    this.#change(() => {
      this.#ejections++;
      this.#passive = "ejected";
      this.#ejectedUntil = now + this.#ejectionMs();
      this.#failures = 0;
      this.#passiveWhy = `${failures === 1 ? "1 request" : `${failures} requests`} in a row failed`;
    });
  }

  #ejectionMs(): number {
    const { passive } = this.#options;
    return passive === undefined ? 0 : Math.min(passive.ejectionMs * 2 ** (this.#ejections - 1), passive.ejectionMsMax);
  }

  #nextProbe(now: number): ActiveHealthOptions | undefined {
    const { active, random } = this.#options;
    if (active !== undefined) this.#probeAt = now + active.intervalMs * (0.9 + 0.2 * random());
    return active;
  }

  #change(apply: () => void): void {
    const before = this.up;
    apply();
    if (this.up !== before) this.#events.changed(this.up, this.why);
  }
}
