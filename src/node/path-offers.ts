/**
 * What other nodes pass on to this one: offers that lead over the link's peer to a node behind it.
 *
 * Each origin behind a link is an upstream of its own, so that a session can ask for a node, weights count for each, and
 * one that goes takes nothing else along. An offer that would lead back here, or too far, counts as withdrawn.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Logger } from "../base/clock.ts";
import type { PolarityError } from "../base/errors.ts";
import type { StreamRequest, Upstream } from "../base/upstream.ts";
import type { NodeConfig } from "../config/node-config.ts";
import type { Link, LinkState } from "../link/link.ts";
import type { Announcement, Hop, OnwardPath } from "../registry/announcement.ts";
import type { Registry } from "../registry/registry.ts";

export interface PathOffersOptions {
  readonly registry: Registry;
  /** Of this node. */
  readonly instance: string;
  /** Links on the way from here to an app, at most. */
  readonly hopsMax: number;
  readonly logger: Logger;
}

export type PathOffered =
  /** It went down just now: what waits for it may look elsewhere. */
  { readonly kind: "down"; readonly upstream: Upstream } | { readonly kind: "refused"; readonly error: PolarityError };

export class PathOffers {
  readonly #options: PathOffersOptions;
  /** By the instance at the end of the path. */
  readonly #links = new Map<Link, Map<string, PathUpstream>>();

  constructor(options: PathOffersOptions) {
    this.#options = options;
  }

  offered(link: Link, announcement: Announcement, { hops, cost }: OnwardPath): PathOffered | undefined {
    const { registry, instance, hopsMax, logger } = this.#options;
    const { service } = announcement;
    const { node, instance: peer, identity } = link.peer;
    const origin = hops.at(-1)!;
    const circular = hops.some((hop) => hop.instance === instance || hop.instance === peer);
    if (circular || hops.length + 1 > hopsMax) {
      this.withdrawn(link, service, origin.instance);
      return undefined;
    }
    const upstream = this.#upstreamFor(link, origin);
    const path = [{ node, instance: peer }, ...hops];
    registry.setUsable(upstream, link.state === "up", link.state);
    const added = registry.add(upstream, identity, link.cost + cost, announcement, path);
    if (added.kind === "added") {
      const wasUp = upstream.ways.get(service)?.up === true;
      const up = announcement.health === "up";
      upstream.ways.set(service, { path, cost, up });
      return wasUp && !up ? { kind: "down", upstream } : undefined;
    }
    logger.debug({ link: link.id, node, service, code: added.error.code }, added.error.message);
    // What it offered before is not true any more either.
    registry.withdraw(upstream, service);
    this.#forget(link, upstream, service);
    return { kind: "refused", error: added.error };
  }

  withdrawn(link: Link, service: string, origin: string): void {
    const upstream = this.#links.get(link)?.get(origin);
    if (upstream === undefined) return;
    this.#options.registry.withdraw(upstream, service);
    this.#forget(link, upstream, service);
  }

  stateChanged(link: Link, state: LinkState): void {
    for (const upstream of this.upstreamsOf(link)) this.#options.registry.setUsable(upstream, state === "up", state);
  }

  costChanged(link: Link): void {
    for (const upstream of this.upstreamsOf(link)) {
      const { ways } = upstream;
      this.#options.registry.setCosts(upstream, (service) => link.cost + (ways.get(service)?.cost ?? 0));
    }
  }

  closed(link: Link): void {
    for (const upstream of this.upstreamsOf(link)) this.#options.registry.removeUpstream(upstream);
    this.#links.delete(link);
  }

  upstreamsOf(link: Link): readonly PathUpstream[] {
    return [...(this.#links.get(link)?.values() ?? [])];
  }

  #upstreamFor(link: Link, origin: Hop): PathUpstream {
    let upstreams = this.#links.get(link);
    if (upstreams === undefined) {
      upstreams = new Map();
      this.#links.set(link, upstreams);
    }
    let upstream = upstreams.get(origin.instance);
    if (upstream === undefined) {
      upstream = new PathUpstream(link, origin.node, origin.instance, this.#options.instance);
      upstreams.set(origin.instance, upstream);
    }
    return upstream;
  }

  #forget(link: Link, upstream: PathUpstream, service: string): void {
    upstream.ways.delete(service);
    if (upstream.ways.size === 0) this.#links.get(link)?.delete(upstream.origin);
  }
}

interface Way {
  readonly path: readonly Hop[];
  /** Without the first link's. */
  readonly cost: number;
  readonly up: boolean;
}

class PathUpstream implements Upstream {
  readonly linked = true;
  /** The one that serves, whoever passes on. */
  readonly node: string;
  readonly origin: string;
  readonly ways = new Map<string, Way>();
  readonly #link: Link;
  readonly #self: string;

  constructor(link: Link, node: string, origin: string, self: string) {
    this.#link = link;
    this.node = node;
    this.origin = origin;
    this.#self = self;
  }

  get payer(): string | undefined {
    return this.#link.payer;
  }

  get confirms(): boolean {
    return this.#link.confirms === true;
  }

  refusal(request: StreamRequest): PolarityError | undefined {
    return this.#link.refusal?.(request);
  }

  open(request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined {
    if (request.via.length > 0 && this.#leadsBack(request)) return undefined;
    return this.#link.open(request.onward(this.#self, this.node), first, second, sink);
  }

  #leadsBack({ service, via }: StreamRequest): boolean {
    return this.ways.get(service)?.path.some(({ instance }) => via.includes(instance)) === true;
  }
}

/** Who only serves asks nobody for anything. */
export function wantsPaths({ links, listeners, services, limits }: NodeConfig): boolean {
  return limits.hopsMax > 1 && (links.accept.length + listeners.length > 0 || services.length === 0);
}
