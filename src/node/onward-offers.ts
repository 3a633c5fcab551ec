/**
 * What this node passes on: to each peer that may ask it to relay, the offers that others made it.
 *
 * An offer goes with the path to who serves, and never to a node that is on that path, so that no loop can form and a
 * withdrawal needs no counting: whoever hears of it loses just what led there. Of several ways to one origin the cheapest is
 * told, then the shortest. One whose link fell silent is told to be down, so that what waits for it moves at once; what
 * drains is withdrawn, and ends in peace. Changes of one turn are told together, at a pace that peers permit: O(offers of the service) for
 * each peer.
 */
import { hash } from "node:crypto";
import { guarded } from "../base/internal-error.ts";
import type { Clock } from "../base/clock.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import { PATHS_FEATURE } from "../link/features.ts";
import type { Link } from "../link/link.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import type { Offer } from "../registry/offer.ts";
import type { Registry } from "../registry/registry.ts";
import { isBusy } from "./cranker-offers.ts";

export interface OnwardOffersOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly quiet: QuietLog;
  /** Links on the way from here to an app, at most. */
  readonly hopsMax: number;
}

/** By service, by the instance that serves: what was said last. */
type Told = Map<string, Map<string, string>>;

/** Peers take 10,000 offers over a link; this leaves room for our own. */
const OFFERS_MAX = 8_000;
/** Half of what peers permit, so that our own offers and errors have room. */
const LINES_BURST = 10_000;
const LINES_PER_MS = 0.5;

export class OnwardOffers {
  readonly #options: OnwardOffersOptions;
  readonly #peers = new Map<Link, OnwardPeer>();
  readonly #stopWatching: () => void;
  #flushing: NodeJS.Immediate | undefined;
  #stopped = false;

  constructor(options: OnwardOffersOptions) {
    this.#options = options;
    this.#stopWatching = options.registry.watch((service) => this.#changed(service));
  }

  /** A peer that may ask this node to relay. */
  joined(link: Link): void {
    if (this.#stopped || !link.peer.features.includes(PATHS_FEATURE)) return;
    const peer = new OnwardPeer(link, this.#options);
    this.#peers.set(link, peer);
    for (const { name } of this.#options.registry.services()) peer.dirty.add(name);
    this.#schedule();
  }

  closed(link: Link): void {
    this.#peers.delete(link);
  }

  /** What waited for the pace goes on. */
  tick(): void {
    for (const peer of this.#peers.values()) peer.flush();
  }

  /** Takes everything back, and says nothing more. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopWatching();
    clearImmediate(this.#flushing);
    for (const peer of this.#peers.values()) peer.withdrawAll();
    this.#peers.clear();
  }

  #changed(service: string): void {
    if (this.#peers.size === 0) return;
    for (const peer of this.#peers.values()) peer.dirty.add(service);
    this.#schedule();
  }

  #schedule(): void {
    this.#flushing ??= setImmediate(() => {
      this.#flushing = undefined;
      guarded("timer", () => this.tick());
    });
  }
}

class OnwardPeer {
  /** Services of which something changed that the peer may have to know. */
  readonly dirty = new Set<string>();
  readonly #link: Link;
  readonly #options: OnwardOffersOptions;
  readonly #told: Told = new Map();
  #count = 0;
  #full = false;
  #allowance = LINES_BURST;
  #allowanceAt: number;

  constructor(link: Link, options: OnwardOffersOptions) {
    this.#link = link;
    this.#options = options;
    this.#allowanceAt = options.clock.now();
  }

  flush(): void {
    if (this.dirty.size === 0) return;
    const now = this.#options.clock.now();
    this.#allowance = Math.min(LINES_BURST, this.#allowance + (now - this.#allowanceAt) * LINES_PER_MS);
    this.#allowanceAt = now;
    for (const service of this.dirty) {
      // Lines for a peer that does not read would be kept, and others choose how many and how long they are.
      if (this.#allowance < 1 || this.#link.deaf) return;
      this.dirty.delete(service);
      this.#tell(service);
    }
  }

  withdrawAll(): void {
    for (const [service, origins] of this.#told) {
      for (const origin of origins.keys()) this.#link.withdraw(service, origin);
    }
    this.#told.clear();
  }

  #tell(service: string): void {
    const best = this.#bestWays(service);
    const told = this.#told.get(service) ?? new Map<string, string>();
    for (const origin of told.keys()) {
      if (best.has(origin)) continue;
      told.delete(origin);
      this.#count--;
      this.#allowance--;
      this.#link.withdraw(service, origin);
    }
    for (const [origin, offer] of best) {
      const announcement = announcementOf(offer);
      const onward: OnwardPath = { hops: offer.path, cost: offer.linksCost };
      // Their digest alone is kept, as this is for each offer and each peer.
      const words = hash("sha256", JSON.stringify([announcement, onward]), "base64url");
      const before = told.get(origin);
      if (before === words || (before === undefined && !this.#hasRoom())) continue;
      if (before === undefined) this.#count++;
      told.set(origin, words);
      this.#allowance--;
      this.#link.offer(announcement, onward);
    }
    if (told.size > 0) this.#told.set(service, told);
    else this.#told.delete(service);
  }

  /** By origin. */
  #bestWays(service: string): ReadonlyMap<string, Offer> {
    const { registry, hopsMax } = this.#options;
    const { instance } = this.#link.peer;
    const best = new Map<string, Offer>();
    for (const offer of registry.offersOf(service)) {
      const { path } = offer;
      const origin = path.at(-1)?.instance;
      if (origin === undefined || !(mayServe(offer) || isSilent(offer)) || path.length + 1 > hopsMax) continue;
      if (path.some((hop) => hop.instance === instance)) continue;
      const other = best.get(origin);
      if (other === undefined || isBetter(offer, other)) best.set(origin, offer);
    }
    return best;
  }

  #hasRoom(): boolean {
    if (this.#count < OFFERS_MAX) return true;
    if (!this.#full) {
      const { id, node } = this.#link;
      this.#options.quiet.log(
        `told-no-more ${node}`,
        "warn",
        { link: id, node },
        `node "${node}" is told of ${OFFERS_MAX} offers of other nodes, and of no more`,
      );
    }
    this.#full = true;
    return false;
  }
}

function announcementOf(offer: Offer): Announcement {
  const { service, weight, protocol, labels, fanOut, byPath } = offer;
  return { service, weight, protocol, labels, health: mayServe(offer) ? "up" : "down", fanOut, byPath };
}

/** What is busy is not told at each request: who is sent here for it waits. */
function mayServe(offer: Offer): boolean {
  return offer.usable || isBusy(offer);
}

/** The link to it is, or one further on is said to be. */
function isSilent({ unusableReason, path }: Offer): boolean {
  return unusableReason === "suspect" || (unusableReason === "down" && path.length > 1);
}

function isBetter(offer: Offer, other: Offer): boolean {
  return offer.usable === other.usable ? offer.cost < other.cost : offer.usable;
}
