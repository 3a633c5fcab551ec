/** Gathers what a running node shows of itself, in the form of `view.ts`. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "../base/clock.ts";
import type { HeldMemory } from "../base/held-memory.ts";
import { internalErrorCounts } from "../base/internal-error.ts";
import type { Upstream } from "../base/upstream.ts";
import { Http1Listener } from "../listen/http1-listener.ts";
import type { ActiveSession } from "../listen/listener.ts";
import type { OfferWaiters } from "../registry/offer-waiters.ts";
import type { Registry } from "../registry/registry.ts";
import type { Analyses } from "./analyses.ts";
import type { NodeConfig } from "../config/node-config.ts";
import { linkCertificates } from "./link-credentials.ts";
import type { LinkHub } from "./link-hub.ts";
import type { ListenerSet } from "./listener-set.ts";
import { RELAY_LISTENER, type RelayedSessions } from "./relayed-sessions.ts";
import {
  viewCertificate,
  viewCrankerConnector,
  viewLink,
  viewListener,
  viewPeers,
  viewService,
  viewSide,
} from "./traffic-view.ts";
import type { ListenerView, NodeState, NodeView, ProcessView, SessionView, TotalsView } from "./view.ts";

export interface NodeReportOptions {
  readonly name: string;
  readonly instance: string;
  readonly version: string;
  readonly clock: Clock;
  readonly listeners: ListenerSet;
  readonly relayed: RelayedSessions;
  readonly hub: LinkHub;
  readonly registry: Registry;
  readonly waiters: OfferWaiters;
  readonly analyses: Analyses;
  readonly held: HeldMemory;
  /** As they are configured now. */
  readonly links: () => NodeConfig["links"];
}

const SESSIONS_SHOWN_MAX = 1_000;

interface SessionSource {
  sessions(max: number): ActiveSession[];
}

export class NodeReport {
  readonly #options: NodeReportOptions;
  readonly #startedAt = new Date();
  readonly #startedAtMs: number;
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 20 });

  constructor(options: NodeReportOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
    this.#loopDelay.enable();
  }

  close(): void {
    this.#loopDelay.disable();
  }

  view(state: NodeState): NodeView {
    const { name, instance, version, clock, hub, registry, relayed } = this.#options;
    const linkIds = new Map<Upstream, string>();
    for (const link of hub.links) {
      for (const upstream of hub.upstreamsOf(link)) linkIds.set(upstream, link.id);
    }
    const connectors = [...hub.crankerConnectors()];
    for (const connector of connectors) linkIds.set(connector, connector.id);
    const services = registry
      .services()
      .map((service) => viewService(service, (offer) => linkIds.get(offer.upstream) ?? null, clock.now()));
    const links = [...[...hub.links].map(viewLink), ...connectors.map(viewCrankerConnector)];
    const listeners = this.#listeners();
    const sessions = this.#sessions(clock.now(), linkIds);
    const active = this.#options.listeners.sessionsActive + relayed.active;
    return {
      node: {
        name,
        instance,
        version,
        startedAt: this.#startedAt.toISOString(),
        uptimeSeconds: Math.round((clock.now() - this.#startedAtMs) / 100) / 10,
        state,
      },
      listeners,
      links,
      services,
      nodes: viewPeers(links, services),
      linkCertificates: linkCertificates(this.#options.links()).map(({ url, certificates }) => ({
        url,
        certificates: certificates.map(viewCertificate),
      })),
      sessions,
      sessionsOmitted: Math.max(0, active - sessions.length),
      analyses: this.#options.analyses.views(),
      totals: this.#totals(listeners, links),
      process: this.#process(),
    };
  }

  #listeners(): ListenerView[] {
    const shown = this.#options.listeners.open.map(({ listener, config }) =>
      viewListener(
        { url: listener.url, state: "listening", service: config.service ?? null },
        listener.statistics,
        listener instanceof Http1Listener ? listener.certificates : [],
      ),
    );
    const { statistics } = this.#options.relayed;
    if (statistics.connections === 0) return shown;
    return [...shown, viewListener({ url: RELAY_LISTENER, state: "listening", service: null }, statistics)];
  }

  #sessions(now: number, linkIds: ReadonlyMap<Upstream, string>): SessionView[] {
    const shown: SessionView[] = [];
    const { listeners, relayed } = this.#options;
    const sources = listeners.all.map((listener) => ({ url: listener.url, source: listener as SessionSource }));
    for (const [index, { url, source }] of [...sources, { url: RELAY_LISTENER, source: relayed }].entries()) {
      for (const session of source.sessions(SESSIONS_SHOWN_MAX - shown.length)) {
        const { id, startedAt, upstream, analysis, sides, ...rest } = session;
        shown.push({
          ...rest,
          id: `${index + 1}.${id}`,
          listener: url,
          node: upstream?.node ?? "",
          link: upstream === undefined ? null : (linkIds.get(upstream) ?? null),
          analysis: analysis ?? null,
          sides: sides?.map(viewSide) ?? [],
          ageSeconds: Math.round((now - startedAt) / 100) / 10,
        });
      }
    }
    return shown.sort((left, right) => right.ageSeconds - left.ageSeconds);
  }

  #totals(listeners: readonly ListenerView[], links: NodeView["links"]): TotalsView {
    const sum = (pick: (listener: ListenerView) => number): number =>
      listeners.reduce((total, each) => total + pick(each), 0);
    return {
      requestsTotal: sum((listener) => listener.requestsTotal),
      requestsActive: sum((listener) => listener.requestsActive),
      connectionsOpen: sum((listener) => listener.connectionsOpen),
      bytesInTotal: sum((listener) => listener.bytesInTotal),
      bytesOutTotal: sum((listener) => listener.bytesOutTotal),
      links: links.length,
      linksUp: links.filter((link) => link.state === "up").length,
      streamsOpen: links.reduce((total, link) => total + link.streamsOpen, 0),
      waiting: this.#options.waiters.size + this.#options.relayed.waiting,
      offersRefusedTotal: this.#options.hub.offersRefused,
      heldBytes: this.#options.held.heldBytes,
      heldStreamsShedTotal: this.#options.held.streamsShed,
      heldBytesShedTotal: this.#options.held.bytesShed,
    };
  }

  #process(): ProcessView {
    const memory = process.memoryUsage();
    const cpu = process.cpuUsage();
    const delay = this.#loopDelay.percentile(99) / 1e6;
    return {
      pid: process.pid,
      rssBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      eventLoopDelayP99Ms: this.#loopDelay.count === 0 ? null : delay,
      internalErrors: internalErrorCounts(),
    };
  }
}
