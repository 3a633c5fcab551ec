/** Every link of the node: accepts and dials them, and keeps the registry true to what they offer. */
import { isDeepStrictEqual } from "node:util";
import type { Place } from "../base/address.ts";
import type { Clock, Logger } from "../base/clock.ts";
import type { ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import type { LimitsConfig, LinkAcceptConfig, LinkDialConfig, NodeConfig } from "../config/node-config.ts";
import type { CrankerConnector } from "../cranker/connector.ts";
import { CrankerGate } from "../cranker/cranker-gate.ts";
import { Acceptor } from "../link/acceptor.ts";
import { DialGroup } from "../link/dial-group.ts";
import type { DialerStatus } from "../link/dialer.ts";
import type { LinkContext } from "../link/link-context.ts";
import { DEFAULT_LINK_LIMITS } from "../link/link-limits.ts";
import { PATHS_FEATURE, RELAY_FEATURE } from "../link/features.ts";
import type { Link, LinkEvents, LinkState } from "../link/link.ts";
import type { Preamble } from "../link/preamble.ts";
import { DEFAULT_MUX_LIMITS, WindowBudget } from "../mux/mux-limits.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { Registry } from "../registry/registry.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { configKey, shapeKey } from "./config-key.ts";
import { CrankerOffers, waitingForBusy } from "./cranker-offers.ts";
import { acceptCredentials, dialCredentials, endsCrankers } from "./link-credentials.ts";
import type { ObservedLinks } from "./node-observer.ts";
import type { OnwardOffers } from "./onward-offers.ts";
import { OfferIntake } from "./offer-intake.ts";
import type { PathOffers } from "./path-offers.ts";
import type { RelayOffers } from "./relay-offers.ts";
import type { RelayedSessions } from "./relayed-sessions.ts";
import type { LocalServices } from "./local-services.ts";

export interface LinkHubOptions {
  readonly node: string;
  readonly instance: string;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly quiet: QuietLog;
  readonly random: () => number;
  readonly limits: LimitsConfig;
  readonly names: NameResolver;
  /** Routers that this node may ask. */
  readonly relayOffers: RelayOffers;
  /** What others pass on to this node, and what it passes on. */
  readonly pathOffers: PathOffers;
  readonly onwardOffers: OnwardOffers;
  /** Whether offers of nodes behind others are of use here. */
  wantsPaths(): boolean;
  /** What this node was asked to pass on. */
  readonly relayed: RelayedSessions;
  /** Who is told of what happens, if anybody. */
  readonly observed: ObservedLinks | undefined;
  services(): LocalServices;
  /** A link fell silent: what waits on it may look elsewhere. */
  suspect(upstream: Upstream): void;
}

interface AcceptorEntry {
  readonly acceptor: Acceptor;
  config: LinkAcceptConfig;
  /** Takes cranker connectors on its port. */
  readonly cranker: CrankerGate | undefined;
}

export class LinkHub implements LinkEvents {
  readonly #options: LinkHubOptions;
  readonly budget: WindowBudget;
  readonly #context: LinkContext;
  readonly #acceptors = new Map<string, AcceptorEntry>();
  readonly #dialers = new Map<string, DialGroup>();
  /** By the same keys, as the files say it now. */
  readonly #dialled = new Map<string, LinkDialConfig>();
  readonly #links = new Set<Link>();
  /** Of the acceptors, and of acceptors that are gone, until their last connector is. */
  readonly #crankers = new Set<CrankerGate>();
  readonly #intake: OfferIntake;
  #draining = false;
  #idle: (() => void) | undefined;

  constructor(options: LinkHubOptions) {
    this.#options = options;
    this.#intake = new OfferIntake(options);
    const { node, instance, clock, logger, quiet, limits } = options;
    this.budget = new WindowBudget(limits.memoryBytes, limits.heldBytesMax);
    this.#context = {
      node,
      instance,
      clock,
      logger,
      quiet,
      limits: {
        ...DEFAULT_LINK_LIMITS,
        handshakeMs: limits.handshakeTimeoutMs,
        joiningMax: limits.handshakesMax,
        offersMax: limits.offersPerLinkMax,
      },
      muxLimits: {
        ...DEFAULT_MUX_LIMITS,
        peerStreamsMax: limits.streamsPerLinkMax,
        peerResetsPerSecondMax: limits.resetsPerSecondMax,
        streamWindowMax: limits.windowBytesMax,
        linkWindowBudget: limits.linkMemoryBytes,
      },
      nodeWindowBudget: this.budget,
      events: this,
      offers: () => (this.#draining ? [] : options.services().announcements),
    };
  }

  get links(): ReadonlySet<Link> {
    return this.#links;
  }

  get offersRefused(): number {
    return this.#intake.refusedTotal;
  }

  /** What stands in the registry for what a link leads to. */
  upstreamsOf(link: Link): readonly Upstream[] {
    const { pathOffers, relayOffers } = this.#options;
    return [link, ...pathOffers.upstreamsOf(link), ...relayOffers.upstreamsOf(link)];
  }

  /** Where other nodes join, with the ports that the system chose. */
  get urls(): readonly string[] {
    return [...this.#acceptors.values()].map(({ acceptor }) => acceptor.url);
  }

  /** Connectors that speak cranker. */
  *crankerConnectors(): Generator<CrankerConnector> {
    for (const cranker of this.#crankers) yield* cranker.connectors;
  }

  get dialers(): readonly DialerStatus[] {
    return [...this.#dialers.values()].flatMap((dialer) => dialer.statuses);
  }

  /** Makes acceptors and dialers just those of `links`; the links of what goes are drained. */
  async configure(links: NodeConfig["links"]): Promise<void> {
    // What may change while a link is up makes no other link of it.
    const accept = new Map(links.accept.map((config) => [shapeKey({ ...config, routers: [] }), config]));
    const dial = new Map(links.dial.map((config, index) => [`${index} ${shapeKey({ ...config, cost: 0 })}`, config]));
    this.#options.relayOffers.routersWanted = dial.size;
    const freed: AcceptorEntry[] = [];
    for (const [key, entry] of this.#acceptors) {
      const { acceptor, cranker, config } = entry;
      const next = accept.get(key);
      if (next !== undefined && !endsCrankers(config, next)) continue;
      this.#acceptors.delete(key);
      freed.push(entry);
      await acceptor.close();
      if (cranker !== undefined) void cranker.drain().then(() => this.#crankers.delete(cranker));
      for (const link of acceptor.links) link.drain();
    }
    for (const [key, config] of accept) {
      const present = this.#acceptors.get(key);
      if (present !== undefined) update(present, config);
      else {
        const entry = await this.#listen(config, placeFor(config, freed));
        this.#acceptors.set(key, entry);
        if (entry.cranker !== undefined) this.#crankers.add(entry.cranker);
      }
    }
    for (const [key, dialer] of this.#dialers) {
      if (dial.has(key)) continue;
      this.#dialers.delete(key);
      this.#dialled.delete(key);
      dialer.stop();
      for (const link of dialer.links) link.drain();
    }
    for (const [key, config] of dial) {
      const present = this.#dialers.get(key);
      const old = this.#dialled.get(key);
      this.#dialled.set(key, config);
      present?.setCost(config.cost);
      if (old !== undefined && configKey(dialCredentials(old)) !== configKey(dialCredentials(config))) present?.hurry();
      if (present !== undefined) continue;
      const dialer = this.#createDialer(key, config);
      this.#dialers.set(key, dialer);
      dialer.start();
    }
  }

  /**
   * Changes what links cost that this node dialled, until the next reload: all of the router with this URL or name, or with
   * the link of this id. Throws LINK_UNKNOWN.
   */
  setCost(link: string, cost: number): void {
    const meant = [...this.#dialers.values()].filter(
      (group) => group.url === link || group.links.some(({ id, node }) => id === link || node === link),
    );
    if (meant.length === 0) throw new PolarityError("LINK_UNKNOWN", `this node dials no router "${link}"`);
    for (const group of meant) group.setCost(cost);
  }

  announce(announcement: Announcement): void {
    this.#options.observed?.offered(null, announcement);
    if (this.#draining) return;
    for (const link of this.#links) link.offer(announcement);
  }

  withdraw(service: string): void {
    this.#options.observed?.withdrawn(null, service);
    for (const link of this.#links) link.withdraw(service);
  }

  /** Joins and dials no more, and takes back what was offered, so that others stop asking for it. */
  async stopOffering(): Promise<void> {
    this.#draining = true;
    for (const dialer of this.#dialers.values()) dialer.stop();
    await this.#closeAcceptors();
    for (const { service } of this.#options.services().announcements) this.withdraw(service);
    this.#options.onwardOffers.stop();
  }

  /** Drains every link; resolves when the last has closed. */
  async drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    const drained = [...this.#crankers].map((cranker) => cranker.drain());
    for (const link of this.#links) link.drain();
    if (this.#links.size === 0) this.#idle?.();
    await Promise.all([closed, ...drained]);
  }

  /** Ends everything now; returns how many streams that cut off. */
  async close(error: PolarityError): Promise<number> {
    this.#draining = true;
    for (const dialer of this.#dialers.values()) dialer.stop();
    let cut = 0;
    for (const link of this.#links) {
      cut += link.statistics().streamsOpen;
      link.close(error);
    }
    for (const cranker of this.#crankers) cut += cranker.close(error);
    await this.#closeAcceptors();
    return cut;
  }

  /** A few times a second. */
  tick(now: number): void {
    for (const cranker of this.#crankers) cranker.sweep(now);
  }

  // ── LinkEvents ──

  joined(link: Link): void {
    this.#links.add(link);
    this.#options.relayOffers.joined(link);
    if (link.features.includes(RELAY_FEATURE)) this.#options.onwardOffers.joined(link);
    this.#options.observed?.joined(link);
    if (this.#draining) link.drain();
  }

  stateChanged(link: Link, state: LinkState): void {
    const { relayOffers, pathOffers } = this.#options;
    this.#options.registry.setUsable(link, state === "up", state);
    pathOffers.stateChanged(link, state);
    relayOffers.stateChanged(link, state);
    this.#options.observed?.stateChanged(link, state);
    if (state === "suspect") {
      const { id, node } = link;
      this.#options.quiet.log(`silent ${node}`, "warn", { link: id, node }, `node "${node}" fell silent`);
      for (const upstream of this.upstreamsOf(link)) this.#options.suspect(upstream);
    }
  }

  offered(link: Link, announcement: Announcement, onward: OnwardPath | undefined): void {
    this.#intake.offered(link, announcement, onward);
  }

  withdrawn(link: Link, service: string, origin: string | undefined): void {
    this.#intake.withdrawn(link, service, origin);
  }

  costChanged(link: Link): void {
    const { registry, pathOffers, relayOffers, quiet } = this.#options;
    const { id, node, cost } = link;
    quiet.log(`cost ${node}`, "info", { link: id, node }, `the link to node "${node}" costs ${cost} now`);
    registry.setCosts(link, () => link.cost);
    pathOffers.costChanged(link);
    relayOffers.costChanged(link);
  }

  accepted(link: Link, preamble: Preamble, stream: ByteStream): void {
    const { service, protocol, client } = preamble;
    if (preamble.relay && link.features.includes(RELAY_FEATURE)) {
      const { relayed, registry } = this.#options;
      relayed.accept(link.peer, this.#crankers.size === 0 ? preamble : waitingForBusy(registry, preamble), stream);
      return;
    }
    const found = this.#options.services().find(service);
    if (found === undefined || found.announcement.protocol !== protocol) {
      // Who hears this puts our name before it.
      const why =
        found === undefined
          ? `there is no service "${service}"`
          : `service "${service}" is ${found.announcement.protocol}, not ${protocol}`;
      stream.reset(new PolarityError("SERVICE_UNKNOWN", why));
      return;
    }
    // A raw target knows better: when its app has accepted.
    if (preamble.confirm && protocol !== "tcp") stream.confirm?.();
    found.target.accept(stream, client);
  }

  closed(link: Link, error: PolarityError): void {
    this.#links.delete(link);
    this.#options.registry.removeUpstream(link);
    this.#options.pathOffers.closed(link);
    this.#options.relayOffers.closed(link);
    this.#options.onwardOffers.closed(link);
    this.#options.observed?.closed(link, error);
    if (this.#links.size === 0) this.#idle?.();
  }

  #features(relay: boolean, wantsPaths: boolean): readonly string[] {
    return [...(relay ? [RELAY_FEATURE] : []), ...(wantsPaths ? [PATHS_FEATURE] : [])];
  }

  async #closeAcceptors(): Promise<void> {
    await Promise.all([...this.#acceptors.values()].map(({ acceptor }) => acceptor.close()));
  }

  #createCranker({ cranker }: LinkAcceptConfig): CrankerGate | undefined {
    if (cranker === undefined) return undefined;
    const { clock, quiet, limits } = this.#context;
    return new CrankerGate({
      ...cranker,
      clock,
      quiet,
      socketsMax: limits.linksMax,
      messageBytesMax: limits.websocketMessageBytesMax,
      events: new CrankerOffers(this.#options.registry, this.#options.instance),
    });
  }

  async #listen(config: LinkAcceptConfig, place: Place): Promise<AcceptorEntry> {
    const cranker = this.#createCranker(config);
    const acceptor = await Acceptor.listen({
      place,
      socketMode: config.socketMode,
      ...acceptCredentials(config),
      insecure: config.insecure,
      features: this.#features(config.relay, true),
      routers: () => routerUrls(entry.config),
      upgrades: cranker,
      context: this.#context,
    });
    const entry: AcceptorEntry = { acceptor, config, cranker };
    return entry;
  }

  #createDialer(key: string, config: LinkDialConfig): DialGroup {
    return new DialGroup({
      address: config.address,
      links: config.links,
      extraLinks: config.extraLinks,
      everyAddress: config.addresses === "all",
      resolveEveryMs: config.resolveEveryMs,
      discover: config.discover,
      names: this.#options.names,
      cost: config.cost,
      features: () => this.#features(config.relay, this.#options.wantsPaths()),
      ...dialCredentials(config),
      credentials: () => dialCredentials(this.#dialled.get(key) ?? config),
      identity: config.identity,
      environment: process.env,
      random: this.#options.random,
      context: this.#context,
      failed: (error) => this.#options.observed?.dialFailed(config.address.url, error),
    });
  }
}

/** Where the system chose the port, it stays what it was before the settings changed. */
function placeFor({ address: { place } }: LinkAcceptConfig, freed: AcceptorEntry[]): Place {
  if (place.kind !== "tcp" || place.port !== 0) return place;
  const same = freed.findIndex(({ config }) => isDeepStrictEqual(config.address.place, place));
  const [before] = same < 0 ? [] : freed.splice(same, 1);
  return before === undefined ? place : { ...place, port: Number(new URL(before.acceptor.url).port) };
}

function routerUrls({ routers }: LinkAcceptConfig): readonly string[] {
  return routers.map(({ url }) => url);
}

function update(entry: AcceptorEntry, config: LinkAcceptConfig): void {
  const { acceptor, config: old } = entry;
  acceptor.update(acceptCredentials(config));
  entry.config = config;
  const routers = routerUrls(config);
  if (configKey(routerUrls(old)) === configKey(routers)) return;
  for (const link of acceptor.links) link.advise(routers);
}
