/**
 * What a running node shows of itself, as JSON: the admin API, the command line, metrics and the dashboard all read this.
 *
 * Plain data. Units come last in names; totals count since the node started; what is unknown is `null`, never left out.
 */
import type { Statistics } from "../analyze/meters.ts";
import type { StreamProtocol } from "../base/upstream.ts";
import type { LinkState } from "../link/link.ts";

/** `starting`: not everything is bound yet. `draining`: no new work. */
export type NodeState = "starting" | "ready" | "draining" | "stopped";

/** Everything that a node shows of itself, at one moment. */
export interface NodeView {
  readonly node: NodeIdentityView;
  readonly listeners: readonly ListenerView[];
  /** Of links, in the order of the configuration. */
  readonly linkCertificates: readonly LinkCertificatesView[];
  readonly links: readonly LinkView[];
  readonly services: readonly ServiceView[];
  /** Other nodes that this one has links to. */
  readonly nodes: readonly PeerView[];
  /** Sessions under way, the oldest first; `sessionsOmitted` more are not listed. */
  readonly sessions: readonly SessionView[];
  readonly sessionsOmitted: number;
  /** What analyzers found out, by their place in the configuration. */
  readonly analyses: readonly AnalysisView[];
  readonly totals: TotalsView;
  readonly process: ProcessView;
}

/** Which node it is, and in which state. */
export interface NodeIdentityView {
  readonly name: string;
  /** Fresh for each start. */
  readonly instance: string;
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly state: NodeState;
}

/** Counts that listeners and services share. */
export interface TrafficView {
  /** HTTP requests, or connections of stream services. */
  readonly requestsTotal: number;
  readonly requestsActive: number;
  /** From clients. */
  readonly bytesInTotal: number;
  /** To clients. */
  readonly bytesOutTotal: number;
  readonly statuses: StatusesView;
  /** By error code; only codes that occurred. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of a udp listener, or of a service's udp targets at this node; null of anything else. */
  readonly datagrams: DatagramsView | null;
}

/** What became of datagrams. */
export interface DatagramsView {
  /** From clients: received by a listener, or sent to an app. */
  readonly inTotal: number;
  /** To clients: sent by a listener, or received from an app. */
  readonly outTotal: number;
  /** Those that were not passed on, by reason; only reasons that occurred. docs/UDP.md says what they mean. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** Final HTTP statuses by class. */
export interface StatusesView {
  readonly "1xx": number;
  readonly "2xx": number;
  readonly "3xx": number;
  readonly "4xx": number;
  readonly "5xx": number;
}

/** A listener and what came in by it. */
export interface ListenerView extends TrafficView {
  /** As bound: the port is the real one. `relay` for what other nodes asked this one to pass on. */
  readonly url: string;
  readonly state: "binding" | "listening" | "closed";
  /** The service that it is fixed to; null when requests say which they want. */
  readonly service: string | null;
  readonly connectionsTotal: number;
  readonly connectionsOpen: number;
  readonly connectionsRefusedTotal: number;
  /** TLS handshakes that did not come about. */
  readonly handshakesFailedTotal: number;
  /** Of an https listener, in the order of the configuration. */
  readonly certificates: readonly CertificateView[];
}

/** Certificates of a place where links are accepted, or that are shown to a router. */
export interface LinkCertificatesView {
  readonly url: string;
  readonly certificates: readonly CertificateView[];
}

/** A certificate that a listener shows. */
export interface CertificateView {
  readonly file: string;
  /** Host names that it is for. */
  readonly names: readonly string[];
  /** ISO 8601. */
  readonly expiresAt: string;
  /** Rounded down; negative once it has expired. */
  readonly expiresDays: number;
}

/** A link, dialled by either side. */
export interface LinkView {
  readonly id: string;
  readonly node: string;
  readonly instance: string;
  readonly identity: string;
  readonly address: string;
  readonly transport: string;
  /** True when this node dialled. */
  readonly dialled: boolean;
  readonly state: LinkState;
  readonly cost: number;
  readonly roundTripMs: number | null;
  readonly streamsOpen: number;
  readonly streamsTotal: number;
  readonly bytesInTotal: number;
  readonly bytesOutTotal: number;
}

/** A service that the node knows: its offers and its traffic. */
export interface ServiceView extends TrafficView {
  readonly name: string;
  /** Configuration names it. */
  readonly declared: boolean;
  /** The identity that the name belongs to; null before the first offer. */
  readonly owner: string | null;
  /** Some offer takes new streams. */
  readonly usable: boolean;
  readonly connectionsTotal: number;
  readonly retriesTotal: number;
  /** Retries and hedges that the budget did not allow. */
  readonly retriesDeniedTotal: number;
  /** Further offers asked while the first kept silent, and those of them that answered first. */
  readonly hedgesTotal: number;
  readonly hedgesWonTotal: number;
  /** Requests of which another service got a copy, and copies that were not made or broken off. */
  readonly mirrorsTotal: number;
  readonly mirrorsDroppedTotal: number;
  readonly latency: LatencyView;
  readonly offers: readonly OfferView[];
  /** Of the app that this node itself asks for the service; null where it has none. */
  readonly app: AppView | null;
  /** Of one-to-N sessions, by server: a node, or a target of this node. */
  readonly servers: readonly ServerView[];
  /** Servers that came when a session's first bytes were gone. */
  readonly lateTotal: number;
}

/** How an app of this node does, whoever asked for it: clients of this node or other nodes. */
export interface AppView {
  /** Requests, or connections of stream services, that went to it. */
  readonly requestsTotal: number;
  /** How often it could not be reached, or broke its answer, by error code; only codes that occurred. */
  readonly failures: Readonly<Record<string, number>>;
  /** It failed within the last 10 s. */
  readonly failing: boolean;
  readonly lastFailure: { readonly code: string; readonly message: string; readonly secondsAgo: number } | null;
}

/** What one-to-N sessions did with one server. Bytes count when its part of a session is over. */
export interface ServerView {
  readonly name: string;
  readonly sessionsTotal: number;
  readonly sessionsActive: number;
  /** Half-duplex sessions that it had to itself, as the first to answer. */
  readonly latchedTotal: number;
  readonly bytesInTotal: number;
  readonly bytesOutTotal: number;
  /** Its sessions in which it said something, and how long that took. */
  readonly answeredTotal: number;
  readonly firstByteMsSum: number;
  /** How often it left before it had ended, by error code; only codes that occurred. */
  readonly cuts: Readonly<Record<string, number>>;
  /** Datagrams that it missed, as it was too slow for its session; with `slowest: drop`. */
  readonly datagramsMissedTotal: number;
}

/** One server in one session. */
export interface SideView {
  readonly name: string;
  /** `listening`: it says nothing more; `answering`: it has been sent all; `gone`. */
  readonly state: "open" | "listening" | "answering" | "gone";
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly firstByteMs: number | null;
  readonly latched: boolean;
  /** Why it is gone; empty where it just ended, or is there. */
  readonly reason: string;
}

/** One node's offer of a service, and how it does. */
export interface OfferView {
  readonly node: string;
  /** The link it came over; null for a target of this node. */
  readonly link: string | null;
  /** Nobody made it: the node is a router that may find somebody. */
  readonly relay: boolean;
  /** Names of the nodes on the way, the one that serves last; empty for a target of this node, and for a relay. */
  readonly path: readonly string[];
  readonly identity: string;
  readonly protocol: StreamProtocol;
  readonly weight: number;
  readonly cost: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly health: "up" | "down";
  readonly usable: boolean;
  /** Why not, for people: `draining`, `suspect`, `down`; empty when it is usable. */
  readonly unusableReason: string;
  readonly outstanding: number;
  readonly requestsTotal: number;
  readonly failuresTotal: number;
}

/** From a complete request to the first byte of its answer. Quantiles are right to within one eighth. */
export interface LatencyView {
  readonly count: number;
  readonly sumMs: number;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  /** Cumulative: how many took `upToMs` at most. */
  readonly buckets: readonly { readonly upToMs: number; readonly count: number }[];
}

/** Another node, with all of its instances and links. */
export interface PeerView {
  readonly name: string;
  readonly instances: readonly string[];
  readonly links: number;
  readonly linksUp: number;
  /** Names of the services that it offers here. */
  readonly services: readonly string[];
}

/** A session under way. */
export interface SessionView {
  readonly id: string;
  readonly service: string;
  readonly listener: string;
  readonly client: string;
  /** Empty while it waits for an offer. */
  readonly node: string;
  readonly link: string | null;
  readonly protocol: StreamProtocol;
  readonly ageSeconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What an analyzer found out about it; null where none taps it here. */
  readonly analysis: Statistics | null;
  /** The servers of a one-to-N session; none of any other. */
  readonly sides: readonly SideView[];
}

/** What an analyzer found out. */
export interface AnalysisView {
  /** `listener tcp://0.0.0.0:8002` or `service web`. */
  readonly place: string;
  /** The service that it is of; empty where a listener leads to several. */
  readonly service: string;
  readonly analyzer: string;
  readonly connectionsOpen: number;
  readonly connectionsTotal: number;
  /** How often the analyzer failed; connections went on without it. */
  readonly failuresTotal: number;
  readonly statistics: Statistics;
}

/** Sums over listeners and links. */
export interface TotalsView {
  readonly requestsTotal: number;
  readonly requestsActive: number;
  readonly connectionsOpen: number;
  readonly bytesInTotal: number;
  readonly bytesOutTotal: number;
  readonly links: number;
  readonly linksUp: number;
  readonly streamsOpen: number;
  /** Requests that wait for an offer. */
  readonly waiting: number;
  /** Offers of peers that were not taken: names of others, or past a limit. */
  readonly offersRefusedTotal: number;
  /** Bytes that arrived and that nobody has read yet. */
  readonly heldBytes: number;
  /** Streams that were cut off because they held most of these while memory was short, and what they held. */
  readonly heldStreamsShedTotal: number;
  readonly heldBytesShedTotal: number;
}

/** What the process uses. */
export interface ProcessView {
  readonly pid: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly cpuSeconds: number;
  /** How late timers run; null before it was measured. */
  readonly eventLoopDelayP99Ms: number | null;
  /** Failures that nobody expected, by where they were met; only places where there were any. */
  readonly internalErrors: Readonly<Record<string, number>>;
}

/** Whether a node takes work. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not; empty when it is ready. */
  readonly reasons: readonly string[];
}
