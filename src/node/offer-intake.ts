/** What peers offer and take back, on its way into the registry: what is refused is counted, logged, and told to the peer. */
import type { PolarityError } from "../base/errors.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { Upstream } from "../base/upstream.ts";
import type { Link } from "../link/link.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import type { Registry } from "../registry/registry.ts";
import type { ObservedLinks } from "./node-observer.ts";
import type { PathOffers } from "./path-offers.ts";

export interface OfferIntakeOptions {
  readonly registry: Registry;
  readonly quiet: QuietLog;
  readonly pathOffers: PathOffers;
  readonly observed: ObservedLinks | undefined;
  suspect(upstream: Upstream): void;
}

export class OfferIntake {
  readonly #options: OfferIntakeOptions;
  refusedTotal = 0;

  constructor(options: OfferIntakeOptions) {
    this.#options = options;
  }

  offered(link: Link, announcement: Announcement, onward: OnwardPath | undefined): void {
    const { registry, pathOffers, observed } = this.#options;
    if (onward !== undefined) {
      const outcome = pathOffers.offered(link, announcement, onward);
      if (outcome?.kind === "down") this.#options.suspect(outcome.upstream);
      if (outcome?.kind !== "refused") return;
      link.dropOffer(announcement.service, onward.hops.at(-1)?.instance);
      // A name that is somebody else's here is the usual case of what others pass on, and nobody's fault.
      if (outcome.error.code !== "NAME_TAKEN") this.#refused(link, announcement, outcome.error);
      return;
    }
    const { node, instance, identity } = link.peer;
    const added = registry.add(link, identity, link.cost, announcement, [{ node, instance }]);
    if (added.kind === "added") {
      observed?.offered(link, announcement);
      if (added.healthBefore !== undefined && added.healthBefore !== announcement.health)
        this.#healthChanged(link, announcement);
      return;
    }
    link.dropOffer(announcement.service, undefined);
    this.#refused(link, announcement, added.error);
  }

  withdrawn(link: Link, service: string, origin: string | undefined): void {
    const { registry, pathOffers, observed } = this.#options;
    if (origin === undefined) {
      registry.withdraw(link, service);
      observed?.withdrawn(link, service);
    } else pathOffers.withdrawn(link, service, origin);
  }

  #healthChanged(link: Link, { service, health }: Announcement): void {
    const message = `service "${service}" of node "${link.node}" is ${health}${health === "up" ? " again" : ", by its own health check"}`;
    const fields = { link: link.id, node: link.node, service, up: health === "up" };
    this.#options.quiet.log(`health-of ${link.node} ${service} ${health}`, "info", fields, message);
  }

  #refused(link: Link, { service }: Announcement, error: PolarityError): void {
    this.refusedTotal++;
    // What is past a limit is mostly past it with every further offer.
    const subject = error.code === "LINK_LIMIT" ? "" : ` ${service}`;
    this.#options.quiet.log(
      `refused-offer ${link.node}${subject} ${error.code}`,
      "warn",
      { link: link.id, node: link.node, service, code: error.code },
      `an offer of node "${link.node}" is refused: ${error.message}`,
    );
    this.#options.observed?.refused(error);
    link.notify(error);
  }
}
