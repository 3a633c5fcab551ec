/**
 * The offers of one service, with a picker for each protocol (and node) that is asked for.
 *
 * Pickers are made at the first pick after a change: a burst of changes costs one rebuild, O(offers).
 */
import { createPicker } from "../balance/cost-tiers.ts";
import type { Picker } from "../balance/picker.ts";
import type { StreamProtocol, Upstream } from "../base/upstream.ts";
import type { NoneReason, Offer } from "./offer.ts";
import { ServiceStatistics } from "./service-statistics.ts";

export class ServiceEntry {
  readonly name: string;
  readonly statistics = new ServiceStatistics();
  /** Configuration names it, so it is known even when nothing offers it. */
  declared = false;
  readonly #random: () => number;
  readonly #offers = new Map<Upstream, Offer>();
  readonly #pickers = new Map<StreamProtocol, Picker<Offer>>();
  readonly #nodePickers = new Map<StreamProtocol, Map<string, Picker<Offer>>>();

  constructor(name: string, random: () => number) {
    this.name = name;
    this.#random = random;
  }

  get offers(): readonly Offer[] {
    return [...this.#offers.values()];
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
    this.changed();
  }

  remove(upstream: Upstream): boolean {
    const removed = this.#offers.delete(upstream);
    if (removed) this.changed();
    return removed;
  }

  /** Membership, weight, protocol, health or usability is not what the pickers were made of. */
  changed(): void {
    this.#pickers.clear();
    this.#nodePickers.clear();
  }

  pick(protocol: StreamProtocol, excluded: readonly Offer[] | undefined, node: string | undefined): Offer | undefined {
    const picker = node === undefined ? this.#picker(protocol) : this.#nodePicker(protocol, node);
    return picker.pick(excluded);
  }

  /** Why `pick` found nothing. */
  explain(protocol: StreamProtocol, node: string | undefined): { reason: NoneReason; detail: string } {
    const there = this.offers.filter((offer) => node === undefined || offer.upstream.node === node);
    if (there.length === 0) {
      return {
        reason: "empty",
        detail: node === undefined ? "no connector offers it" : `node "${node}" does not offer it`,
      };
    }
    const fitting = there.filter((offer) => offer.protocol === protocol);
    if (fitting.length === 0) {
      const protocols = [...new Set(there.map((offer) => offer.protocol))].sort().join(" and ");
      return { reason: "unusable", detail: `offered as ${protocols}, not as ${protocol}` };
    }
    return {
      reason: fitting.some((offer) => offer.usable) ? "exhausted" : "unusable",
      detail: describe(fitting.map((offer) => (offer.usable ? "tried" : offer.unusableReason))),
    };
  }

  #picker(protocol: StreamProtocol): Picker<Offer> {
    let picker = this.#pickers.get(protocol);
    if (picker === undefined) {
      picker = createPicker(this.#usableOffers(protocol, undefined), this.#random);
      this.#pickers.set(protocol, picker);
    }
    return picker;
  }

  #nodePicker(protocol: StreamProtocol, node: string): Picker<Offer> {
    let pickers = this.#nodePickers.get(protocol);
    if (pickers === undefined) {
      pickers = new Map();
      this.#nodePickers.set(protocol, pickers);
    }
    let picker = pickers.get(node);
    if (picker === undefined) {
      picker = createPicker(this.#usableOffers(protocol, node), this.#random);
      // Clients choose the node: a picker is kept only where there is something to pick.
      if (picker.size > 0) pickers.set(node, picker);
    }
    return picker;
  }

  #usableOffers(protocol: StreamProtocol, node: string | undefined): Offer[] {
    return this.offers.filter(
      (offer) => offer.usable && offer.protocol === protocol && (node === undefined || offer.upstream.node === node),
    );
  }
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
