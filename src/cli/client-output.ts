/** What `status` and `get` print: tables for people, JSON and YAML for programs, which show the view as it is. */
import { stringify } from "yaml";
import { flatStatistics, type Statistics } from "../analyze/meters.ts";
import type {
  AnalysisView,
  LinkCertificatesView,
  LinkView,
  ListenerView,
  NodeView,
  AppView,
  OfferView,
  PeerView,
  ServiceView,
  SessionView,
  SideView,
} from "../node/view.ts";
import type { Cell } from "./table.ts";
import { bytesText, secondsText, table } from "./table.ts";

export const OUTPUT_FORMATS = ["table", "wide", "json", "yaml"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const RESOURCES = ["services", "links", "nodes", "sessions", "listeners", "certificates", "analyses"] as const;
export type Resource = (typeof RESOURCES)[number];

/** JSON or YAML of any value. */
export function dataText(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : stringify(value, { lineWidth: 0 });
}

export function statusText(view: NodeView, wide = false): string {
  const { node, totals } = view;
  const head = table(
    ["NODE", "STATE", "VERSION", "UP", "LINKS", "STREAMS", "REQUESTS", "ACTIVE", "WAITING", "IN", "OUT", "MEMORY"],
    [
      [
        node.name,
        node.state,
        node.version,
        secondsText(node.uptimeSeconds),
        `${totals.linksUp}/${totals.links}`,
        totals.streamsOpen,
        totals.requestsTotal,
        totals.requestsActive,
        totals.waiting,
        bytesText(totals.bytesInTotal),
        bytesText(totals.bytesOutTotal),
        bytesText(view.process.rssBytes),
      ],
    ],
  );
  const parts = [head];
  if (view.listeners.length > 0) parts.push(resourceText(view, "listeners"));
  if (certified(view).some(({ certificates }) => certificates.length > 0)) {
    parts.push(resourceText(view, "certificates"));
  }
  if (view.analyses.length > 0) parts.push(resourceText(view, "analyses"));
  if (view.services.length > 0) parts.push(resourceText(view, "services", wide));
  if (view.links.length > 0) parts.push(resourceText(view, "links", wide));
  return parts.join("\n");
}

/** `wide`: with further columns, where a resource has any. */
export function resourceText(view: NodeView, resource: Resource, wide = false): string {
  const { headings, rows } = (wide ? WIDE_TABLES[resource] : undefined) ?? TABLES[resource];
  const text = table(headings.split("|"), rows(view));
  return resource === "sessions" && view.sessionsOmitted > 0 ? `${text}and ${view.sessionsOmitted} more\n` : text;
}

/** What programs get of a resource. */
export function resourceData(view: NodeView, resource: Resource): readonly unknown[] {
  if (resource !== "certificates") return view[resource];
  return certified(view).flatMap(({ url, certificates }) => certificates.map((each) => ({ ...each, listener: url })));
}

interface TableForm {
  /** With bars between them. */
  readonly headings: string;
  readonly rows: (view: NodeView) => Cell[][];
}

const TABLES: Readonly<Record<Resource, TableForm>> = {
  services: {
    headings: "SERVICE|NODE|PROTOCOL|STATE|WEIGHT|COST|ACTIVE|REQUESTS|FAILED|P50 MS|P99 MS",
    rows: (view) => view.services.flatMap(serviceRows),
  },
  links: {
    headings: "LINK|NODE|IDENTITY|STATE|DIALLED BY|TRANSPORT|ADDRESS|COST|RTT MS|STREAMS|IN|OUT",
    rows: (view) => view.links.map(linkRow),
  },
  nodes: {
    headings: "NODE|INSTANCES|LINKS UP|LINKS|SERVICES",
    rows: (view) => view.nodes.map(nodeRow),
  },
  sessions: {
    headings: "SESSION|SERVICE|CLIENT|LISTENER|NODE|PROTOCOL|AGE|IN|OUT|ANALYSIS",
    rows: (view) => view.sessions.map(sessionRow),
  },
  listeners: {
    headings: "LISTENER|SERVICE|STATE|OPEN|CONNECTIONS|REFUSED|REQUESTS|2XX|4XX|5XX|IN|OUT",
    rows: (view) => view.listeners.map(listenerRow),
  },
  certificates: {
    headings: "CERTIFICATE|NAMES|EXPIRES|DAYS|LISTENER",
    rows: (view) => certified(view).flatMap(certificateRows),
  },
  analyses: {
    headings: "PLACE|ANALYZER|OPEN|CONNECTIONS|FAILED|STATISTICS",
    rows: (view) => view.analyses.map(analysisRow),
  },
};

const WIDE_TABLES: Readonly<Partial<Record<Resource, TableForm>>> = {
  services: {
    headings: `${TABLES.services.headings}|PATH|LINK|IDENTITY|LABELS`,
    rows: (view) => view.services.flatMap(wideServiceRows),
  },
  sessions: {
    headings: `${TABLES.sessions.headings}|SERVERS`,
    rows: (view) => view.sessions.map((session) => [...sessionRow(session), session.sides.map(sideText).join(" ")]),
  },
  listeners: {
    headings: `${TABLES.listeners.headings}|DATAGRAMS IN|DATAGRAMS OUT|DROPPED`,
    rows: (view) => view.listeners.map((listener) => [...listenerRow(listener), ...datagramCells(listener)]),
  },
  links: {
    headings: `${TABLES.links.headings}|INSTANCE|STREAMS EVER`,
    rows: (view) => view.links.map((link) => [...linkRow(link), link.instance, link.streamsTotal]),
  },
};

function wideServiceRows(service: ServiceView): Cell[][] {
  const { offers } = service;
  return serviceRows(service).map((row, index) => [
    ...row,
    ...(offers.length === 0 ? NO_OFFER : wideCells(offers[index]!)),
  ]);
}

const NO_OFFER: readonly Cell[] = [null, null, null, null];

/** The nodes on the way, the one that serves last. */
function wideCells({ path, relay, node, link, identity, labels }: OfferView): Cell[] {
  const way = relay ? [node, "?"] : path.length === 0 ? ["here"] : path;
  const named = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [way.join(" > "), link, identity, named.join(",")];
}

/** One row an offer, so that it can be seen who serves what; one for a service that nobody offers. */
function serviceRows(service: ServiceView): Cell[][] {
  const { p50Ms, p99Ms } = service.latency;
  const latency: Cell[] = [rounded(p50Ms), rounded(p99Ms)];
  if (service.offers.length === 0) {
    return [
      [
        service.name,
        null,
        null,
        "no offer",
        null,
        null,
        service.requestsActive,
        service.requestsTotal,
        null,
        ...latency,
      ],
    ];
  }
  return service.offers.map((offer) => {
    // What other nodes asked of an app here passes its offer by.
    const app = offer.link === null && !offer.relay ? service.app : null;
    return [
      service.name,
      offer.node,
      offer.protocol,
      offerState(offer, app),
      offer.weight,
      offer.cost,
      offer.outstanding,
      app?.requestsTotal ?? offer.requestsTotal,
      app === null ? offer.failuresTotal : sum(Object.values(app.failures)),
      ...latency,
    ];
  });
}

function offerState(offer: OfferView, app: AppView | null): string {
  if (!offer.usable) return offer.unusableReason || "unusable";
  if (app?.failing === true) return "failing";
  return offer.relay ? "relay" : "up";
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function linkRow(link: LinkView): Cell[] {
  return [
    link.id,
    link.node,
    link.identity,
    link.state,
    link.dialled ? "this node" : link.node,
    link.transport,
    link.address,
    link.cost,
    rounded(link.roundTripMs),
    link.streamsOpen,
    bytesText(link.bytesInTotal),
    bytesText(link.bytesOutTotal),
  ];
}

function listenerRow(listener: ListenerView): Cell[] {
  return [
    listener.url,
    listener.service,
    listener.state,
    listener.connectionsOpen,
    listener.connectionsTotal,
    listener.connectionsRefusedTotal,
    listener.requestsTotal,
    listener.statuses["2xx"],
    listener.statuses["4xx"],
    listener.statuses["5xx"],
    bytesText(listener.bytesInTotal),
    bytesText(listener.bytesOutTotal),
  ];
}

/** `queue=3 amplification=1`. */
function datagramCells({ datagrams }: ListenerView): Cell[] {
  if (datagrams === null) return [null, null, null];
  const dropped = Object.entries(datagrams.dropped).map(([reason, count]) => `${reason}=${count}`);
  return [datagrams.inTotal, datagrams.outTotal, dropped.join(" ")];
}

/** A node of an older version does not tell of its links' certificates. */
function certified(view: NodeView): readonly LinkCertificatesView[] {
  const links: readonly LinkCertificatesView[] | undefined = view.linkCertificates;
  return [...view.listeners, ...(links ?? [])];
}

function certificateRows({ url, certificates }: LinkCertificatesView): Cell[][] {
  return certificates.map(({ file, names, expiresAt, expiresDays }) => [
    file,
    names.join(", "),
    expiresAt.slice(0, 10),
    expiresDays,
    url,
  ]);
}

function nodeRow(peer: PeerView): Cell[] {
  return [peer.name, peer.instances.length, peer.linksUp, peer.links, peer.services.join(", ")];
}

function sessionRow(session: SessionView): Cell[] {
  return [
    session.id,
    session.service,
    session.client,
    session.listener,
    session.node === "" ? "waiting" : session.node,
    session.protocol,
    secondsText(session.ageSeconds),
    bytesText(session.bytesIn),
    bytesText(session.bytesOut),
    statisticsText(session.analysis ?? {}),
  ];
}

/** `a:latched b:gone(SESSION_LATCHED)`. */
function sideText({ name, state, latched, reason }: SideView): string {
  return `${name}:${latched ? "latched" : state}${reason === "" ? "" : `(${reason})`}`;
}

function analysisRow(analysis: AnalysisView): Cell[] {
  return [
    analysis.place,
    analysis.analyzer,
    analysis.connectionsOpen,
    analysis.connectionsTotal,
    analysis.failuresTotal,
    statisticsText(analysis.statistics),
  ];
}

/** `msg_total=5 answer_ms.p50=0.2`, without what is not known. */
function statisticsText(statistics: Statistics): string {
  return flatStatistics(statistics)
    .map(([name, value]) => `${name}=${rounded(value)}`)
    .join(" ");
}

function rounded(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds * 100) / 100;
}
