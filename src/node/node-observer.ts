/** What a program around a node may be told as it happens. Nothing is gathered for it when there is no observer. */
import type { PolarityError } from "../base/errors.ts";
import type { Link, LinkState } from "../link/link.ts";
import type { Announcement } from "../registry/announcement.ts";
import { viewLink } from "./traffic-view.ts";
import type { LinkView } from "./view.ts";

/** One node's offer of a service, as it comes or goes. */
export interface OfferChange {
  readonly service: string;
  /** Who offers it. */
  readonly node: string;
  /** The link it came over; null for a service of this node. */
  readonly link: string | null;
  readonly protocol: Announcement["protocol"];
  readonly weight: number;
  readonly health: "up" | "down";
}

export interface NodeObserver {
  linkUp(link: LinkView): void;
  linkChanged(link: LinkView, state: LinkState): void;
  linkDown(link: LinkView, error: PolarityError): void;
  /** An attempt to link to `url` failed; it is repeated by itself. */
  dialFailed(url: string, error: PolarityError): void;
  /** Called again when weight, protocol or health change. */
  offerAdded(offer: OfferChange): void;
  offerRemoved(offer: OfferChange): void;
  /** A peer's offer was refused. */
  failed(error: PolarityError): void;
}

/** Remembers which offers the observer was told of, so that each one that came also goes. */
export class ObservedLinks {
  readonly #observer: NodeObserver;
  readonly #node: string;
  /** By link; under null those of this node. */
  readonly #offers = new Map<Link | null, Map<string, OfferChange>>();

  constructor(observer: NodeObserver, node: string) {
    this.#observer = observer;
    this.#node = node;
  }

  joined(link: Link): void {
    this.#observer.linkUp(viewLink(link));
  }

  stateChanged(link: Link, state: LinkState): void {
    this.#observer.linkChanged(viewLink(link), state);
  }

  closed(link: Link, error: PolarityError): void {
    for (const service of this.#offers.get(link)?.keys() ?? []) this.withdrawn(link, service);
    this.#offers.delete(link);
    this.#observer.linkDown(viewLink(link), error);
  }

  dialFailed(url: string, error: PolarityError): void {
    this.#observer.dialFailed(url, error);
  }

  offered(link: Link | null, { service, protocol, weight, health }: Announcement): void {
    const offer = { service, node: link?.node ?? this.#node, link: link?.id ?? null, protocol, weight, health };
    let offers = this.#offers.get(link);
    if (offers === undefined) {
      offers = new Map();
      this.#offers.set(link, offers);
    }
    offers.set(service, offer);
    this.#observer.offerAdded(offer);
  }

  refused(error: PolarityError): void {
    this.#observer.failed(error);
  }

  withdrawn(link: Link | null, service: string): void {
    const offers = this.#offers.get(link);
    const offer = offers?.get(service);
    if (offer === undefined) return;
    offers?.delete(service);
    this.#observer.offerRemoved(offer);
  }
}
