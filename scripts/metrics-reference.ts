/** The reference of the metrics in docs/METRICS.md: the families of a node that has one of everything. */
import { metricsOf } from "../src/admin/metrics.ts";
import type { Metric } from "../src/admin/metric.ts";
import type { NodeView, TrafficView } from "../src/node/view.ts";

/** Markdown: a table for each part of a node. */
export function metricsReference(): string {
  const families = metricFamilies();
  return SECTIONS.map(([title, prefix]) => {
    const rows = families.filter(({ name }) => sectionOf(name) === prefix).map(rowOf);
    return `### ${title}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  }).join("\n");
}

export function metricFamilies(): readonly Metric[] {
  return metricsOf(FULL);
}

const SECTIONS = [
  ["The node", ""],
  ["Listeners", "listener"],
  ["Services", "service"],
  ["Links", "link"],
  ["Analyzers", "analysis"],
] as const;

function sectionOf(name: string): (typeof SECTIONS)[number][1] {
  if (name.startsWith("polarity_certificate_")) return "listener";
  return SECTIONS.find(([, prefix]) => prefix !== "" && name.startsWith(`polarity_${prefix}`))?.[1] ?? "";
}

function rowOf({ name, type, help, values }: Metric): string {
  const labels = [...new Set(values.flatMap((value) => Object.keys(value.labels)))].filter((label) => label !== "le");
  return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
}

const TRAFFIC: TrafficView = {
  requestsTotal: 1,
  requestsActive: 1,
  bytesInTotal: 1,
  bytesOutTotal: 1,
  statuses: { "1xx": 1, "2xx": 1, "3xx": 1, "4xx": 1, "5xx": 1 },
  errors: { NO_OFFER: 1 },
  datagrams: { inTotal: 1, outTotal: 1, dropped: { queue: 1 } },
};

const CERTIFICATES = [{ file: "edge.crt", names: ["edge"], expiresAt: "2026-01-01T00:00:00Z", expiresDays: 1 }];

/** A node that has one of everything, so that every family has a sample. */
const FULL: NodeView = {
  node: { name: "edge", instance: "i0", version: "0.0.0", startedAt: "", uptimeSeconds: 1, state: "ready" },
  linkCertificates: [{ url: "tls://127.0.0.1:8000", certificates: CERTIFICATES }],
  listeners: [
    {
      ...TRAFFIC,
      url: "https://127.0.0.1:8001",
      state: "listening",
      service: null,
      connectionsTotal: 1,
      connectionsOpen: 1,
      connectionsRefusedTotal: 1,
      handshakesFailedTotal: 1,
      certificates: CERTIFICATES,
    },
  ],
  links: [
    {
      id: "link-1",
      node: "phone",
      instance: "i1",
      identity: "team",
      address: "127.0.0.1:5000",
      transport: "tcp",
      dialled: false,
      state: "up",
      cost: 0,
      roundTripMs: 1,
      streamsOpen: 1,
      streamsTotal: 1,
      bytesInTotal: 1,
      bytesOutTotal: 1,
    },
  ],
  services: [
    {
      ...TRAFFIC,
      name: "web",
      declared: true,
      owner: null,
      usable: true,
      connectionsTotal: 1,
      retriesTotal: 1,
      retriesDeniedTotal: 1,
      hedgesTotal: 1,
      hedgesWonTotal: 1,
      mirrorsTotal: 1,
      mirrorsDroppedTotal: 1,
      latency: { count: 1, sumMs: 1, p50Ms: 1, p90Ms: 1, p99Ms: 1, buckets: [{ upToMs: 1, count: 1 }] },
      offers: [],
      app: { requestsTotal: 1, failures: { TARGET_FAILED: 1 }, failing: false, lastFailure: null },
      servers: [
        {
          name: "phone",
          sessionsTotal: 1,
          sessionsActive: 1,
          latchedTotal: 1,
          bytesInTotal: 1,
          bytesOutTotal: 1,
          answeredTotal: 1,
          firstByteMsSum: 1,
          cuts: { SERVER_TOO_SLOW: 1 },
          datagramsMissedTotal: 1,
        },
      ],
      lateTotal: 1,
    },
  ],
  nodes: [],
  sessions: [],
  sessionsOmitted: 0,
  analyses: [
    {
      place: "service web",
      service: "web",
      analyzer: "bytes",
      connectionsOpen: 1,
      connectionsTotal: 1,
      failuresTotal: 1,
      statistics: { bytes: 1 },
    },
  ],
  totals: {
    requestsTotal: 1,
    requestsActive: 1,
    connectionsOpen: 1,
    bytesInTotal: 1,
    bytesOutTotal: 1,
    links: 1,
    linksUp: 1,
    streamsOpen: 1,
    waiting: 1,
    offersRefusedTotal: 1,
    heldBytes: 1,
    heldStreamsShedTotal: 1,
    heldBytesShedTotal: 1,
  },
  process: {
    pid: 1,
    rssBytes: 1,
    heapUsedBytes: 1,
    cpuSeconds: 1,
    eventLoopDelayP99Ms: 1,
    internalErrors: { link: 1 },
  },
};
