/** Keeps the registry true to what cranker connectors serve. */
import type { PolarityError } from "../base/errors.ts";
import { type CrankerConnector, NO_IDLE_SOCKET } from "../cranker/connector.ts";
import type { CrankerEvents } from "../cranker/cranker-gate.ts";
import type { Preamble } from "../link/preamble.ts";
import type { Announcement } from "../registry/announcement.ts";
import type { Offer } from "../registry/offer.ts";
import type { Registry } from "../registry/registry.ts";

/** How long a stream that other routers sent here waits for a connector of 1.0 to open another socket. */
const BUSY_WAIT_MS = 5_000;

export class CrankerOffers implements CrankerEvents {
  readonly #registry: Registry;
  readonly #instance: string;

  /** `instance`: of this node. */
  constructor(registry: Registry, instance: string) {
    this.#registry = registry;
    this.#instance = instance;
  }

  joined(connector: CrankerConnector): PolarityError | undefined {
    const { identity, service, route, domain, instance } = connector;
    // Its first socket is not there yet.
    this.#registry.setUsable(connector, false, "joining");
    const announcement: Announcement = {
      service,
      weight: 1,
      protocol: "http/1.1",
      labels: { route, domain, connectorInstanceID: instance },
      health: "up",
      byPath: true,
    };
    // To other routers it is a node behind this one. What it says of its instance could be another's, so it is not that.
    const hop = { node: connector.node, instance: `${this.#instance}/${connector.id}` };
    const added = this.#registry.add(connector, identity, 0, announcement, [hop]);
    return added.kind === "refused" ? added.error : undefined;
  }

  usable(connector: CrankerConnector, usable: boolean, why: string): void {
    this.#registry.setUsable(connector, usable, why);
  }

  left(connector: CrankerConnector): void {
    this.#registry.removeUpstream(connector);
  }
}

/** It serves, and all of its sockets are taken for this moment. */
export function isBusy(offer: Offer): boolean {
  return offer.unusableReason === NO_IDLE_SOCKET;
}

/** A stream that was sent here because of an offer does not wait for another, but for a connector that is busy it does. */
export function waitingForBusy(registry: Registry, preamble: Preamble): Preamble {
  const waits = preamble.waitMs === 0 && registry.offersOf(preamble.service).some(isBusy);
  return waits ? { ...preamble, waitMs: BUSY_WAIT_MS } : preamble;
}
