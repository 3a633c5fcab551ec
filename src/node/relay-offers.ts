/**
 * The dialling half of relaying: routers that relay, as offers of what this node's clients want.
 *
 * Nobody announces these offers. They cost more than any that somebody makes, so they serve only what is not offered
 * here; whether the router finds anybody shows when it is asked. A wish or a link: O(links) or O(wishes).
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { PolarityError } from "../base/errors.ts";
import type { StreamProtocol, StreamRequest, Upstream } from "../base/upstream.ts";
import { COST_MAX, HOPS_MAX } from "../link/link-limits.ts";
import { RELAY_FEATURE } from "../link/features.ts";
import type { Link, LinkState } from "../link/link.ts";
import type { Registry } from "../registry/registry.ts";

/** What some client of this node wants, or may want. */
export interface RelayWish {
  readonly service: string;
  readonly protocol: StreamProtocol;
}

/** More than any path costs. */
const RELAY_COST = COST_MAX * (HOPS_MAX + 2);
/** Sessions try no more offers than this, so a wait is shared out among no more. */
const WAIT_SHARES_MAX = 4;

/** Routers of which it is remembered that they do not relay, so that it is said once of each. */
const SAID_MAX = 100;

export class RelayOffers {
  readonly #registry: Registry;
  readonly #wishes = new Map<string, { readonly wish: RelayWish; count: number }>();
  readonly #routers = new Map<Link, RouterUpstreams>();

  /** Names of nodes that were said not to relay; said once, however often they are joined. */
  readonly #saidNotToRelay = new Set<string>();
  readonly #quiet: QuietLog;
  /** Of this node. */
  readonly instance: string;

  constructor(registry: Registry, instance: string, quiet: QuietLog) {
    this.#registry = registry;
    this.instance = instance;
    this.#quiet = quiet;
  }

  /** Routers that the configuration names; those that are not there yet may be in a moment. */
  routersWanted = 1;

  /** Links that take streams to relay. */
  get linksUp(): number {
    let up = 0;
    for (const link of this.#routers.keys()) if (link.state === "up") up++;
    return up;
  }

  /** Owes one `unwant`. */
  want(wish: RelayWish): void {
    const known = this.#wishes.get(keyOf(wish));
    if (known !== undefined) {
      known.count++;
      return;
    }
    this.#wishes.set(keyOf(wish), { wish, count: 1 });
    for (const [link, router] of this.#routers) this.#add(link, router, wish);
  }

  unwant(wish: RelayWish): void {
    const known = this.#wishes.get(keyOf(wish));
    if (known === undefined || --known.count > 0) return;
    this.#wishes.delete(keyOf(wish));
    for (const router of this.#routers.values()) {
      this.#registry.withdraw(router.upstreamFor(wish.protocol), wish.service);
    }
  }

  joined(link: Link): void {
    if (!link.dialled) return;
    if (!link.peer.features.includes(RELAY_FEATURE)) {
      this.#doesNotRelay(link);
      return;
    }
    const router = new RouterUpstreams(link, this);
    this.#routers.set(link, router);
    for (const { wish } of this.#wishes.values()) this.#add(link, router, wish);
  }

  stateChanged(link: Link, state: LinkState): void {
    for (const upstream of this.upstreamsOf(link)) this.#registry.setUsable(upstream, state === "up", state);
  }

  costChanged(link: Link): void {
    for (const upstream of this.upstreamsOf(link)) this.#registry.setCosts(upstream, () => RELAY_COST + link.cost);
  }

  closed(link: Link): void {
    for (const upstream of this.upstreamsOf(link)) this.#registry.removeUpstream(upstream);
    this.#routers.delete(link);
  }

  /** What stands in the registry for asking over this link. */
  upstreamsOf(link: Link): readonly Upstream[] {
    return this.#routers.get(link)?.all ?? [];
  }

  #doesNotRelay({ id, node }: Link): void {
    if (this.#wishes.size === 0 || this.#saidNotToRelay.has(node)) return;
    // Names are the router's own choice.
    if (this.#saidNotToRelay.size >= SAID_MAX) this.#saidNotToRelay.clear();
    this.#saidNotToRelay.add(node);
    this.#quiet.log(
      "does-not-relay",
      "warn",
      { link: id, node },
      `node "${node}" does not relay: only its own services are reached through it`,
    );
  }

  #add(link: Link, router: RouterUpstreams, { service, protocol }: RelayWish): void {
    const upstream = router.upstreamFor(protocol);
    this.#registry.setUsable(upstream, link.state === "up", link.state);
    // Refused when the name is somebody else's: then that one serves it or nobody does.
    this.#registry.addRelay(upstream, link.peer.identity, RELAY_COST + link.cost, {
      service,
      protocol,
      weight: 1,
      labels: {},
      health: "up",
    });
  }
}

/** One link as upstreams, one a protocol, because an upstream offers a service in one. */
class RouterUpstreams {
  readonly #link: Link;
  readonly #relays: RelayOffers;
  readonly #upstreams = new Map<StreamProtocol, RelayUpstream>();

  constructor(link: Link, relays: RelayOffers) {
    this.#link = link;
    this.#relays = relays;
  }

  get all(): readonly Upstream[] {
    return [...this.#upstreams.values()];
  }

  upstreamFor(protocol: StreamProtocol): RelayUpstream {
    let upstream = this.#upstreams.get(protocol);
    if (upstream === undefined) {
      upstream = new RelayUpstream(this.#link, this.#relays);
      this.#upstreams.set(protocol, upstream);
    }
    return upstream;
  }
}

class RelayUpstream implements Upstream {
  readonly linked = true;
  readonly #link: Link;
  readonly #relays: RelayOffers;

  constructor(link: Link, relays: RelayOffers) {
    this.#link = link;
    this.#relays = relays;
  }

  get node(): string {
    return this.#link.node;
  }

  get confirms(): boolean {
    return this.#link.confirms === true;
  }

  refusal(request: StreamRequest): PolarityError | undefined {
    return this.#link.refusal?.(request);
  }

  open(request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined {
    if (request.relay !== "may") return undefined;
    // Routers are asked one after the other: the wait is for all of them together.
    const shares = Math.min(Math.max(this.#relays.routersWanted, this.#relays.linksUp), WAIT_SHARES_MAX);
    return this.#link.open(
      request.ask(this.#relays.instance, Math.floor(request.waitMs / shares)),
      first,
      second,
      sink,
    );
  }
}

function keyOf({ service, protocol }: RelayWish): string {
  return `${protocol} ${service}`;
}
