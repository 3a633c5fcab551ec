/**
 * Who serves what: takes offers from links and local targets, and picks one for each stream.
 *
 * pick: O(1), no allocation when it picks. A change of one offer: O(1), of an upstream: O(its services); the pickers of a
 * service are made again at the next pick, O(its offers). Pure: time and randomness are handed in.
 * Does not wait for offers (see offer-waiters.ts) and does not retry; that is the session's job.
 */
import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import { internalError } from "../base/internal-error.ts";
import type { StreamProtocol, Upstream } from "../base/upstream.ts";
import type { Affinity } from "./affinity.ts";
import { checkAnnouncement } from "./announcement.ts";
import type { Announcement, Hop } from "./announcement.ts";
import { NameClaims } from "./name-claims.ts";
import { Offer } from "./offer.ts";
import { offerBytes, OfferBudget } from "./offer-budget.ts";
import type { Picked } from "./offer.ts";
import { RecentNames } from "./recent-names.ts";
import { ServiceEntry } from "./service-entry.ts";
import type { ServiceStatistics } from "./service-statistics.ts";

export interface RegistryLimits {
  /** Offers over one link; stops a peer that fills memory with names. */
  readonly offersPerUpstreamMax: number;
  /** What all offers of one payer may take; stops a peer that fills memory over many links, or with long words. */
  readonly offerBytesPerPayerMax: number;
  /** Names that one payer may claim; stops a peer that offers and withdraws ever new names. */
  readonly claimsPerPayerMax: number;
  /** For how long a service or node is known after its last offer went. */
  readonly forgetAfterMs: number;
}

export const REGISTRY_LIMITS: RegistryLimits = Object.freeze({
  offersPerUpstreamMax: 4096,
  offerBytesPerPayerMax: 16 * 1024 * 1024,
  claimsPerPayerMax: 10_000,
  forgetAfterMs: 2 * 60 * 60 * 1000,
});

/** Names are the peers' to choose; beyond this many that are out of use the oldest of whoever has most are forgotten. */
const ABSENT_NAMES_MAX = 10_000;

/** Budgets count requests by the second. */
const BUDGET_ROLL_MS = 900;

export interface RegistryOptions {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly clock: Clock;
  readonly limits: RegistryLimits;
}

export type Added =
  /** `healthBefore`: of an offer that was known already. */
  | { readonly kind: "added"; readonly offer: Offer; readonly healthBefore?: Offer["health"] }
  | { readonly kind: "refused"; readonly error: PolarityError };

export interface ServiceSnapshot {
  readonly name: string;
  readonly declared: boolean;
  /** The identity that the name belongs to; undefined before the first offer. */
  readonly owner: string | undefined;
  readonly offers: readonly Offer[];
  readonly statistics: ServiceStatistics;
}

/** How a service is reached by an offer. */
interface Terms {
  readonly cost: number;
  readonly path: readonly Hop[];
  readonly relay: boolean;
}

/** What is kept per upstream; its offers share it to know whether they are usable. */
interface UpstreamEntry {
  usable: boolean;
  why: string;
  readonly services: Set<string>;
}

export class Registry {
  readonly #options: RegistryOptions;
  readonly #claims: NameClaims;
  readonly #budget: OfferBudget;
  readonly #services = new Map<string, ServiceEntry>();
  readonly #serviceNames: RecentNames;
  readonly #nodeNames: RecentNames;
  /** Weak, so that a late word about an upstream that was removed leaves nothing behind. */
  readonly #upstreams = new WeakMap<Upstream, UpstreamEntry>();
  readonly #listeners = new Set<(service: string) => void>();
  /** Services of which only offers by path have come. */
  readonly #byPath = new Set<string>();
  #rolledAt = Number.NEGATIVE_INFINITY;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { claimsPerPayerMax, offerBytesPerPayerMax, forgetAfterMs } = options.limits;
    this.#claims = new NameClaims(claimsPerPayerMax);
    this.#budget = new OfferBudget(offerBytesPerPayerMax);
    this.#serviceNames = new RecentNames(forgetAfterMs, ABSENT_NAMES_MAX);
    this.#nodeNames = new RecentNames(forgetAfterMs, ABSENT_NAMES_MAX);
  }

  /**
   * Takes an offer, or the news of one that is known already: what it says changes in place. `path`: the nodes on the way,
   * the one that serves last. Where that is not the first, the offer claims no name, and stands only as long as the name is
   * free or its identity's.
   */
  add(
    upstream: Upstream,
    identity: string,
    cost: number,
    announcement: Announcement,
    path: readonly Hop[] = [],
  ): Added {
    return this.#add(upstream, identity, announcement, { cost, path, relay: false });
  }

  /**
   * Takes an offer that nobody made: this node may ask the router at the other end, which may find somebody. It claims no
   * name, and stands only as long as the name is free or that router's.
   */
  addRelay(upstream: Upstream, identity: string, cost: number, announcement: Announcement): Added {
    return this.#add(upstream, identity, announcement, { cost, path: [], relay: true });
  }

  #add(upstream: Upstream, identity: string, announcement: Announcement, { cost, path, relay }: Terms): Added {
    const invalid = checkAnnouncement(announcement);
    if (invalid !== undefined) return { kind: "refused", error: invalid };

    const { service } = announcement;
    const { payer } = upstream;
    const bytes = offerBytes(announcement, path);
    const known = this.#services.get(service)?.offerOf(upstream);
    if (known !== undefined) {
      const tooMuch = this.#budget.take(payer, service, known.chargedBytes, bytes);
      if (tooMuch !== undefined) return { kind: "refused", error: tooMuch };
      known.chargedBytes = bytes;
      const { health } = known;
      known.update(announcement, cost, path);
      this.#changed(this.#entry(service));
      return { kind: "added", offer: known, healthBefore: health };
    }

    const upstreamEntry = this.#upstreamEntry(upstream);
    const { offersPerUpstreamMax } = this.#options.limits;
    if (upstreamEntry.services.size >= offersPerUpstreamMax) {
      const message = `service "${service}" is past the ${offersPerUpstreamMax} offers that one link may make`;
      return { kind: "refused", error: new PolarityError("LINK_LIMIT", message) };
    }
    const tooMuch = this.#budget.take(payer, service, 0, bytes);
    if (tooMuch !== undefined) return { kind: "refused", error: tooMuch };
    const claims = !relay && path.length <= 1;
    const notOwned = claims ? this.#claims.claim(service, identity, payer) : this.#claims.check(service, identity);
    if (notOwned !== undefined) {
      this.#budget.giveBack(payer, bytes);
      return { kind: "refused", error: notOwned };
    }

    this.#forgetOld();
    const entry = this.#entry(service);
    if (!relay) this.#noteNaming(entry, announcement.byPath === true);
    if (claims && entry.hasClaimless) this.#dropClaimless(entry, identity);
    const offer = new Offer(upstream, identity, cost, announcement, upstreamEntry, entry.statistics, relay, path);
    offer.chargedBytes = bytes;
    upstreamEntry.services.add(service);
    this.#serviceNames.acquire(service);
    this.#nodeNames.acquire(upstream.node);
    entry.add(offer);
    this.#changed(entry);
    return { kind: "added", offer };
  }

  withdraw(upstream: Upstream, service: string): void {
    const entry = this.#services.get(service);
    const removed = entry?.remove(upstream);
    if (entry === undefined || removed === undefined) return;
    this.#upstreams.get(upstream)?.services.delete(service);
    this.#release(removed);
    this.#changed(entry);
  }

  /** The link or target is gone, with all of its offers. */
  removeUpstream(upstream: Upstream): void {
    const upstreamEntry = this.#upstreams.get(upstream);
    if (upstreamEntry === undefined) return;
    this.#upstreams.delete(upstream);
    // For sessions that still hold one of its offers.
    upstreamEntry.usable = false;
    upstreamEntry.why = "gone";
    const entries = [...upstreamEntry.services].map((service) => this.#entry(service));
    for (const entry of entries) {
      const removed = entry.remove(upstream);
      if (removed !== undefined) this.#release(removed);
    }
    for (const entry of entries) this.#changed(entry);
  }

  /** Whether new streams may be opened there; `why` not, for people: `suspect`, `draining`. */
  setUsable(upstream: Upstream, usable: boolean, why: string): void {
    const upstreamEntry = this.#upstreamEntry(upstream);
    const same = upstreamEntry.usable === usable;
    upstreamEntry.usable = usable;
    upstreamEntry.why = why;
    if (same) return;
    // Two rounds: a listener that picks must not find a service whose picker is older than the change.
    const entries = [...upstreamEntry.services].map((service) => this.#entry(service));
    for (const entry of entries) entry.changed();
    for (const entry of entries) this.#changed(entry);
  }

  /** The links on the way to an upstream cost something else than before. */
  setCosts(upstream: Upstream, costOf: (service: string) => number): void {
    const names = this.#upstreams.get(upstream)?.services ?? [];
    const entries = [...names].map((service) => this.#entry(service));
    for (const entry of entries) {
      entry.offerOf(upstream)?.setCost(costOf(entry.name));
      entry.changed();
    }
    for (const entry of entries) this.#changed(entry);
  }

  setHealth(offer: Offer, up: boolean): void {
    if ((offer.health === "up") === up) return;
    offer.setHealth(up ? "up" : "down");
    const entry = this.#services.get(offer.service);
    if (entry?.offerOf(offer.upstream) === offer) this.#changed(entry);
  }

  /** Configuration names the service: it is known even when nothing offers it, and is not forgotten. */
  declare(service: string): void {
    this.#entry(service).declared = true;
  }

  /** Configuration names it no more. */
  undeclare(service: string): void {
    const entry = this.#services.get(service);
    if (entry === undefined || !entry.declared) return;
    entry.declared = false;
    if (!this.#serviceNames.has(service, this.#now())) this.#services.delete(service);
  }

  /** True when the service is configured, offered, or was offered until a while ago; and the node, where one is given. */
  knows(service: string, node?: string): boolean {
    const entry = this.#services.get(service);
    // Asked for each request that names its service: what is offered now needs no look at what was.
    const there = entry !== undefined && (entry.declared || !entry.empty);
    if (!there && !this.#serviceNames.has(service, this.#now())) return false;
    return node === undefined || this.#nodeNames.has(node, this.#now());
  }

  /** Some service is found by its path alone. */
  get anyByPath(): boolean {
    return this.#byPath.size > 0;
  }

  /** The service is found by its path, or its domain and path, and not by a part of a host's name. */
  isByPath(service: string): boolean {
    return this.#byPath.has(service);
  }

  /** True when some offer of the service takes new streams, in whatever protocol. */
  usable(service: string): boolean {
    return this.#services.get(service)?.usable === true;
  }

  /**
   * Chooses an offer for one stream. `excluded`: offers tried before. `node`: only offers of that node.
   * `directOnly`: only offers that somebody made. The protocol must be the offer's own.
   */
  pick(
    service: string,
    protocol: StreamProtocol,
    excluded: readonly Offer[] | undefined,
    node?: string,
    directOnly = false,
  ): Picked {
    const offer = this.#services.get(service)?.pick(protocol, excluded, node, directOnly);
    return offer === undefined ? this.#none(service, protocol, node, directOnly) : offer.picked;
  }

  /** Every offer that takes streams now; as for `pick`. O(offers). */
  usableOffers(
    service: string,
    protocol: StreamProtocol,
    node: string | undefined,
    directOnly: boolean,
  ): readonly Offer[] {
    return this.#services.get(service)?.usableOffers(protocol, node, directOnly) ?? [];
  }

  /** Time passes; a few times a second will do. */
  tick(now: number): void {
    if (now - this.#rolledAt < BUDGET_ROLL_MS) return;
    this.#rolledAt = now;
    for (const { statistics } of this.#services.values()) statistics.retryBudget.roll(now, statistics.requests);
  }

  /** The offer that a client belongs to by its affinity; undefined when that is no more, and any other is as good. */
  pickNear(
    affinity: Affinity,
    service: string,
    protocol: StreamProtocol,
    excluded: readonly Offer[] | undefined,
  ): Offer | undefined {
    return this.#services.get(service)?.pickNear(affinity, protocol, excluded);
  }

  /** Counters of a known service; they live as long as the name is known. */
  statistics(service: string): ServiceStatistics | undefined {
    return this.#services.get(service)?.statistics;
  }

  /** Calls `listener` after each change of who serves a service or can. Returns what ends it. */
  watch(listener: (service: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Those of one service, in no order; O(offers). */
  offersOf(service: string): readonly Offer[] {
    return this.#services.get(service)?.offers ?? [];
  }

  /** For statistics and the admin API, by name. */
  services(): ServiceSnapshot[] {
    this.#forgetOld();
    return [...this.#services.values()]
      .map((entry) => ({
        name: entry.name,
        declared: entry.declared,
        owner: this.#claims.ownerOf(entry.name),
        offers: entry.offers,
        statistics: entry.statistics,
      }))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  #none(service: string, protocol: StreamProtocol, node: string | undefined, directOnly: boolean): Picked {
    if (!this.knows(service)) return { kind: "none", reason: "unknown", detail: "no connector has offered it" };
    return { kind: "none", ...this.#entry(service).explain(protocol, node, directOnly) };
  }

  /** The name has become `owner`'s: what only might be served by somebody else does not count any more. */
  #dropClaimless(entry: ServiceEntry, owner: string): void {
    for (const offer of entry.offers) {
      if (!offer.claims && offer.identity !== owner) this.withdraw(offer.upstream, entry.name);
    }
  }

  /** One offer by name is enough for a service to be found by name as well. */
  #noteNaming(entry: ServiceEntry, byPath: boolean): void {
    const firstEver = !this.#serviceNames.has(entry.name, this.#now());
    if (!byPath) this.#byPath.delete(entry.name);
    else if (firstEver) this.#byPath.add(entry.name);
  }

  #entry(service: string): ServiceEntry {
    let entry = this.#services.get(service);
    if (entry === undefined) {
      entry = new ServiceEntry(service, this.#options.random);
      this.#services.set(service, entry);
    }
    return entry;
  }

  #upstreamEntry(upstream: Upstream): UpstreamEntry {
    let entry = this.#upstreams.get(upstream);
    if (entry === undefined) {
      entry = { usable: true, why: "", services: new Set() };
      this.#upstreams.set(upstream, entry);
    }
    return entry;
  }

  #release({ upstream, service, chargedBytes }: Offer): void {
    const now = this.#now();
    const { payer, node } = upstream;
    this.#budget.giveBack(payer, chargedBytes);
    this.#serviceNames.release(service, now, payer);
    this.#nodeNames.release(node, now, payer);
    this.#forgetOld();
  }

  #forgetOld(): void {
    const now = this.#now();
    this.#nodeNames.prune(now, () => {});
    this.#serviceNames.prune(now, (service) => {
      this.#byPath.delete(service);
      if (this.#services.get(service)?.declared === false) this.#services.delete(service);
    });
  }

  #changed(entry: ServiceEntry): void {
    entry.changed();
    for (const listener of this.#listeners) {
      // One that fails keeps the change from no other.
      try {
        listener(entry.name);
      } catch (thrown) {
        internalError("task", thrown);
      }
    }
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
