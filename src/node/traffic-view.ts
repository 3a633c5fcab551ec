/** Shows statistics of services, listeners and links in the form of `view.ts`. */
import type { CrankerConnector } from "../cranker/connector.ts";
import type { Link } from "../link/link.ts";
import type { DatagramCounters } from "../registry/datagram-counters.ts";
import type { LatencyHistogram } from "../registry/latency-histogram.ts";
import type { Offer } from "../registry/offer.ts";
import type { AppTally } from "../registry/app-tally.ts";
import type { ServiceSnapshot } from "../registry/registry.ts";
import type { ListenerStatistics, ServiceStatistics } from "../registry/service-statistics.ts";
import type { ServerTally } from "../registry/server-tallies.ts";
import type { FanOutSideView } from "../session/fan-out-side.ts";
import type { Certificate } from "../socket/certificate.ts";
import type { CertificateView } from "./view.ts";
import type {
  DatagramsView,
  LatencyView,
  LinkView,
  ListenerView,
  OfferView,
  PeerView,
  ServerView,
  ServiceView,
  AppView,
  SideView,
  TrafficView,
} from "./view.ts";

/** Bounds of the cumulative latency buckets, in milliseconds. */
const LATENCY_BOUNDS_MS: readonly number[] = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000,
];

const DAY_MS = 86_400_000;

/** `linkOf`: the id of the link that an offer came over; null for a target of this node. */
export function viewService(
  service: ServiceSnapshot,
  linkOf: (offer: Offer) => string | null,
  now: number,
): ServiceView {
  const { statistics } = service;
  return {
    name: service.name,
    declared: service.declared,
    owner: service.owner ?? null,
    usable: service.offers.some((offer) => offer.usable),
    ...viewTraffic(statistics),
    connectionsTotal: statistics.connections,
    retriesTotal: statistics.retries,
    retriesDeniedTotal: statistics.retriesDenied,
    hedgesTotal: statistics.hedges,
    hedgesWonTotal: statistics.hedgesWon,
    mirrorsTotal: statistics.mirrors,
    mirrorsDroppedTotal: statistics.mirrorsDropped,
    latency: viewLatency(statistics.latency),
    offers: service.offers.map((offer) => viewOffer(offer, linkOf(offer))),
    app: statistics.hasApp ? viewApp(statistics.app, now) : null,
    servers: statistics.hasServers ? [...statistics.servers.all].map(([name, tally]) => viewServer(name, tally)) : [],
    lateTotal: statistics.hasServers ? statistics.servers.late : 0,
  };
}

export function viewListener(
  listener: Pick<ListenerView, "url" | "state" | "service">,
  statistics: ListenerStatistics,
  certificates: readonly Certificate[] = [],
): ListenerView {
  return {
    url: listener.url,
    state: listener.state,
    service: listener.service,
    ...viewTraffic(statistics),
    connectionsTotal: statistics.connections,
    connectionsOpen: statistics.connectionsOpen,
    connectionsRefusedTotal: statistics.connectionsRefused,
    handshakesFailedTotal: statistics.handshakesFailed,
    certificates: certificates.map(viewCertificate),
  };
}

function viewApp(tally: AppTally, now: number): AppView {
  const { last } = tally;
  return {
    requestsTotal: tally.asked,
    failures: Object.fromEntries(tally.failures),
    failing: tally.isFailing(now),
    lastFailure:
      last === undefined
        ? null
        : { code: last.code, message: last.message, secondsAgo: Math.round((now - last.at) / 100) / 10 },
  };
}

function viewServer(name: string, tally: ServerTally): ServerView {
  return {
    name,
    sessionsTotal: tally.sessions,
    sessionsActive: tally.active,
    latchedTotal: tally.latched,
    bytesInTotal: tally.bytesIn,
    bytesOutTotal: tally.bytesOut,
    answeredTotal: tally.answered,
    firstByteMsSum: tally.firstByteMsSum,
    cuts: Object.fromEntries(tally.cuts),
    datagramsMissedTotal: tally.datagramsMissed,
  };
}

export function viewSide({ firstByteMs, ...rest }: FanOutSideView): SideView {
  return { ...rest, firstByteMs: firstByteMs ?? null };
}

export function viewCertificate({ pair, names, expiresAt }: Certificate): CertificateView {
  return {
    file: pair.cert.origin,
    names,
    expiresAt: new Date(expiresAt).toISOString(),
    expiresDays: Math.floor((expiresAt - Date.now()) / DAY_MS),
  };
}

/** A cranker connector among the links: its websockets together, of which each carries one or more requests. */
export function viewCrankerConnector(connector: CrankerConnector): LinkView {
  const { streamsOpen, streamsTotal, bytesIn, bytesOut } = connector.statistics();
  return {
    id: connector.id,
    node: connector.node,
    instance: connector.instance,
    identity: connector.identity,
    address: connector.address,
    transport: `cranker ${connector.version}`,
    dialled: false,
    state: connector.retiring ? "draining" : "up",
    cost: 0,
    roundTripMs: null,
    streamsOpen,
    streamsTotal,
    bytesInTotal: bytesIn,
    bytesOutTotal: bytesOut,
  };
}

export function viewLink(link: Link): LinkView {
  const statistics = link.statistics();
  return {
    id: link.id,
    node: link.peer.node,
    instance: link.peer.instance,
    identity: link.peer.identity,
    address: link.peer.address,
    transport: link.transport,
    dialled: link.dialled,
    state: link.state,
    cost: link.cost,
    roundTripMs: statistics.roundTripMs ?? null,
    streamsOpen: statistics.streamsOpen,
    streamsTotal: statistics.streamsTotal,
    bytesInTotal: statistics.bytesIn,
    bytesOutTotal: statistics.bytesOut,
  };
}

/** The other nodes, by name, from the links to them and what they offer. */
export function viewPeers(links: readonly LinkView[], services: readonly ServiceView[]): PeerView[] {
  const offered = new Map<string, Set<string>>();
  for (const service of services) {
    for (const { node, link, relay } of service.offers) {
      if (link === null || relay) continue;
      const names = offered.get(node);
      if (names === undefined) offered.set(node, new Set([service.name]));
      else names.add(service.name);
    }
  }
  return [...Map.groupBy(links, (link) => link.node)]
    .map(([name, own]) => ({
      name,
      instances: [...new Set(own.map((link) => link.instance))],
      links: own.length,
      linksUp: own.filter((link) => link.state === "up").length,
      services: [...(offered.get(name) ?? [])],
    }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

function viewTraffic(statistics: ServiceStatistics | ListenerStatistics): TrafficView {
  const { statuses } = statistics;
  return {
    requestsTotal: statistics.requests,
    requestsActive: statistics.active,
    bytesInTotal: statistics.bytesIn,
    bytesOutTotal: statistics.bytesOut,
    statuses: {
      "1xx": statuses[1] ?? 0,
      "2xx": statuses[2] ?? 0,
      "3xx": statuses[3] ?? 0,
      "4xx": statuses[4] ?? 0,
      "5xx": statuses[5] ?? 0,
    },
    errors: Object.fromEntries(statistics.errors),
    datagrams: statistics.hasDatagrams ? viewDatagrams(statistics.datagrams) : null,
  };
}

function viewDatagrams({ in: inTotal, out: outTotal, dropped }: DatagramCounters): DatagramsView {
  return { inTotal, outTotal, dropped: Object.fromEntries(dropped) };
}

function viewOffer(offer: Offer, link: string | null): OfferView {
  return {
    node: offer.upstream.node,
    link,
    relay: offer.relay,
    path: offer.path.map(({ node }) => node),
    identity: offer.identity,
    protocol: offer.protocol,
    weight: offer.weight,
    cost: offer.linksCost,
    labels: offer.labels,
    health: offer.health,
    usable: offer.usable,
    unusableReason: offer.unusableReason,
    outstanding: offer.outstanding,
    requestsTotal: offer.requestsTotal,
    failuresTotal: offer.failuresTotal,
  };
}

function viewLatency(histogram: LatencyHistogram): LatencyView {
  const counts = histogram.cumulativeCounts(LATENCY_BOUNDS_MS);
  return {
    count: histogram.count,
    sumMs: histogram.sumMs,
    p50Ms: histogram.quantile(0.5) ?? null,
    p90Ms: histogram.quantile(0.9) ?? null,
    p99Ms: histogram.quantile(0.99) ?? null,
    buckets: LATENCY_BOUNDS_MS.map((upToMs, index) => ({ upToMs, count: counts[index]! })),
  };
}
