/**
 * What keeps a client with one node of a service, and the offers of a service arranged to be found by it.
 *
 * Made at the first such pick after a change, O(offers). pick by id: O(offers of the node), by key: O(offers).
 */
import { hashText, hexOf, RendezvousPicker } from "../balance/rendezvous.ts";
import type { Offer } from "./offer.ts";

/** By the id that its client was given, or by the hash of a key that the client sent. */
export type Affinity =
  | { readonly kind: "node"; readonly service: string; readonly node: string }
  | { readonly kind: "key"; readonly hash: number };

/** A service's name as a client keeps it: the same in every process. */
export function serviceId(service: string): string {
  return hexOf(hashText(service));
}

/** An offer's service and node, as a client keeps them. */
export function affinityText({ service, nodeId }: Pick<Offer, "service" | "nodeId">): string {
  return `${serviceId(service)}.${nodeId}`;
}

const AFFINITY_TEXT = /^([0-9a-f]{8})\.([0-9a-f]{16})$/;

/** What a client brings back; anything else is a key that leads nowhere. */
export function parseAffinity(text: string): Affinity {
  const [, service = "", node = ""] = AFFINITY_TEXT.exec(text) ?? [];
  return { kind: "node", service, node };
}

export function keyAffinity(key: string): Affinity {
  return { kind: "key", hash: hashText(key) };
}

export class AffinityIndex {
  readonly #byKey: RendezvousPicker<Offer>;
  readonly #byNode: ReadonlyMap<string, readonly Offer[]>;

  /** `offers`: those of one service that can be used. */
  constructor(offers: readonly Offer[]) {
    this.#byKey = new RendezvousPicker(offers, ({ upstream }) => upstream.node);
    this.#byNode = Map.groupBy(offers, ({ nodeId }) => nodeId);
  }

  pick(affinity: Affinity, excluded: readonly Offer[] | undefined): Offer | undefined {
    if (affinity.kind === "key") return this.#byKey.pick(affinity.hash, excluded);
    let least: Offer | undefined;
    for (const offer of this.#byNode.get(affinity.node) ?? []) {
      if (excluded?.includes(offer) === true) continue;
      if (least === undefined || offer.outstanding < least.outstanding) least = offer;
    }
    return least;
  }
}
