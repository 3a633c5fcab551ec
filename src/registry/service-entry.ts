/**
 * The offers of one service, with a picker for each protocol (and node) that is asked for.
 *
 * Pickers are made at the first pick after a change: a burst of changes costs one rebuild, O(offers).
 */
import { createPicker } from "../balance/cost-tiers.ts";
import type { Picker } from "../balance/picker.ts";
import type { StreamProtocol, Upstream } from "../base/upstream.ts";
import { type Affinity, AffinityIndex } from "./affinity.ts";
import type { NoneReason, Offer } from "./offer.ts";
import { ServiceStatistics } from "./service-statistics.ts";

export class ServiceEntry {
  readonly name: string;
  readonly statistics = new ServiceStatistics();
  /** Configuration names it, so it is known even when nothing offers it. */
  declared = false;
  #claimless = 0;
  readonly #random: () => number;
  readonly #offers = new Map<Upstream, Offer>();
  readonly #pickers: Pickers = { any: new Map(), byNode: new Map() };
  /** For what must not be relayed. */
  readonly #directPickers: Pickers = { any: new Map(), byNode: new Map() };

  readonly #affinities = new Map<StreamProtocol, AffinityIndex>();

  constructor(name: string, random: () => number) {
    this.name = name;
    this.#random = random;
  }

  get offers(): readonly Offer[] {
    return [...this.#offers.values()];
  }

  /** Some offer claims no name: others pass it on, or might find somebody. */
  get hasClaimless(): boolean {
    return this.#claimless > 0;
  }

  get empty(): boolean {
    return this.#offers.size === 0;
  }

  get usable(): boolean {
    return this.offers.some((offer) => offer.usable);
  }

  offerOf(upstream: Upstream): Offer | undefined {
    return this.#offers.get(upstream);
  }

  add(offer: Offer): void {
    this.#offers.set(offer.upstream, offer);
    if (!offer.claims) this.#claimless++;
    this.changed();
  }

  remove(upstream: Upstream): Offer | undefined {
    const removed = this.#offers.get(upstream);
    if (removed === undefined) return undefined;
    this.#offers.delete(upstream);
    if (!removed.claims) this.#claimless--;
    this.changed();
    return removed;
  }

  /** Membership, weight, protocol, health or usability is not what the pickers were made of. */
  changed(): void {
    for (const { any, byNode } of [this.#pickers, this.#directPickers]) {
      any.clear();
      byNode.clear();
    }
    this.#affinities.clear();
  }

  pick(
    protocol: StreamProtocol,
    excluded: readonly Offer[] | undefined,
    node: string | undefined,
    directOnly: boolean,
  ): Offer | undefined {
    const picker =
      node === undefined ? this.#picker(protocol, directOnly) : this.#nodePicker(protocol, node, directOnly);
    return picker.pick(excluded);
  }

  pickNear(affinity: Affinity, protocol: StreamProtocol, excluded: readonly Offer[] | undefined): Offer | undefined {
    let index = this.#affinities.get(protocol);
    if (index === undefined) {
      index = new AffinityIndex(this.usableOffers(protocol, undefined, false));
      this.#affinities.set(protocol, index);
    }
    return index.pick(affinity, excluded);
  }

  /** Why `pick` found nothing. */
  explain(
    protocol: StreamProtocol,
    node: string | undefined,
    directOnly: boolean,
  ): { reason: NoneReason; detail: string } {
    const there = this.offers.filter((offer) => offer.reaches(node) && !(directOnly && offer.relay));
    if (there.length === 0) {
      return {
        reason: "empty",
        detail: node === undefined ? "no connector offers it" : `node "${node}" does not offer it`,
      };
    }
    const fitting = there.filter((offer) => offer.protocol === protocol);
    if (fitting.length === 0) {
      return { reason: "unusable", detail: `offered ${describeProtocols(there)}, not as ${protocol}` };
    }
    return {
      reason: fitting.some((offer) => offer.usable) ? "exhausted" : "unusable",
      detail: describe(fitting.map((offer) => (offer.usable ? "tried" : offer.unusableReason))),
    };
  }

  #picker(protocol: StreamProtocol, directOnly: boolean): Picker<Offer> {
    const { any } = directOnly ? this.#directPickers : this.#pickers;
    let picker = any.get(protocol);
    if (picker === undefined) {
      picker = createPicker(this.usableOffers(protocol, undefined, directOnly), this.#random);
      any.set(protocol, picker);
    }
    return picker;
  }

  #nodePicker(protocol: StreamProtocol, node: string, directOnly: boolean): Picker<Offer> {
    const { byNode } = directOnly ? this.#directPickers : this.#pickers;
    let pickers = byNode.get(protocol);
    if (pickers === undefined) {
      pickers = new Map();
      byNode.set(protocol, pickers);
    }
    let picker = pickers.get(node);
    if (picker === undefined) {
      picker = createPicker(this.usableOffers(protocol, node, directOnly), this.#random);
      // Clients choose the node: a picker is kept only where that node offers something.
      if (this.#offersOf(node)) pickers.set(node, picker);
    }
    return picker;
  }

  #offersOf(node: string): boolean {
    return this.offers.some((offer) => offer.upstream.node === node);
  }

  usableOffers(protocol: StreamProtocol, node: string | undefined, directOnly: boolean): Offer[] {
    return this.offers.filter(
      (offer) => offer.usable && offer.protocol === protocol && offer.reaches(node) && !(directOnly && offer.relay),
    );
  }
}

/** By protocol: for any node, and by the node that was asked for. */
interface Pickers {
  readonly any: Map<StreamProtocol, Picker<Offer>>;
  readonly byNode: Map<StreamProtocol, Map<string, Picker<Offer>>>;
}

/** Nodes that are named in one reason. */
const NAMED_MAX = 3;

/** `as tcp by node "a"`, `as tcp by nodes "a" and "b", and as udp by node "c"`. */
function describeProtocols(offers: readonly Offer[]): string {
  const groups = [...Map.groupBy(offers, (offer) => offer.protocol)].sort(([left], [right]) => (left < right ? -1 : 1));
  return groups
    .map(([protocol, same]) => {
      const nodes = [...new Set(same.map(({ upstream }) => JSON.stringify(upstream.node)))];
      const named = nodes.slice(0, NAMED_MAX);
      if (nodes.length > NAMED_MAX) named.push(`${nodes.length - NAMED_MAX} more`);
      return `as ${protocol} by node${nodes.length > 1 ? "s" : ""} ${named.join(" and ")}`;
    })
    .join(", and ");
}

/** `1 connector, down`, `2 connectors, both draining`, `3 connectors: 2 tried, 1 down`. */
function describe(states: readonly string[]): string {
  const count = states.length;
  const connectors = count === 1 ? "1 connector" : `${count} connectors`;
  const groups = [...Map.groupBy(states, (state) => state)];
  if (groups.length > 1) {
    return `${connectors}: ${groups.map(([state, same]) => `${same.length} ${state}`).join(", ")}`;
  }
  const quantity = count === 1 ? "" : count === 2 ? "both " : "all ";
  return `${connectors}, ${quantity}${states[0]}`;
}
