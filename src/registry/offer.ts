/** One node's offer of one service over one upstream, as sessions see it. */
import type { FanOutPolicy } from "../base/fan-out-policy.ts";
import type { StreamProtocol, Upstream } from "../base/upstream.ts";
import type { Candidate } from "../balance/picker.ts";
import { opaqueId } from "../balance/rendezvous.ts";
import type { Announcement, Hop } from "./announcement.ts";
import type { ServiceStatistics } from "./service-statistics.ts";

/**
 * - `unknown`: nobody knows the service.
 * - `empty`: known, but nothing offers it (or not on the node that was asked for).
 * - `unusable`: offered, but by nothing that can serve now or in this protocol.
 * - `exhausted`: everything that can serve is excluded.
 */
export type NoneReason = "unknown" | "empty" | "unusable" | "exhausted";

export type Picked =
  | { readonly kind: "picked"; readonly offer: Offer }
  /** `detail` is for people: `2 connectors, both draining`. */
  | { readonly kind: "none"; readonly reason: NoneReason; readonly detail: string };

/** Whether streams may be opened on an upstream; shared by all of its offers. */
export interface Usability {
  readonly usable: boolean;
  /** When it is not usable: `suspect`, `draining`. */
  readonly why: string;
}

/** Less, for any number of hops that a path may have, than a difference of costs. */
const HOP_COST = 1 / 64;

export class Offer implements Candidate {
  readonly service: string;
  readonly upstream: Upstream;
  /** Who the peer proved to be; `local` for targets of this node. */
  readonly identity: string;
  /** It leads to a router that finds somebody who offers the service: any node's name will do, and the name is not claimed. */
  readonly relay: boolean;
  /** Counters of the whole service. */
  readonly statistics: ServiceStatistics;
  /** The answer of a pick that chose this offer, made once so that picking allocates nothing. */
  readonly picked: Picked = { kind: "picked", offer: this };
  /** Streams under way; counted by `begin` and `finish`. */
  outstanding = 0;
  requestsTotal = 0;
  failuresTotal = 0;
  /** What it takes of its payer's budget; the registry's to set. */
  chargedBytes = 0;
  readonly #usability: Usability;
  #announcement: Announcement;
  #health: "up" | "down";
  /** Out of the announcement, because picks read it: with many offers each object more to visit is felt. */
  #weight: number;
  #cost: number;
  #path: readonly Hop[];
  #nodeId: string | undefined;

  constructor(
    upstream: Upstream,
    identity: string,
    cost: number,
    announcement: Announcement,
    usability: Usability,
    statistics: ServiceStatistics,
    relay = false,
    path: readonly Hop[] = [],
  ) {
    this.service = announcement.service;
    this.upstream = upstream;
    this.identity = identity;
    this.#cost = cost;
    this.#path = path;
    this.relay = relay;
    this.statistics = statistics;
    this.#usability = usability;
    this.#announcement = announcement;
    this.#health = announcement.health;
    this.#weight = announcement.weight;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Of all links on the way, together. */
  get linksCost(): number {
    return this.#cost;
  }

  /** What picks go by: of ways that cost the same, the shorter. */
  get cost(): number {
    return this.#cost + Math.max(0, this.#path.length - 1) * HOP_COST;
  }

  /** The nodes on the way, the one that serves last; empty for what this node serves, and for a relay. */
  get path(): readonly Hop[] {
    return this.#path;
  }

  /** The name is its node's to offer; what others pass on, or might find, claims none. */
  get claims(): boolean {
    return !this.relay && this.#path.length <= 1;
  }

  /** How its node wants sessions spread over all who offer the service; undefined: not at all. */
  get fanOut(): FanOutPolicy | undefined {
    return this.#announcement.fanOut;
  }

  get protocol(): StreamProtocol {
    return this.#announcement.protocol;
  }

  /** It is found by its path, or by its domain and path. */
  get byPath(): boolean {
    return this.#announcement.byPath === true;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#announcement.labels;
  }

  get health(): "up" | "down" {
    return this.#health;
  }

  /** Its node's name, of no use to who does not know it, and the same in every process: clients may keep it. */
  get nodeId(): string {
    this.#nodeId ??= opaqueId(`${this.service}\n${this.upstream.node}`);
    return this.#nodeId;
  }

  /** True when new streams may go there. */
  get usable(): boolean {
    return this.#health === "up" && this.#usability.usable;
  }

  /** True when a stream for `node` may go there. */
  reaches(node: string | undefined): boolean {
    return node === undefined || this.relay || this.upstream.node === node;
  }

  /** Why it is not usable: `draining`, `suspect`, `down`; empty when it is. */
  get unusableReason(): string {
    if (!this.#usability.usable) return this.#usability.why;
    return this.#health === "up" ? "" : "down";
  }

  /** A session opens a stream. Owes exactly one `finish`. */
  begin(): void {
    this.outstanding++;
    this.requestsTotal++;
  }

  finish(failed: boolean): void {
    this.outstanding--;
    if (failed) this.failuresTotal++;
  }

  /** The registry's to call, which then makes pickers again: the offer was announced anew. */
  update(announcement: Announcement, cost: number, path: readonly Hop[]): void {
    this.#cost = cost;
    this.#path = path;
    this.#announcement = announcement;
    this.#health = announcement.health;
    this.#weight = announcement.weight;
  }

  /** The registry's to call, as `update`. */
  setHealth(health: "up" | "down"): void {
    this.#health = health;
  }

  /** The registry's to call, as `update`. */
  setCost(cost: number): void {
    this.#cost = cost;
  }
}
